"""Quotes: what is out of the ordinary, who decides it, and how long each step took."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import (
    is_of_vendor,
    may_quote,
    parties_of,
    roles_of,
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
)
from fenrun.portal.commands import quotes as commands
from fenrun.portal.models import PARTNER, Quote

router = Router()
_MAY_DECIDE = (PARTNER, *commands.VENDOR)


class StepOut(Schema):
    """A step of a chain: `approvers`, `by` and `for_whom` are told to the vendor's people alone."""

    step: str
    approvers: list[str]
    asked_at: str
    due_at: str
    outcome: str
    by: str
    for_whom: str
    decided_at: str
    reason: str
    days: int | None = Field(description="Working days that it took; null while it is open.")
    hours: str


class QuoteOut(Schema):
    """Something that was asked for, with its chain."""

    id: int
    approval: str
    kind: str
    customer: str
    partner: str
    party: str
    product: str
    grants: str
    amount: str
    currency: str
    first: str
    after: str
    reason: str
    asked_by: str
    asked_at: datetime
    state: str
    due_at: datetime | None
    may_decide: bool
    steps: list[StepOut]


class QuotePage(Paged):
    """A page of quotes."""

    rows: list[QuoteOut]


class QuoteIn(Schema):
    """Something out of the ordinary, as it is asked for."""

    kind: str = Field(max_length=20, description="discount, coupon or agreement")
    customer: str = Field(max_length=200)
    partner: str = Field("", max_length=200)
    party: str = Field("", max_length=200, description="On whose behalf; empty: the vendor's")
    product: str = Field("", max_length=200, description="ServiceName; empty for all")
    grants: str = Field(max_length=200, description="45 % of list, a price of one unit, or an id")
    amount: str = Field("", max_length=60, description="The most under it; empty for no limit")
    currency: str = Field("", max_length=10)
    first: date = Field(description="First day")
    after: date = Field(description="First day after")
    reason: str = Field(max_length=1000)


class Outcome(Schema):
    """A decision about the present step."""

    outcome: str = Field(max_length=20, description="approved, refused or withdrawn")
    reason: str = Field("", max_length=1000)


@router.get(
    "/quotes",
    response={200: QuotePage, **ERRORS},
    summary="What was asked for out of the ordinary, and how it was decided",
)
def quotes(request: HttpRequest, window: Query[Window], state: str = "") -> Any:
    """Return the quotes that the asker sees, latest first; `state` open, approved, refused ..."""
    commands.end_overdue(store_of(request))
    found = Quote.objects.order_by("-id")
    page = page_of(found.filter(state=clean(state)) if state else found, window)
    return {**page, "rows": [_as_shown(request, quote) for quote in page["rows"]]}


@router.post(
    "/quotes",
    response={201: QuoteOut, **ERRORS},
    summary="Ask for something out of the ordinary",
)
def ask_quote(request: HttpRequest, said: QuoteIn) -> Any:
    """Ask as partner or rep for oneself, or as operations; it goes up the chain of the policy."""
    if not may_quote(request, said.party):
        raise forbidden("api-may-quote")
    form = {name: clean(getattr(said, name, "")) for name in commands.FIELDS[:-3]}
    form |= {"from": str(said.first), "to": str(said.after), "reason": clean(said.reason)}
    if said.party in parties_of(request, PARTNER):
        form["partner"] = said.party
    product, party = clean(said.product), clean(said.party)
    asked = commands.ask(store_of(request), clean(said.kind), product, form, party)
    return 201, _as_shown(request, asked)


@router.post(
    "/quotes/{number}",
    response={200: QuoteOut, **ERRORS},
    summary="Approve or refuse the present step, or withdraw",
)
def decide_quote(request: HttpRequest, said: Outcome, number: int = NUMBER) -> Any:
    """Decide as an approver of the step that is open now; withdraw as who asked."""
    if not roles_of(request) & set(_MAY_DECIDE):
        raise forbidden("api-may-quote")
    found = get_object_or_404(Quote, pk=number)
    outcome, reason = clean(said.outcome), clean(said.reason)
    decided = commands.decide(store_of(request), found, outcome, reason, roles_of(request))
    return _as_shown(request, decided)


def _as_shown(request: HttpRequest, quote: Quote) -> dict[str, Any]:
    store, name = store_of(request), request.user.get_username()
    by_vendor = is_of_vendor(request)
    policy = commands.policy_of(store) if quote.state == "open" else None
    same = ("id", "approval", "kind", "customer", "partner", "party", "product", "asked_at")
    shown = {field: getattr(quote, field) for field in (*same, "state", "due_at")}
    shown |= {field: quote.row[field] for field in ("grants", "amount", "currency", "reason")}
    shown |= {"first": quote.row["from"], "after": quote.row["to"]}
    is_own = quote.asked_by == name
    return shown | {
        "asked_by": quote.asked_by if by_vendor or is_own else "",
        "may_decide": bool(commands.deciding(quote, policy, name, roles_of(request))),
        "steps": [_step(step) for step in commands.steps_shown(quote, by_vendor)],
    }


def _step(step: dict[str, Any]) -> dict[str, Any]:
    return {**step, "for_whom": step["for"]}
