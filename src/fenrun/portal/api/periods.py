"""Periods: what is shown; settling, and closing by two."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Schema

from fenrun.base.when import parse_period
from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    NUMBER,
    Paged,
    Router,
    Window,
    clean,
    of_period,
    only_operations,
    page_of,
)
from fenrun.portal.commands import closing
from fenrun.portal.models import Approval, Period

router = Router()


class PeriodOut(Schema):
    """A period that is shown."""

    key: str
    run: str
    known: datetime = Field(description="The second clock: only facts known by then (UTC).")
    ends: date = Field(description="The first clock: the last day that the period is about.")
    closed: bool
    closed_at: datetime | None = Field(description="When it was closed (UTC), where it is.")
    currency: str


class PeriodPage(Paged):
    """A page of periods."""

    rows: list[PeriodOut]


class Reason(Schema):
    """A reason."""

    reason: str = Field(max_length=500)


class AskClose(Reason):
    """A period to be closed, and why."""

    first: bool = Field(
        default=False, description="Earlier periods are settled elsewhere, for good."
    )


class ApprovalOut(Schema):
    """A close that was asked for."""

    id: int
    period: str
    run: str
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str
    approved_at: datetime | None
    ended_by: str = Field(description="Who withdrew or refused it; empty: nobody.")
    ended_at: datetime | None
    ended_why: str


class ApprovalPage(Paged):
    """A page of closes that were asked for."""

    rows: list[ApprovalOut]


class Settling(Schema):
    """The outcome of settling."""

    period: str
    changed: bool


@router.get("/periods", response={200: PeriodPage, **ERRORS}, summary="The periods that are shown")
def periods(request: HttpRequest, window: Query[Window], closed: bool | None = None) -> Any:
    """Return the periods, latest first; those that are closed, or that are not."""
    found = Period.objects.order_by("-key")
    return page_of(found if closed is None else found.filter(closed=closed), window)


@router.post(
    "/periods/{period}/settle",
    response={200: Settling, **ERRORS},
    summary="Settle a period with all that is known",
)
def settle(request: HttpRequest, period: str) -> Any:
    """Settle a period, and show what came out."""
    only_operations(request)
    try:
        wanted = parse_period(period)
    except ValueError as error:
        raise Http404 from error
    return {"period": wanted.key, "changed": closing.settle(store_of(request), wanted)}


@router.post(
    "/periods/{period}/close",
    response={201: ApprovalOut, **ERRORS},
    summary="Ask that a period be closed",
)
def ask_close(request: HttpRequest, period: str, said: AskClose) -> Any:
    """Ask that a period be closed as it is shown now. Somebody else approves."""
    only_operations(request)
    shown = get_object_or_404(Period, pk=clean(period))
    return 201, closing.ask(store_of(request), shown, clean(said.reason), said.first)


@router.post(
    "/approvals/{number}",
    response={200: ApprovalOut, **ERRORS},
    summary="Approve a close: for good",
)
def approve_close(request: HttpRequest, number: int = NUMBER) -> Any:
    """Approve, as somebody else than who asked, what that one has seen."""
    only_operations(request)
    return closing.approve(store_of(request), number)


@router.post(
    "/approvals/{number}/end",
    response={200: ApprovalOut, **ERRORS},
    summary="Refuse a close, or withdraw one's own",
)
def end_close(request: HttpRequest, said: Reason, number: int = NUMBER) -> Any:
    """End what was asked for, with a reason. The period stays as it is."""
    only_operations(request)
    return closing.end(store_of(request), number, "", clean(said.reason))


@router.get(
    "/approvals", response={200: ApprovalPage, **ERRORS}, summary="Closes that were asked for"
)
def approvals(request: HttpRequest, window: Query[Window], period: str = "") -> Any:
    """Return the closes, latest first; of a period."""
    found = Approval.objects.filter(**of_period(period, "period"))
    return page_of(found.order_by("-id"), window)
