"""Payments of closed periods: what is due to whom, and how far each has come."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.api.shared import (
    ERRORS,
    Paged,
    Router,
    Window,
    clean,
    of_period,
    only_operations,
    page_of,
    wanted,
)
from fenrun.portal.commands import payments as commands
from fenrun.portal.models import Payment

router = Router()


class PaymentOut(Schema):
    """A payment that a closed period asks for."""

    id: int
    period: str
    payee: str
    name: str
    currency: str
    form: str = Field(description="cash, or as the plan names it.")
    amount: str = Field(description="Exact text; tax is in it.")
    state: str = Field(description="due, sent, paid or returned.")
    day: date | None = Field(description="The day on which it came into its state.")
    reason: str
    changed_at: datetime | None


class PaymentPage(Paged):
    """A page of payments."""

    rows: list[PaymentOut]


class PaymentsIn(Schema):
    """Payments that come into another state, as of a day: all of them or none."""

    numbers: list[int] = Field(min_length=1, max_length=5000)
    state: str = Field(max_length=20, description="sent, paid, returned or due.")
    day: date
    reason: str = Field("", max_length=500, description="Needed for returned, and for going back.")


class PaymentsOut(Schema):
    """The payments that were changed."""

    rows: list[PaymentOut]


@router.get("/payments", response={200: PaymentPage, **ERRORS}, summary="What closed periods pay")
def payments(
    request: HttpRequest,
    window: Query[Window],
    period: str = "",
    state: str = "",
    payee: str = "",
    currency: str = "",
) -> Any:
    """Return the payments that the asker sees, latest period first; of a period, a state ..."""
    asked = of_period(period, "period") | wanted(state=state, payee=payee, currency=currency)
    found = Payment.objects.filter(**asked)
    return page_of(found.order_by("-period", "payee", "currency", "form"), window)


@router.post(
    "/payments",
    response={200: PaymentsOut, **ERRORS},
    summary="Say how far payments have come",
)
def change_payments(request: HttpRequest, said: PaymentsIn) -> Any:
    """Bring payments into another state, as operations: all of them, or none."""
    only_operations(request)
    actor, state, reason = request.user.get_username(), clean(said.state), clean(said.reason)
    return {"rows": commands.change(actor, said.numbers, state, said.day, reason)}
