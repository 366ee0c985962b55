"""Facts of what was done: events, payments and trades.

Rows are appended, never edited: a row imported later under the same key replaces the earlier one
from the moment it was known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

EVENT_KINDS = (
    *("sign-up", "association", "registration", "order", "call", "view", "visit"),
    *("consent", "refusal", "login"),
)
"""The kinds of what people do."""
PAYMENT_KINDS = ("prepay", "invoice", "top-up", "refund", "transfer")
"""The kinds of what is paid."""


@dataclass(frozen=True)
class Event:
    """Something that somebody did. Key: `event`."""

    event: str
    """Its id."""
    at: datetime
    """When (UTC)."""
    kind: str
    """One of EVENT_KINDS."""
    actor: str
    """Who did it: a party, or an operator's id."""
    customer: str
    """The customer that it is about; empty for none."""
    party: str
    """The partner that it is about; empty for none."""
    order: str
    """The order that it is about; empty for none."""
    device: str
    """The device by which it was done, or a hash of it."""
    address: str
    """The network address from which it was done, or a hash of it."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Payment:
    """Money that was paid for a customer. Key: `payment`."""

    payment: str
    """Its id."""
    day: date
    """The day on which it was paid."""
    payer: str
    """Who paid: the customer, or another."""
    customer: str
    """For which customer."""
    amount: Decimal
    """In `currency`; below zero where it was paid back."""
    currency: str
    """ISO code."""
    kind: str
    """One of PAYMENT_KINDS."""
    reference: str
    """The invoice, order or agreement that it is for."""
    total: Decimal | None
    """What that invoice or order is for in all, in `currency`; None where it is not said."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Trade:
    """Goods that one party sold to another. Key: `trade`."""

    trade: str
    """Its id."""
    day: date
    """The day on which it was sold."""
    seller: str
    """Who sold."""
    buyer: str
    """Who bought."""
    item: str
    """What was sold."""
    serial: str
    """Its serial number; empty for none."""
    quantity: Decimal
    """How many."""
    amount: Decimal
    """What was paid for all of it, in `currency`."""
    currency: str
    """ISO code."""
    project: str
    """The project that it was sold for; empty for none."""
    row_no: int
    """Row or line in the source."""


TABLES: dict[str, type[Any]] = {"events": Event, "payments": Payment, "trades": Trade}
"""The tables of events by the name they have in files."""
KEYS: dict[str, tuple[str, ...]] = {
    "events": ("event",),
    "payments": ("payment",),
    "trades": ("trade",),
}
"""The fields by which a later row replaces an earlier one."""
