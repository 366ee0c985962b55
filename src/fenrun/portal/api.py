"""The API: what the pages show and do, as JSON, through the same rows and the same acts. Amounts are exact text."""

from __future__ import annotations

from datetime import date, datetime
from importlib.metadata import version
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Field, File, Form, NinjaAPI, Path, Query, Schema, UploadedFile
from ninja.errors import HttpError, ValidationError
from ninja.security import APIKeyCookie, HttpBearer

from fenrun.base.money import plain
from fenrun.base.problem import Refused
from fenrun.base.when import Period as Span
from fenrun.base.when import parse_period
from fenrun.portal import acts, consents, webhooks
from fenrun.portal.middleware import refusal
from fenrun.portal.models import (
    EVERYBODY,
    OPERATIONS,
    Approval,
    Crediting,
    Dispute,
    DisputeEntry,
    Grant,
    Hook,
    Period,
    Request,
    Statement,
)
from fenrun.portal.pages.book import links_of, moved
from fenrun.portal.pages.common import (
    bundled,
    current_plans,
    estimated,
    explained,
    may_ask,
    may_decide,
    owns,
    reasons_of,
    roles_of,
    store_of,
    whole,
)
from fenrun.portal.pages.imports import Job, begin, job_of
from fenrun.portal.pages.plans import checked
from fenrun.portal.pages.targets import figures_of
from fenrun.portal.request_queue import outside_queue
from fenrun.portal.words import lang

NUMBER = Path(..., ge=1, le=2**62)
MOST = 200
"""Rows of a page at most."""


class Session(APIKeyCookie):
    """Whoever has signed in with a browser; acts need the form token as well."""

    param_name = "sessionid"

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return (
            request.user
            if request.user.is_authenticated and not hasattr(request, "scopes")
            else None
        )


class Bearer(HttpBearer):
    """A token of the user, within its scopes (middleware.py has looked it up)."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        if not request.user.is_authenticated or not hasattr(request, "scopes"):
            return None
        if request.method not in ("GET", "HEAD") and "act" not in request.scopes:
            raise HttpError(403, "This token may only read.")
        return request.user


class Said(Schema):
    """Why something is refused."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    place: str = ""


class Refusal(Schema):
    problems: list[Said]


class Paged(Schema):
    page: int
    size: int
    total: int


class GrantOut(Schema):
    id: int
    role: str
    party: str
    reason: str
    given_by: str
    given_at: datetime
    approved_by: str
    holds_at: datetime | None = Field(description="None: it waits for the second of operations.")


class LinkOut(Schema):
    path: str = Field(description="At the portal's own address.")


class PeriodOut(Schema):
    key: str
    run: str
    known: datetime = Field(description="The second clock: only facts known by then (UTC).")
    ends: date = Field(description="The first clock: the last day that the period is about.")
    closed: bool
    currency: str


class StatementHead(Schema):
    period: str = Field(alias="period_id")
    payee: str
    name: str
    role: str
    credited: str
    earned: str
    payable: str


class StatementPage(Paged):
    rows: list[StatementHead]


class CreditingOut(Schema):
    period: str = Field(alias="period_id")
    customer: str
    role: str
    party: str
    name: str
    via: str
    order: str
    amount: str
    charges: int
    since: date | None
    until: date | None
    source: str
    actor: str
    known: datetime | None


class CreditingPage(Paged):
    rows: list[CreditingOut]


class RequestOut(Schema):
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
    rows: list[RequestOut]


class RequestIn(Schema):
    kind: str = Field(max_length=20, description="association, transfer or registration")
    customer: str = Field(max_length=200)
    party: str = Field(max_length=200)
    issuer: str = Field("", max_length=200)
    order: str = Field("", max_length=200)
    since: date
    reason: str = Field(max_length=1000)


class Decision(Schema):
    state: str = Field(max_length=20, description="consented, refused or withdrawn")


class DisputeOut(Schema):
    id: int
    party: str
    period: str
    line: str
    state: str
    opened_by: str
    opened_at: datetime


class DisputePage(Paged):
    rows: list[DisputeOut]


class EntryOut(Schema):
    by: str
    at: datetime
    state: str
    text: str


class DisputeWhole(DisputeOut):
    said: list[EntryOut]


