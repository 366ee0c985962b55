"""Disputes: about a statement, a line of it, or who is credited."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import is_operations, may_answer, owns
from fenrun.portal.api.shared import (
    ERRORS,
    NUMBER,
    Paged,
    Router,
    Window,
    clean,
    forbidden,
    of_period,
    page_of,
    wanted,
)
from fenrun.portal.commands import disputes as commands
from fenrun.portal.models import Dispute, DisputeEntry

router = Router()


class DisputeOut(Schema):
    """A dispute."""

    id: int
    party: str
    period: str
    line: str
    state: str
    opened_by: str
    opened_at: datetime


class DisputePage(Paged):
    """A page of disputes."""

    rows: list[DisputeOut]


class EntryOut(Schema):
    """An entry of a dispute."""

    by: str
    at: datetime
    state: str
    text: str


class DisputeWhole(DisputeOut):
    """A dispute with its entries."""

    said: list[EntryOut]


class DisputeIn(Schema):
    """A dispute, as it is opened."""

    party: str = Field(max_length=200)
    period: str = Field(max_length=40)
    line: str = Field("", max_length=500)
    text: str = Field(max_length=4000)


class AnswerIn(Schema):
    """An answer to a dispute."""

    state: str = Field(max_length=20)
    text: str = Field(max_length=4000)


@router.get("/disputes", response={200: DisputePage, **ERRORS}, summary="Disputes")
def disputes(
    request: HttpRequest, window: Query[Window], state: str = "", party: str = "", period: str = ""
) -> Any:
    """Return the disputes that the asker sees, latest first; in a state, of a party or period."""
    asked = of_period(period, "period") | wanted(state=state, party=party)
    return page_of(Dispute.objects.filter(**asked).order_by("-id"), window)


@router.get(
    "/disputes/{number}",
    response={200: DisputeWhole, **ERRORS},
    summary="A dispute, with what was said",
)
def dispute(request: HttpRequest, number: int = NUMBER) -> Any:
    """Return a dispute, with its entries in their order."""
    found = get_object_or_404(Dispute, pk=number)
    entries = DisputeEntry.objects.filter(dispute_id=found.pk).order_by("id")
    return {**vars(found), "said": list(entries)}


@router.post("/disputes", response={201: DisputeOut, **ERRORS}, summary="Open a dispute")
def open_dispute(request: HttpRequest, said: DisputeIn) -> Any:
    """Dispute one's own statement, a line of it, or who is credited for one's own spend."""
    party, period, line = clean(said.party), clean(said.period), clean(said.line)
    if not owns(request, party, period, line):
        raise Http404
    actor = request.user.get_username()
    return 201, commands.open_dispute(actor, party, period, line, clean(said.text))


@router.post(
    "/disputes/{number}/answer", response={200: DisputeOut, **ERRORS}, summary="Answer a dispute"
)
def answer(request: HttpRequest, said: AnswerIn, number: int = NUMBER) -> Any:
    """Answer, and bring the dispute into a state.

    Operations: answered, accepted or refused. Whom it concerns: open (a reply) or withdrawn.
    """
    found = get_object_or_404(Dispute, pk=number)
    if not may_answer(request, found.party, found.period):
        raise forbidden("api-may-answer")
    actor = request.user.get_username()
    state, text = clean(said.state), clean(said.text)
    return commands.answer(actor, found, state, text, is_operations(request))
