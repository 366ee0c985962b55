"""The book: a customer's links over time, and what moving it would do."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Schema

from fenrun.base.money import plain
from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    Paged,
    Router,
    Window,
    clean,
    only_who_see_everything,
    page_of,
)
from fenrun.portal.commands.book import links_of, preview_move
from fenrun.portal.models import Period
from fenrun.portal.request_queue import outside_queue

router = Router()


class LinkRow(Schema):
    """A link of the book: who holds what, since when, entered by whom."""

    role: str
    of_kind: str
    issuer: str
    subject: str
    party: str
    name: str
    share: str
    since: date | None
    until: date | None
    source: str
    actor: str
    reason: str


class LinkPage(Paged):
    """A page of links of the book."""

    rows: list[LinkRow]


class Moved(Schema):
    """A payee whose pay would differ."""

    payee: str
    currency: str
    before: str
    after: str
    more: str


class MovedPage(Paged):
    """A page of payees whose pay would differ."""

    rows: list[Moved]


@router.get(
    "/book/{id:customer}",
    response={200: LinkPage, **ERRORS},
    summary="A customer's links over time",
)
def book(request: HttpRequest, customer: str, window: Query[Window]) -> Any:
    """Return who held it, since when, entered by whom; for operations and auditors."""
    only_who_see_everything(request)
    with outside_queue():
        links = links_of(store_of(request), clean(customer))
    page = page_of(links, window)
    return {**page, "rows": [_as_json(link) for link in page["rows"]]}


def _as_json(link: dict[str, Any]) -> dict[str, Any]:
    event = link["event"]
    return {
        **link,
        "share": plain(link["share"]),
        "actor": event.actor if event else "",
        "reason": event.reason if event else "",
    }


@router.get(
    "/book/{id:customer}/move",
    response={200: MovedPage, **ERRORS},
    summary="What moving a customer would do",
)
def move(
    request: HttpRequest,
    customer: str,
    to: str,
    since: date,
    period: str,
    window: Query[Window],
) -> Any:
    """Return whose pay would differ in a period, were the customer a partner's from a day on.

    For operations and auditors; nothing is kept.
    """
    only_who_see_everything(request)
    shown = get_object_or_404(Period, pk=clean(period))
    with outside_queue():
        changed = preview_move(store_of(request), clean(customer), clean(to), since, shown)
    return page_of(changed, window)