class HookOut(Schema):
    id: int
    url: str
    events: str
    made_at: datetime


class HookMade(HookOut):
    secret: str = Field(description="Signs what is told; said this once.")


class HookIn(Schema):
    url: str = Field(max_length=500)
    events: list[str]


class GrantIn(Schema):
    user: str = Field(min_length=1, max_length=150)
    role: str = Field(max_length=20)
    party: str = Field("", max_length=200)
    reason: str = Field(max_length=500)


class Verified(Schema):
    acts: int
    head: str
    problems: list[dict[str, Any]]


class PlanIn(Schema):
    text: str = Field(max_length=1_000_000)
    reason: str = Field(max_length=500)


class PlanOut(Schema):
    plan: str
    text: str


class DisputeIn(Schema):
    party: str = Field(max_length=200)
    period: str = Field(max_length=40)
    line: str = Field("", max_length=500)
    text: str = Field(max_length=4000)


class AnswerIn(Schema):
    state: str = Field(max_length=20)
    text: str = Field(max_length=4000)


class CheckIn(Schema):
    text: str = Field(max_length=1_000_000)
    period: str = Field("", max_length=40, description="Whose pay it changes in this period.")


class CheckedOut(Schema):
    problems: list[dict[str, Any]]
    cases: list[int] = Field(
        description="How many of the plan's cases come out as it says, and how many there are."
    )
    changes: list[dict[str, Any]]
    payees: list[dict[str, Any]]
    period: str


class JobOut(Schema):
    number: int
    files: list[str]
    percent: int
    over: bool
    imported: list[dict[str, Any]]
    problems: list[dict[str, Any]]


class LinkRow(Schema):
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
    payee: str
    before: str
    after: str
    more: str


class TargetOut(Schema):
    party: str
    name: str
    figure: str
    period: str
    amount: str
    currency: str
    source: str
    actor: str
    at: str
    reason: str


class TargetIn(Schema):
    party: str = Field(max_length=200)
    figure: str = Field(max_length=100)
    period: str = Field(max_length=40)
    amount: str = Field(max_length=60)
    currency: str = Field("", max_length=10)
    reason: str = Field(max_length=500)


class Reason(Schema):
    reason: str = Field(max_length=500)


class ApprovalOut(Schema):
    id: int
    period: str
    run: str
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str
    approved_at: datetime | None


class Settling(Schema):
    period: str
    changed: bool


class Window(Schema):
    page: int = Field(1, ge=1, le=1_000_000)
    size: int = Field(50, ge=1, le=MOST)


_ERRORS = {400: Refusal, 401: Refusal, 403: Refusal, 404: Refusal, 409: Refusal, 422: Refusal}
api = NinjaAPI(
    title="fenrun",
    version=version("fenrun"),
    auth=[Bearer(), Session()],
    docs_url=None,
    urls_namespace="api",
    description="Statements, their explanations, who is credited, disputes and closes, as the asker may see them. Amounts are exact text; every answer names its two clocks by its period.",
)


def _page(rows: Any, window: Window) -> dict[str, Any]:
    start = (window.page - 1) * window.size
    return {
        "page": window.page,
        "size": window.size,
        "total": rows.count(),
        "rows": list(rows[start : start + window.size]),
    }


def _clean(text: str) -> str:
    """No text holds a NUL byte: PostgreSQL would refuse the whole query."""
    if "\x00" in text:
        raise Http404
    return text


def _operations(request: HttpRequest) -> None:
    if OPERATIONS not in roles_of(request):
        raise HttpError(403, "Only vendor operations do this.")


def _everybody(request: HttpRequest) -> None:
    if not roles_of(request) & set(EVERYBODY):
        raise HttpError(403, "Only operations and auditors see this.")


def _job(job: Job) -> dict[str, Any]:
    return {
        "number": job.number,
        "files": job.files,
        "percent": job.percent,
        "over": job.over,
        "imported": [{"source": d.source, "new": d.new, **d.facts} for d in job.imported],
        "problems": [p.as_json(lang()) for p in job.problems],
    }


def _span(text: str) -> Span:
    try:
        return parse_period(text)
    except ValueError as error:
        raise Http404 from error


@api.get("/me", response={200: list[GrantOut], **_ERRORS}, summary="What I may see, and why")
def me(request: HttpRequest) -> Any:
    """One's own grants."""
    return reasons_of(request)


