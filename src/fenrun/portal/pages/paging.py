"""Pages of long lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest

A_PAGE = 50
"""Rows of a page, where a list says no other number."""


def page_of(
    request: HttpRequest,
    rows: QuerySet[Any] | Sequence[Any],
    size: int = A_PAGE,
    name: str = "page",
) -> Page[Any]:
    """Return the page of a list that is asked for under a name; of a query only its rows are read.

    What is no number of a page is the first; what is beyond the last is the last.
    """
    return Paginator(rows, size).get_page(request.GET.get(name))


def open_first(rows: QuerySet[Any], *states: str, column: str = "state") -> QuerySet[Any]:
    """Return rows with those in some states first, of each the latest first."""
    is_open = When(**{f"{column}__in": states}, then=Value(0))
    is_over = Case(is_open, default=1, output_field=IntegerField())
    return rows.order_by(is_over, "-pk")


def others_asked(asked: Any, name: str) -> list[tuple[str, str]]:
    """Return what an address asks for besides a page."""
    return [(key, value) for key, value in asked.items() if key != name]


def address_of(asked: Any, name: str, value: int | str) -> str:
    """Return what asks for another page of a list, or form of it, and for all else as before."""
    return "?" + urlencode([*others_asked(asked, name), (name, str(value))])
