"""Cases of findings, for operations and auditors; what parties are asked about them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Schema

from fenrun.base.when import parse_period
from fenrun.base.words import Unreadable
from fenrun.integrity.findings import Case
from fenrun.integrity.life import lives
from fenrun.integrity.written import case_as_json, checks_as_json, contradicted_as_json
from fenrun.portal.access.permissions import is_operations, parties_of, store_of
from fenrun.portal.api.shared import (
    ERRORS,
    NUMBER,
    Paged,
    Router,
    Window,
    clean,
    forbidden,
    only_operations,
    only_who_see_everything,
    page_of,
)
from fenrun.portal.commands import cases as commands
from fenrun.portal.language import lang
from fenrun.portal.models import PARTNER, REP, CaseEntry, CaseQuestion

router = Router()


class CaseQuery(Schema):
    """The cases that are asked for; what is left out asks for any."""

    state: str = Field("", max_length=20)
    owner: str = Field("", max_length=150)
    check: str = Field("", max_length=60)
    party: str = Field("", max_length=200)
    due: date | None = Field(None, description="Those that are due by this day.")
    least: Decimal = Field(Decimal(0), description="Those of at least this amount.")
    q: Decimal | None = Field(None, description="Those whose false share is at most this.")


class CasePage(Paged):
    """A page of cases, each as `fenrun findings --json` says it, and what the checks did."""

    rows: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    contradicted: list[dict[str, Any]]


class MonthsIn(Schema):
    """The months to examine."""

    first: str = Field(max_length=7, description="2024-01.")
    last: str = Field(max_length=7)


class CaseDecisionIn(Schema):
    """A decision about a case."""

    state: str = Field(
        max_length=20, description="open, explained, confirmed, sanctioned or closed."
    )
    reason: str = Field(max_length=4000)
    owner: str = Field("", max_length=150)
    due: date | None = None


class QuestionIn(Schema):
    """A question to a party of a case."""

    party: str = Field(max_length=200)
    text: str = Field(max_length=4000, description="All that the party sees of the case.")


class CaseAnswerIn(Schema):
    """An answer to a question; operations may end it."""

    text: str = Field(max_length=4000)
    state: str = Field("", max_length=20, description="over: operations end it.")


class QuestionEntry(Schema):
    """An entry of a question."""

    by: str
    at: datetime
    state: str
    text: str


class QuestionOut(Schema):
    """A question about a case, as its party sees it."""

    id: int
    party: str
    state: str = Field(description="open, answered or over.")
    asked_by: str
    asked_at: datetime


class QuestionWhole(QuestionOut):
    """A question with what was answered."""

    said: list[QuestionEntry]


class QuestionPage(Paged):
    """A page of questions."""

    rows: list[QuestionOut]


@router.get("/cases", response={200: CasePage, **ERRORS}, summary="The queue of cases")
def cases(request: HttpRequest, asked: Query[CaseQuery], window: Query[Window]) -> Any:
    """Return the cases that are kept, the largest first; for operations and auditors."""
    only_who_see_everything(request)
    texts = {name: clean(getattr(asked, name)) for name in ("state", "owner", "check", "party")}
    wanted = commands.Wanted(**texts, due=asked.due, least=asked.least, q=asked.q)
    whole = commands.queue(store_of(request))
    found = [case for case in whole.cases if wanted.fits(case)] if whole else []
    start = (window.page - 1) * window.size
    return {
        "page": window.page,
        "size": window.size,
        "total": len(found),
        "rows": [case_as_json(case, lang()) for case in found[start : start + window.size]],
        "checks": checks_as_json(whole, lang()) if whole else [],
        "contradicted": contradicted_as_json(whole) if whole else [],
    }


@router.post("/cases", response={200: CasePage, **ERRORS}, summary="Run the checks")
def examine(request: HttpRequest, said: MonthsIn) -> Any:
    """Run the checks over some months; what they find is kept."""
    only_operations(request)
    first, last = clean(said.first), clean(said.last)
    try:
        period = parse_period(first if first == last else f"{first}/{last}")
    except Unreadable as error:
        raise Http404 from error
    found = commands.examine(store_of(request), period)
    rows = [case_as_json(case, lang()) for case in found.cases]
    shown = {"rows": rows, "checks": checks_as_json(found, lang())}
    shown["contradicted"] = contradicted_as_json(found)
    return {"page": 1, "size": len(rows), "total": len(rows), **shown}


@router.get("/cases/{case}", response={200: dict[str, Any], **ERRORS}, summary="A case")
def case(request: HttpRequest, case: str) -> Any:
    """Return a case with its evidence, its months, its life, and what its parties were asked."""
    only_who_see_everything(request)
    return _whole(request, _found(request, case))


def _found(request: HttpRequest, name: str) -> Case:
    found = commands.find(store_of(request), clean(name))
    if not found:
        raise Http404
    return found


def _whole(request: HttpRequest, found: Case) -> Mapping[str, Any]:
    store = store_of(request)
    steps = lives(store).get(found.id, ())
    return {
        **case_as_json(found, lang()),
        "months": [
            {
                "month": one.month,
                "currency": one.currency,
                "of_case": str(one.of_case),
                "of_customers": str(one.of_customers),
            }
            for one in found.months
        ],
        "life": [{**vars(step), "actor": store.names(step.actor)} for step in steps],
        "questions": [
            {"id": one.pk, "party": one.party, "state": one.state}
            for one in commands.questions_of(found.id)
        ],
    }


@router.post(
    "/cases/{case}/decisions",
    response={201: dict[str, Any], **ERRORS},
    summary="Decide about a case",
)
def decide_case(request: HttpRequest, case: str, said: CaseDecisionIn) -> Any:
    """Enter a step of a case's life in the log; the same state again changes owner and day."""
    only_operations(request)
    state, reason, owner = (clean(text) for text in (said.state, said.reason, said.owner))
    store = store_of(request)
    commands.decide(store, _found(request, case), state, reason, owner, said.due)
    return 201, _whole(request, _found(request, case))


