"""Requests: who is to be credited, and what the customer says to it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import (
    is_operations,
    may_ask,
    may_decide,
    parties_of,
    store_of,
)
from fenrun.portal.api.shared import (
    ERRORS,
    NUMBER,
    Paged,
    Router,
    Window,
    clean,
    forbidden,
    page_of,
    wanted,
)
from fenrun.portal.commands import requests as commands
from fenrun.portal.models import PARTNER, Request

router = Router()


class RequestOut(Schema):
    """A request to a customer."""

    id: int
    kind: str
    customer: str
    party: str
    issuer: str
    order: str
    since: date
    reason: str
    asked_by: str
    asked_at: datetime
    silent_on: date | None
    state: str
    decided_by: str
    decided_at: datetime | None
    holds_from: date | None


class RequestPage(Paged):
    """A page of requests."""

    rows: list[RequestOut]


class RequestIn(Schema):
    """A request, as it is asked."""

    kind: str = Field(max_length=20, description="association, transfer or registration")
    customer: str = Field(max_length=200)
    party: str = Field(max_length=200)
    issuer: str = Field("", max_length=200)
    order: str = Field("", max_length=200)
    since: date
    reason: str = Field(max_length=1000)


class Decision(Schema):
    """A decision about a request."""

    state: str = Field(max_length=20, description="consented, refused or withdrawn")


@router.get(
    "/requests",
    response={200: RequestPage, **ERRORS},
    summary="Who is to be credited, and what the customer says to it",
)
def requests(
    request: HttpRequest,
    window: Query[Window],
    state: str = "",
    customer: str = "",
    party: str = "",
) -> Any:
    """Return the requests that the asker sees, latest first; in a state, of a customer or party."""
    asked = wanted(shown_state=state, customer=customer, party=party)
    told = commands.with_shown_state(Request.objects.all(), parties_of(request, PARTNER))
    page = page_of(told.filter(**asked).order_by("-id"), window)
    return {**page, "rows": [_as_shown(request, row) for row in page["rows"]]}


def _as_shown(request: HttpRequest, found: Request) -> Request:
    return commands.as_shown(found, found.party in parties_of(request, PARTNER))


@router.post("/requests", response={201: RequestOut, **ERRORS}, summary="Ask a customer")
def ask(request: HttpRequest, said: RequestIn) -> Any:
    """Ask as operations for any partner, or as a partner to register an order for itself."""
    if not may_ask(request, said.kind, said.party):
        raise forbidden("api-may-ask")
    asked = commands.ask(
        store_of(request),
        said.kind,
        clean(said.customer),
        clean(said.party),
        said.since,
        clean(said.reason),
        clean(said.order),
        clean(said.issuer),
        is_operations(request),
    )
    return 201, _as_shown(request, asked)


@router.post(
    "/requests/{number}",
    response={200: RequestOut, **ERRORS},
    summary="Consent, refuse or withdraw",
)
def decide(request: HttpRequest, said: Decision, number: int = NUMBER) -> Any:
    """Consent or refuse, as the customer; withdraw, as who asked."""
    found = get_object_or_404(Request, pk=number)
    if not may_decide(request, found, said.state):
        raise forbidden("api-may-decide")
    return _as_shown(request, commands.decide(store_of(request), found, said.state))