@api.get(
    "/periods", response={200: list[PeriodOut], **_ERRORS}, summary="The periods that are shown"
)
def periods(request: HttpRequest) -> Any:
    """Latest first."""
    return Period.objects.order_by("-key")


@api.get("/statements", response={200: StatementPage, **_ERRORS}, summary="Statements")
def statements(
    request: HttpRequest, window: Query[Window], period: str = "", payee: str = ""
) -> Any:
    """All that the asker sees; of a period, of a payee."""
    found = Statement.objects.defer("body", "customers").order_by("-period_id", "rank")
    wanted = {k: _clean(v) for k, v in (("period_id", period), ("payee", payee)) if v}
    return _page(found.filter(**wanted), window)


@api.get(
    "/statements/{period}/{payee}", response={200: dict[str, Any], **_ERRORS}, summary="A statement"
)
def statement(request: HttpRequest, period: str, payee: str) -> Any:
    """The statement as `fenrun statement --json` prints it, under `attained` how far each line has come in its table, under `under_way` how far the quarters and years that go on, and under `elsewhere` what of its customers' spend is credited elsewhere (how much and since when, never to whom)."""
    return whole(get_object_or_404(Statement, period_id=_clean(period), payee=_clean(payee)))


@api.get(
    "/statements/{period}/{payee}/bundle",
    response={200: bytes, **_ERRORS},
    openapi_extra={
        "responses": {
            200: {
                "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
            }
        }
    },
    summary="The signed bundle of a closed statement",
)
def bundle(request: HttpRequest, period: str, payee: str) -> Any:
    """A ZIP file that `fenrun verify` derives again anywhere."""
    found = get_object_or_404(Statement, period_id=_clean(period), payee=_clean(payee))
    return HttpResponse(bundled(request, found), content_type="application/zip")


@api.get(
    "/statements/{period}/{payee}/estimate",
    response={200: dict[str, Any], **_ERRORS},
    summary="If I sell so much more",
)
def estimate(request: HttpRequest, period: str, payee: str, amount: str, service: str = "") -> Any:
    """What the payee would earn in the period, had it sold for so much more at list price to one of its customers; line by line, before and after."""
    found = get_object_or_404(
        Statement.objects.select_related("period"), period_id=_clean(period), payee=_clean(payee)
    )
    return estimated(found, _clean(amount), _clean(service))


@api.get(
    "/lines/{period}/{path:line}",
    response={200: dict[str, Any], **_ERRORS},
    summary="Why a line is what it is",
)
def line(request: HttpRequest, period: str, line: str) -> Any:
    """The explanation as `fenrun explain --json` prints it, down to clauses and charges."""
    return explained(_clean(period), _clean(line))[1]


@api.get(
    "/crediting",
    response={200: CreditingPage, **_ERRORS},
    summary="Who is credited for a customer's spend",
)
def crediting(
    request: HttpRequest, window: Query[Window], customer: str = "", period: str = ""
) -> Any:
    """Since when, and by whose act."""
    wanted = {k: _clean(v) for k, v in (("customer", customer), ("period_id", period)) if v}
    return _page(Crediting.objects.filter(**wanted).order_by("-period_id", "id"), window)


@api.get(
    "/requests",
    response={200: RequestPage, **_ERRORS},
    summary="Who is to be credited, and what the customer says to it",
)
def requests(request: HttpRequest, window: Query[Window]) -> Any:
    """Latest first."""
    return _page(Request.objects.order_by("-id"), window)


@api.post("/requests", response={201: RequestOut, **_ERRORS}, summary="Ask a customer")
def ask(request: HttpRequest, said: RequestIn) -> Any:
    """Operations for any partner; a partner to register an order for itself."""
    if not may_ask(request, said.kind, said.party):
        raise HttpError(403, "Operations ask for anybody, a partner for an order of its own.")
    return 201, consents.ask(
        store_of(request),
        said.kind,
        _clean(said.customer),
        _clean(said.party),
        said.since,
        _clean(said.reason),
        _clean(said.order),
        _clean(said.issuer),
    )


