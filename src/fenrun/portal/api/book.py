"""The book: a customer's links over time, and what moving it would do."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Schema

from fenrun.base.money import plain
from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import ERRORS, Router, clean, only_who_see_everything
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
    since: date
    until: date | None
    source: str
    actor: str
    reason: str


class Moved(Schema):
    """A payee whose pay would differ."""

    payee: str
    currency: str
    before: str
    after: str
    more: str


@router.get(
    "/book/{id:customer}",
    response={200: list[LinkRow], **ERRORS},
    summary="A customer's links over time",
)
def book(request: HttpRequest, customer: str) -> Any:
    """Return who held it, since when, entered by whom; for operations and auditors."""
    only_who_see_everything(request)
    with outside_queue():
        links = links_of(store_of(request), clean(customer))
    return [_as_json(link) for link in links]


def _as_json(link: dict[str, Any]) -> dict[str, Any]:
    event = link["event"]
    return {
        **link,
        "share": plain(link["share"]),
        "since": link["valid_from"],
        "actor": event.actor if event else "",
        "reason": event.reason if event else "",
    }


@router.get(
    "/book/{id:customer}/move",
    response={200: list[Moved], **ERRORS},
    summary="What moving a customer would do",
)
def move(request: HttpRequest, customer: str, to: str, since: date, period: str) -> Any:
    """Return whose pay would differ in a period, were the customer a partner's from a day on.

    For operations and auditors; nothing is kept.
    """
    only_who_see_everything(request)
    shown = get_object_or_404(Period, pk=clean(period))
    with outside_queue():
        return preview_move(store_of(request), clean(customer), clean(to), since, shown)
