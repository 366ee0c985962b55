"""Crediting: who is credited for a customer's spend."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.api.shared import ERRORS, Paged, Router, Window, of_period, page_of, wanted
from fenrun.portal.models import Crediting

router = Router()


class CreditingOut(Schema):
    """A party credited for a customer's spend in a period."""

    period: str = Field(alias="period_id")
    customer: str
    currency: str
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
    """A page of credited parties."""

    rows: list[CreditingOut]


@router.get(
    "/crediting",
    response={200: CreditingPage, **ERRORS},
    summary="Who is credited for a customer's spend",
)
def crediting(
    request: HttpRequest, window: Query[Window], customer: str = "", period: str = ""
) -> Any:
    """Return to whom spend is credited, since when, entered by whom."""
    found = Crediting.objects.filter(**of_period(period), **wanted(customer=customer))
    return page_of(found.order_by("-period_id", "id"), window)
