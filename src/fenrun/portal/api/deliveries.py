"""Deliveries: what came and what is open about it; decisions by two; rows that are mended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    NUMBER,
    Paged,
    Router,
    Window,
    clean,
    only_operations,
    only_who_see_everything,
    page_of,
)
from fenrun.portal.commands import deliveries as commands
from fenrun.portal.language import lang

router = Router()
_AT_ONCE = 500


class DeliveryOut(Schema):
    """A delivery."""

    id: str
    file: str
    kind: str = Field(description="charges or datasets.")
    source: str = Field(description="Its source in sources.yaml; empty: of none.")
    months: str
    rows: int
    billed: dict[str, str]
    state: str = Field(description="in-force, replaced or void.")
    by: str = Field(description="The delivery that took its place.")
    kept_aside: int = Field(description="Rows that are kept aside.")
    billed_aside: dict[str, str]
    actor: str
    at: str


class DeliveryPage(Paged):
    """A page of deliveries."""

    rows: list[DeliveryOut]


class RowOut(Schema):
    """A row that is kept aside."""

    row: int
    values: dict[str, str]
    faults: list[str] = Field(description="The columns for which it is kept aside.")


class DeliveryInFull(DeliveryOut):
    """A delivery with what is open about it, and its rows that may be mended."""

    problems: list[dict[str, Any]]
    rows_aside: list[RowOut] = Field(description="At most 500; ask for those after the last.")


class DecisionIn(Schema):
    """A decision that is asked for."""

    decision: str = Field(max_length=20, description="void, leave-out, replaces or adds.")
    other: str = Field("", max_length=64, description="The delivery that it replaces, or adds to.")
    reason: str = Field(max_length=500)


class DecisionOut(Schema):
    """A decision that was asked for."""

    id: int
    delivery: str
    kind: str
    other: str
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str
    approved_at: datetime | None
    ended_by: str
    ended_at: datetime | None


class DecisionPage(Paged):
    """A page of decisions."""

    rows: list[DecisionOut]


class RowIn(Schema):
    """A row as it is mended: what is to stand in some of its columns."""

    row: int = Field(ge=2, le=2**62)
    values: dict[str, str]


class MendIn(Schema):
    """Rows that are mended together, all or none."""

    rows: list[RowIn] = Field(min_length=1, max_length=_AT_ONCE)
    reason: str = Field(max_length=500)


class MendedOut(Schema):
    """The import of mended rows."""

    id: str
    rows: int
    billed: dict[str, str]


def _as_json(one: commands.Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "file": one.item.source,
        "kind": one.item.kind,
        "source": one.source,
        "months": one.months,
        "rows": one.item.facts["rows"],
        "billed": one.item.facts.get("billed", {}),
        "state": one.state,
        "by": one.by,
        "kept_aside": one.quarantined,
        "billed_aside": one.billed_quarantined or {},
        "actor": one.event.actor,
        "at": one.event.at,
    }


@router.get("/deliveries", response={200: DeliveryPage, **ERRORS}, summary="All deliveries")
def deliveries(request: HttpRequest, window: Query[Window], state: str = "", kind: str = "") -> Any:
    """Return every delivery, latest first, in force or not; in a state, of a kind."""
    only_who_see_everything(request)
    found = [
        one
        for one in commands.deliveries(store_of(request))
        if state in ("", one.state) and kind in ("", one.item.kind)
    ]
    page = page_of(found, window)
    return {**page, "rows": [_as_json(one) for one in page["rows"]]}


@router.get(
    "/deliveries/{delivery}", response={200: DeliveryInFull, **ERRORS}, summary="One delivery"
)
def delivery(request: HttpRequest, delivery: str, after: int = 0) -> Any:
    """Return a delivery with what is open about it and its rows that may be mended.

    Of rows it lists at most 500, of those `after` one by its number.
    """
    only_who_see_everything(request)
    store = store_of(request)
    found = commands.find_delivery(store, clean(delivery))
    if not found:
        raise Http404
    problems = commands.open_problems(store, found)
    rows = commands.rows_to_mend(store, found, min(max(after, 0), 2**62))
    return {
        **_as_json(found),
        "problems": [problem.as_json(lang()) for problem in problems],
        "rows_aside": [vars(row) for row in rows[:_AT_ONCE]],
    }


@router.post(
    "/deliveries/{delivery}/decisions",
    response={201: DecisionOut, **ERRORS},
    summary="Ask for a decision about a delivery",
)
def ask_decision(request: HttpRequest, delivery: str, said: DecisionIn) -> Any:
    """Ask that a delivery be voided, replace another, or count beside it. Somebody else approves.

    Also that its rows that are kept aside be left out for good.
    """
    only_operations(request)
    texts = (clean(text) for text in (delivery, said.decision, said.other, said.reason))
    return 201, commands.ask(store_of(request), *texts)


@router.post(
    "/deliveries/{delivery}/rows",
    response={201: MendedOut, **ERRORS},
    summary="Mend rows that are kept aside",
)
def mend_rows(request: HttpRequest, delivery: str, said: MendIn) -> Any:
    """Import rows that were kept aside, with other values in some columns: all or none."""
    only_operations(request)
    changes = {one.row: one.values for one in said.rows}
    done = commands.mend_rows(store_of(request), clean(delivery), changes, clean(said.reason))
    return 201, {"id": done.id, "rows": done.facts["rows"], "billed": done.facts["billed"]}


@router.get("/decisions", response={200: DecisionPage, **ERRORS}, summary="Decisions that wait")
def decisions(request: HttpRequest, window: Query[Window]) -> Any:
    """Return the decisions about deliveries that wait for a second."""
    only_who_see_everything(request)
    return page_of(commands.waiting(), window)


@router.post(
    "/decisions/{number}",
    response={200: DecisionOut, **ERRORS},
    summary="Approve a decision about a delivery",
)
def approve_decision(request: HttpRequest, number: int = NUMBER) -> Any:
    """Approve, as somebody else than who asked, what that one has asked for."""
    only_operations(request)
    return commands.approve(store_of(request), number)


@router.post(
    "/decisions/{number}/end",
    response={200: DecisionOut, **ERRORS},
    summary="Withdraw or refuse a decision about a delivery",
)
def end_decision(request: HttpRequest, number: int = NUMBER) -> Any:
    """Take back a decision that was asked for."""
    only_operations(request)
    return commands.end(store_of(request), number)
