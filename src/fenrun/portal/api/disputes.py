"""Disputes: about a statement, a line of it, or who is credited."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Field, File, Query, Schema, UploadedFile

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
    only_operations,
    page_of,
    wanted,
)
from fenrun.portal.commands import disputes as commands
from fenrun.portal.models import Dispute, DisputeEntry, DisputeFile

router = Router()
_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class DisputeOut(Schema):
    """A dispute."""

    id: int
    party: str
    period: str
    line: str
    state: str
    opened_by: str
    opened_at: datetime
    amount: str = Field(description="Claimed; empty where nothing is said.")
    currency: str
    charge: str = Field(description="Place of the charge that it is about.")
    customer: str = Field(description="Whose spend, credited to others, it is about.")
    owner: str
    due: date | None


class DisputePage(Paged):
    """A page of disputes."""

    rows: list[DisputeOut]


class EntryOut(Schema):
    """An entry of a dispute."""

    by: str
    at: datetime
    state: str
    text: str


class FileOut(Schema):
    """A file of a dispute."""

    id: int
    name: str
    size: int
    by: str
    at: datetime


class MendedOut(Schema):
    """A statement that pays otherwise since a dispute was accepted."""

    period: str
    difference: str
    then: str = Field(description="Empty where the period is a later one, which books it.")
    now: str


class DisputeWhole(DisputeOut):
    """A dispute with its entries, its files, and what was paid otherwise since it was accepted."""

    said: list[EntryOut]
    files: list[FileOut]
    mended: list[MendedOut]


class DisputeIn(Schema):
    """A dispute, as it is opened."""

    party: str = Field(max_length=200)
    period: str = Field(max_length=40)
    line: str = Field("", max_length=500)
    text: str = Field(max_length=4000)
    amount: str = Field("", max_length=60)
    currency: str = Field("", max_length=10)
    charge: str = Field("", max_length=500, description="Its place: file and row.")
    customer: str = Field("", max_length=200)


class AssignIn(Schema):
    """The owner of a dispute, and the day by which it is answered."""

    owner: str = Field("", max_length=150)
    due: date | None = None


class AnswerIn(Schema):
    """An answer to a dispute."""

    state: str = Field(max_length=20)
    text: str = Field(max_length=4000)


@router.get("/disputes", response={200: DisputePage, **ERRORS}, summary="Disputes")
def disputes(
    request: HttpRequest,
    window: Query[Window],
    state: str = "",
    party: str = "",
    period: str = "",
    owner: str = "",
) -> Any:
    """Return the disputes that the asker sees, latest first; in a state, of a period ..."""
    asked = of_period(period, "period") | wanted(state=state, party=party, owner=owner)
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
    files = DisputeFile.objects.filter(dispute_id=found.pk).defer("content").order_by("id")
    mended = [vars(one) for one in commands.mended(found)]
    return {**vars(found), "said": list(entries), "files": list(files), "mended": mended}


@router.post("/disputes", response={201: DisputeOut, **ERRORS}, summary="Open a dispute")
def open_dispute(request: HttpRequest, said: DisputeIn) -> Any:
    """Dispute one's own statement, a line of it, or who is credited for one's own spend."""
    party, period, line = clean(said.party), clean(said.period), clean(said.line)
    if not owns(request, party, period, line):
        raise Http404
    actor = request.user.get_username()
    texts = (clean(text) for text in (said.amount, said.currency, said.charge, said.customer))
    claim = commands.Claim(*texts)
    return 201, commands.open_dispute(actor, party, period, line, clean(said.text), claim)


@router.post(
    "/disputes/{number}/assign",
    response={200: DisputeOut, **ERRORS},
    summary="Say who answers a dispute, and by when",
)
def assign_dispute(request: HttpRequest, said: AssignIn, number: int = NUMBER) -> Any:
    """Name its owner and its due day, as operations."""
    only_operations(request)
    found = get_object_or_404(Dispute, pk=number)
    return commands.assign(request.user.get_username(), found, clean(said.owner), said.due)


@router.post(
    "/disputes/{number}/files",
    response={201: FileOut, **ERRORS},
    summary="Add a file to a dispute",
)
def add_dispute_file(request: HttpRequest, file: File[UploadedFile], number: int = NUMBER) -> Any:
    """Keep a file that shows what a dispute is about: 2,000,000 bytes and ten files at most."""
    found = get_object_or_404(Dispute, pk=number)
    if not may_answer(request, found.party, found.period):
        raise forbidden("api-may-answer")
    content = file.read(commands.MOST_BYTES + 1)
    actor, name = request.user.get_username(), clean(str(file.name))
    return 201, commands.add_file(actor, found, name, content)


@router.get(
    "/disputes/{number}/files/{file}",
    response={200: bytes, **ERRORS},
    openapi_extra={"responses": {200: {"content": _FILE}}},
    summary="A file of a dispute",
)
def dispute_file(request: HttpRequest, number: int = NUMBER, file: int = NUMBER) -> Any:
    """Return a file of a dispute that the asker sees."""
    found = get_object_or_404(DisputeFile, pk=file, dispute_id=number)
    return HttpResponse(bytes(found.content), content_type="application/octet-stream")


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