@router.post(
    "/cases/{case}/questions",
    response={201: QuestionOut, **ERRORS},
    summary="Ask a party of a case",
)
def ask_case(request: HttpRequest, case: str, said: QuestionIn) -> Any:
    """Ask a party something about a case: it sees this text, and nothing else of the case."""
    only_operations(request)
    actor, texts = request.user.get_username(), (clean(said.party), clean(said.text))
    return 201, commands.ask(actor, _found(request, case), *texts)


@router.get("/questions", response={200: QuestionPage, **ERRORS}, summary="Questions about cases")
def questions(request: HttpRequest, window: Query[Window]) -> Any:
    """Return the questions that the asker sees, latest first."""
    return page_of(CaseQuestion.objects.order_by("-id"), window)


@router.get("/questions/{number}", response={200: QuestionWhole, **ERRORS}, summary="A question")
def question(request: HttpRequest, number: int = NUMBER) -> Any:
    """Return a question with what was answered, in order."""
    found = get_object_or_404(CaseQuestion, pk=number)
    entries = CaseEntry.objects.filter(question_id=found.pk).order_by("id")
    return {**vars(found), "said": list(entries)}


@router.post(
    "/questions/{number}/answer",
    response={200: QuestionOut, **ERRORS},
    summary="Answer a question",
)
def answer_question(request: HttpRequest, said: CaseAnswerIn, number: int = NUMBER) -> Any:
    """Answer a question that one's own party was asked; operations add to it or end it."""
    found = get_object_or_404(CaseQuestion, pk=number)
    operations = is_operations(request)
    if not (operations or found.party in parties_of(request, PARTNER, REP)):
        raise forbidden("api-may-answer")
    text, state = clean(said.text), clean(said.state)
    return commands.answer(request.user.get_username(), found, text, operations, state)
