"""Targets and other figures of the book."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, Schema

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import ERRORS, Router, clean, only_operations, only_who_see_everything
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


class TargetIn(Schema):
    """A figure, as it is entered."""

    party: str = Field(max_length=200)
    figure: str = Field(max_length=100)
    period: str = Field(max_length=40)
    amount: str = Field(max_length=60)
    currency: str = Field("", max_length=10)
    reason: str = Field(max_length=500)


@router.get(
    "/targets", response={200: list[TargetOut], **ERRORS}, summary="Targets and other figures"
)
def targets(request: HttpRequest, party: str = "", figure: str = "", period: str = "") -> Any:
    """Return the figures of the book as last known; for operations and auditors.

    The first 2,000: ask for a party, figure or period.
    """
    only_who_see_everything(request)
    return commands.figures_of(store_of(request), clean(party), clean(figure), clean(period))


@router.post("/targets", response={201: list[TargetOut], **ERRORS}, summary="Enter a target")
def set_target(request: HttpRequest, said: TargetIn) -> Any:
    """Enter a figure, in place of an earlier one for the same party, figure and period."""
    only_operations(request)
    store = store_of(request)
    party, figure, period = clean(said.party), clean(said.figure), clean(said.period)
    amount, currency, reason = clean(said.amount), clean(said.currency), clean(said.reason)
    commands.set_target(store, party, figure, period, amount, currency, reason)
    return 201, commands.figures_of(store, party.strip(), figure.strip(), period.strip())