@api.post(
    "/requests/{number}",
    response={200: RequestOut, **_ERRORS},
    summary="Consent, refuse or withdraw",
)
def decide(request: HttpRequest, said: Decision, number: int = NUMBER) -> Any:
    """The customer consents or refuses; who asked withdraws."""
    found = get_object_or_404(Request, pk=number)
    if not may_decide(request, found, said.state):
        raise HttpError(403, "The customer decides; who asked may withdraw.")
    return consents.decide(store_of(request), found, said.state)


@api.get("/disputes", response={200: DisputePage, **_ERRORS}, summary="Disputes")
def disputes(request: HttpRequest, window: Query[Window]) -> Any:
    """Latest first."""
    return _page(Dispute.objects.order_by("-id"), window)


@api.get(
    "/disputes/{number}",
    response={200: DisputeWhole, **_ERRORS},
    summary="A dispute, with what was said",
)
def dispute(request: HttpRequest, number: int = NUMBER) -> Any:
    """In the order in which it was said."""
    found = get_object_or_404(Dispute, pk=number)
    found.said = list(DisputeEntry.objects.filter(dispute_id=found.pk).order_by("id"))
    return found


@api.post("/disputes", response={201: DisputeOut, **_ERRORS}, summary="Open a dispute")
def open_dispute(request: HttpRequest, said: DisputeIn) -> Any:
    """About one's own statement, a line of it, or who is credited for one's own spend."""
    party, period, about = _clean(said.party), _clean(said.period), _clean(said.line)
    if not owns(request, party, period, about):
        raise Http404
    return 201, acts.open_dispute(
        request.user.get_username(), party, period, about, _clean(said.text)
    )


@api.post(
    "/disputes/{number}/answer", response={200: DisputeOut, **_ERRORS}, summary="Answer a dispute"
)
def answer(request: HttpRequest, said: AnswerIn, number: int = NUMBER) -> Any:
    """Operations: answered, accepted or refused. Whom it concerns: open (a reply) or withdrawn."""
    found = get_object_or_404(Dispute, pk=number)
    if OPERATIONS not in roles_of(request) and not owns(request, found.party, found.period):
        raise HttpError(403, "Operations answer, and whom it concerns.")
    return acts.answer_dispute(
        request.user.get_username(),
        found,
        _clean(said.state),
        _clean(said.text),
        OPERATIONS in roles_of(request),
    )


@api.post(
    "/periods/{period}/settle",
    response={200: Settling, **_ERRORS},
    summary="Settle a period with all that is known",
)
def settle(request: HttpRequest, period: str) -> Any:
    """And show what came out."""
    _operations(request)
    span = _span(period)
    return {"period": span.key, "changed": acts.settle(store_of(request), span)}


@api.post(
    "/periods/{period}/close",
    response={201: ApprovalOut, **_ERRORS},
    summary="Ask that a period be closed",
)
def ask_close(request: HttpRequest, period: str, said: Reason) -> Any:
    """As it is shown now. Somebody else approves."""
    _operations(request)
    return 201, acts.ask_close(
        store_of(request), get_object_or_404(Period, pk=_clean(period)), _clean(said.reason)
    )


@api.post(
    "/approvals/{number}",
    response={200: ApprovalOut, **_ERRORS},
    summary="Approve a close: for good",
)
def approve_close(request: HttpRequest, number: int = NUMBER) -> Any:
    """By somebody else than the one who asked, of what that one has seen."""
    _operations(request)
    return acts.approve_close(store_of(request), number)


@api.get(
    "/approvals", response={200: list[ApprovalOut], **_ERRORS}, summary="Closes that were asked for"
)
def approvals(request: HttpRequest) -> Any:
    """Latest first."""
    return Approval.objects.order_by("-id")[:MOST]


@api.get("/log", response={200: list[dict[str, Any]], **_ERRORS}, summary="The log of all acts")
def log(request: HttpRequest) -> Any:
    """As `fenrun audit show --json` prints it; for operations and auditors."""
    _everybody(request)
    return [
        {
            "seq": a.seq,
            "at": a.at,
            "actor": a.actor,
            "act": a.act,
            "kind": a.kind,
            "subject": a.subject,
            "reason": a.reason,
            "previous": a.previous,
            "hash": a.hash,
        }
        for a in store_of(request).log.events()
    ]


