"""Targets and other figures of the book."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    Paged,
    Router,
    Window,
    clean,
    of_period,
    only_operations,
    only_who_see_everything,
    page_of,
)
from fenrun.portal.commands import targets as commands

router = Router()


class TargetOut(Schema):
    """A figure of the book, and who entered it."""

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


class TargetPage(Paged):
    """A page of figures of the book."""

    rows: list[TargetOut]


class TargetIn(Schema):
    """A figure, as it is entered."""

    party: str = Field(max_length=200)
    figure: str = Field(max_length=100)
    period: str = Field(max_length=40)
    amount: str = Field(max_length=60)
    currency: str = Field("", max_length=10)
    reason: str = Field(max_length=500)


@router.get("/targets", response={200: TargetPage, **ERRORS}, summary="Targets and other figures")
def targets(
    request: HttpRequest, window: Query[Window], party: str = "", figure: str = "", period: str = ""
) -> Any:
    """Return the figures of the book as last known; for operations and auditors."""
    only_who_see_everything(request)
    asked = {"party": clean(party), "figure": clean(figure), **of_period(period, "period")}
    return page_of(commands.Figures(store_of(request), **asked), window)


@router.post("/targets", response={201: list[TargetOut], **ERRORS}, summary="Enter a target")
def set_target(request: HttpRequest, said: TargetIn) -> Any:
    """Enter a figure, in place of an earlier one for the same party, figure and period."""
    only_operations(request)
    store = store_of(request)
    party, figure, period = clean(said.party), clean(said.figure), clean(said.period)
    amount, currency, reason = clean(said.amount), clean(said.currency), clean(said.reason)
    commands.set_target(store, party, figure, period, amount, currency, reason)
    asked = {"party": party.strip(), "figure": figure.strip(), "period": period.strip()}
    return 201, commands.Figures(store, **asked)[:]
