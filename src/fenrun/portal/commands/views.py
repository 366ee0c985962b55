"""Saved views: a list as somebody has filtered and sorted it, kept under a name of his own."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.models import SavedView

_DB = "default"
PAGES = ("statements",)
"""The lists of which views are saved."""
MOST = 20
"""Views of a list that one account keeps."""
_LONGEST_NAME, _LONGEST_QUERY = 100, 1000


def views_of(account: str, page: str) -> list[SavedView]:
    """Return the views of a list that an account has saved, by name."""
    return list(SavedView.objects.filter(reader=f" {account} ", page=page).order_by("name"))


def save(account: str, page: str, name: str, query: str) -> None:
    """Save a view, in place of an earlier one of that name.

    Raises Refused for no name, no such list, or too many.
    """
    name = name.strip()[:_LONGEST_NAME]
    kept = SavedView.objects.using(_DB).filter(reader=f" {account} ", page=page)
    asked = urlencode([pair for pair in parse_qsl(query) if pair[0] != "page"])
    too_many = kept.exclude(name=name).count() >= MOST
    if not name or page not in PAGES or len(asked) > _LONGEST_QUERY or too_many:
        raise Refused([Problem("view-wrong", Place(page), {"most": MOST})])
    SavedView.objects.using(_DB).update_or_create(
        reader=f" {account} ", page=page, name=name, defaults={"query": asked}
    )


def drop(account: str, number: int) -> None:
    """Drop a view of one's own."""
    SavedView.objects.using(_DB).filter(reader=f" {account} ", pk=number).delete()