@api.get(
    "/log/verify",
    response={200: Verified, **_ERRORS},
    summary="Verify the whole log and every file",
)
def verify(request: HttpRequest) -> Any:
    """As `fenrun audit verify` does."""
    _everybody(request)
    store = store_of(request)
    with outside_queue():
        found, acts_ = store.broken(), store.log.events()
    return {
        "acts": len(acts_),
        "head": acts_[-1].hash if acts_ else "",
        "problems": [p.as_json(lang()) for p in found],
    }


@api.get(
    "/grants",
    response={200: list[GrantOut], **_ERRORS},
    summary="The grants that I see: mine, or everybody's",
)
def grants(request: HttpRequest) -> Any:
    """Those in force, latest first."""
    return Grant.objects.filter(ended_at=None).order_by("-id")[:MOST]


@api.post("/grants", response={201: GrantOut, **_ERRORS}, summary="Let somebody see")
def give(request: HttpRequest, said: GrantIn) -> Any:
    """A grant of operations or for a customer holds once a second of operations has approved it. Who has no account yet takes it up by the link of POST /grants/{number}/link."""
    _operations(request)
    return 201, acts.give(
        request.user.get_username(),
        _clean(said.user),
        said.role,
        _clean(said.party),
        _clean(said.reason),
    )


@api.post(
    "/grants/{number}/approve", response={200: GrantOut, **_ERRORS}, summary="Approve a grant"
)
def approve_grant(request: HttpRequest, number: int = NUMBER) -> Any:
    """By another of operations than who gave it."""
    _operations(request)
    get_object_or_404(Grant, pk=number)
    return acts.approve_grant(request.user.get_username(), number)


@api.post(
    "/grants/{number}/link",
    response={200: LinkOut, **_ERRORS},
    summary="The link by which a new account is taken up",
)
def first_link(request: HttpRequest, number: int = NUMBER) -> Any:
    """For who gave its grant; good once, for three days. Not for operations and customers."""
    _operations(request)
    get_object_or_404(Grant, pk=number)
    return {"path": acts.first_link(request.user.get_username(), number)}


@api.post("/grants/{number}/end", response={204: None, **_ERRORS}, summary="End a grant")
def end_grant(request: HttpRequest, number: int = NUMBER) -> Any:
    """From the next request on nothing is seen by it."""
    _operations(request)
    get_object_or_404(Grant, pk=number)
    acts.end_grant(request.user.get_username(), number)
    return 204, None


@api.get("/plans", response={200: list[PlanOut], **_ERRORS}, summary="The plans as they are known")
def plans(request: HttpRequest) -> Any:
    """For operations and auditors: each with its text."""
    _everybody(request)
    return [{"plan": key, "text": file.content} for key, file in current_plans(request).items()]


@api.post("/plans", response={201: PlanOut, **_ERRORS}, summary="Make a plan known from now on")
def save_plan(request: HttpRequest, said: PlanIn) -> Any:
    """What is closed stays as it was closed."""
    _operations(request)
    file = acts.save_plan(store_of(request), _clean(said.text), _clean(said.reason))
    return 201, {"plan": file.plan.id, "text": file.content}


@api.post(
    "/plans/check",
    response={200: CheckedOut, **_ERRORS},
    summary="What the checker says of a plan's text",
)
def check_plan(request: HttpRequest, said: CheckIn) -> Any:
    """Problems, cases, what it changes clause by clause and, where a period is named, whose pay. For operations and auditors; nothing is kept."""
    _everybody(request)
    found = checked(
        store_of(request), current_plans(request), _clean(said.text), _clean(said.period)
    )
    return {
        **found,
        "cases": list(found["cases"] or (0, 0)),
        "changes": [vars(c) for c in found["changes"] or []],
        "payees": found["payees"] or [],
    }


@api.post("/import", response={202: JobOut, **_ERRORS}, summary="Import files")
def import_files(
    request: HttpRequest, files: File[list[UploadedFile]], reason: Form[str] = ""
) -> Any:
    """Charges, book or plans, told apart by what they hold; known from now on. It goes on by itself: GET /import/{number} says how far it is."""
    _operations(request)
    return 202, _job(begin(store_of(request), files, _clean(reason)))


@api.get("/import/{number}", response={200: JobOut, **_ERRORS}, summary="How an import goes")
def import_job(request: HttpRequest, number: int = NUMBER) -> Any:
    """Since the portal started."""
    _operations(request)
    return _job(job_of(number))


@api.get(
    "/book/{customer}",
    response={200: list[LinkRow], **_ERRORS},
    summary="A customer's links over time",
)
def book(request: HttpRequest, customer: str) -> Any:
    """For operations and auditors: who held it, since when, by whose act."""
    _everybody(request)
    with outside_queue():
        found = links_of(store_of(request), _clean(customer))
    return [
        {
            **r,
            "share": plain(r["share"]),
            "since": r["valid_from"],
            "actor": r["act"].actor if r["act"] else "",
            "reason": r["act"].reason if r["act"] else "",
        }
        for r in found
    ]


@api.get(
    "/book/{customer}/move",
    response={200: list[Moved], **_ERRORS},
    summary="What moving a customer would do",
)
def move(request: HttpRequest, customer: str, to: str, since: date, period: str) -> Any:
    """Whose pay in the period would differ, were the customer a partner's from a day on. For operations and auditors; nothing is kept."""
    _everybody(request)
    shown = get_object_or_404(Period, pk=_clean(period))
    with outside_queue():
        return moved(store_of(request), _clean(customer), _clean(to), since, shown)


@api.get(
    "/targets", response={200: list[TargetOut], **_ERRORS}, summary="Targets and other figures"
)
def targets(request: HttpRequest, party: str = "", figure: str = "", period: str = "") -> Any:
    """Of the book as last known; for operations and auditors. The first 2,000: ask for a party, figure or period."""
    _everybody(request)
    with outside_queue():
        return figures_of(store_of(request), _clean(party), _clean(figure), _clean(period))


@api.post("/targets", response={201: list[TargetOut], **_ERRORS}, summary="Enter a target")
def set_target(request: HttpRequest, said: TargetIn) -> Any:
    """In place of an earlier one for the same party, figure and period."""
    _operations(request)
    store = store_of(request)
    acts.set_target(
        store,
        _clean(said.party),
        _clean(said.figure),
        _clean(said.period),
        _clean(said.amount),
        _clean(said.currency),
        _clean(said.reason),
    )
    with outside_queue():
        return 201, figures_of(store, said.party.strip(), said.figure.strip(), said.period.strip())


@api.get("/hooks", response={200: list[HookOut], **_ERRORS}, summary="My webhooks")
def my_hooks(request: HttpRequest) -> Any:
    """Those in force."""
    return Hook.objects.filter(user=request.user, ended_at=None).order_by("id")


@api.post("/hooks", response={201: HookMade, **_ERRORS}, summary="Have another system told")
def make_hook(request: HttpRequest, said: HookIn) -> Any:
    """Of statements and disputes that I see. What is told carries X-Fenrun-Time and X-Fenrun-Signature: HMAC-SHA256 with the secret over the moment, a dot and the body."""
    return 201, webhooks.make(request.user, _clean(said.url), " ".join(said.events))


@api.post("/hooks/{number}/end", response={204: None, **_ERRORS}, summary="End a webhook")
def end_hook(request: HttpRequest, number: int = NUMBER) -> Any:
    """One of one's own."""
    webhooks.end(request.user, number)
    return 204, None


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """What fenrun refuses, in the asker's language."""
    said = [p.as_json(lang()) for p in error.problems]
    return api.create_response(
        request,
        {
            "problems": [
                {k: p[k] for k in ("code", "what", "why", "fix")} | {"place": str(q.place)}
                for p, q in zip(said, error.problems)
            ]
        },
        status=409,
    )


@api.exception_handler(ValidationError)
def wrong(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """A request that does not say what it should."""
    said = [
        {
            "code": e["type"],
            "what": e["msg"],
            "why": "",
            "fix": "",
            "place": ".".join(map(str, e["loc"])),
        }
        for e in error.errors
    ]
    return api.create_response(request, {"problems": said}, status=422)


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    """What is not there, or not for the asker: the same answer."""
    return refusal(404, "missing", "There is nothing there, or it is not for you to see.")


@api.exception_handler(HttpError)
def stopped(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What may not be done, or cannot be read."""
    return refusal(
        error.status_code, "forbidden" if error.status_code == 403 else "request", str(error)
    )
