"""Facts of the terms: agreements, floors, approvals, coupons and list prices. Each is a dated row.

Rows are appended, never edited: a row imported later under the same key replaces the earlier one
from the moment it was known. A span that is empty (`to` equal to `from`) withdraws a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

OUTCOMES = ("approved", "refused", "lapsed")
"""How a step of an approval ends; one that has not ended has none."""


@dataclass(frozen=True)
class Agreement:
    """Something that was agreed with a customer, over a span. Key: `agreement`."""

    agreement: str
    """Its id."""
    kind: str
    """One of AGREEMENT_KINDS; `commit`: at least `amount` is bought in the span."""
    customer: str
    """The customer that it binds; empty for all."""
    partner: str
    """The partner that it binds or brings it; empty for none."""
    valid_from: date
    """First day."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    amount: Decimal | None
    """The whole amount agreed for the span, in `currency`."""
    currency: str
    """ISO code; empty where there is no amount."""
    covers: str
    """The condition on charges that count under it; empty for all."""
    shortfall: Decimal | None
    """Of a commit: the rate of what is missing that is owed."""
    reference: str
    """The contract, as the parties call it."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Floor:
    """The least at which products are to be sold, over a span. Key: `floor`."""

    floor: str
    """Its id."""
    covers: str
    """The condition on charges that it is for; empty for all."""
    least: str
    """A part of another cost (`60 % of list`), or a price of one unit."""
    valid_from: date
    """First day."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    fine: Decimal | None
    """The amount that a breach costs whoever sold, in `currency`."""
    currency: str
    """ISO code of the fine and of a price of one unit; else empty."""
    source: str
    """The document that says so."""
    row_no: int
    """Row or line in the file."""


@dataclass(frozen=True)
class Approval:
    """One step of the chain by which something out of the ordinary is approved.

    Key: `approval`, `step`. It holds when every step of it is approved.
    """

    approval: str
    """The id of the whole chain."""
    step: int
    """Place in the chain, from 1."""
    kind: str
    """Its kind in the words of whoever runs the chain: discount, coupon ..."""
    customer: str
    """For which customer; empty for all."""
    partner: str
    """For which partner; empty for all."""
    covers: str
    """The condition on charges that it is for; empty for all."""
    grants: str
    """What it allows: `45 % of list`, a price of one unit, or the id of a coupon or agreement."""
    amount: Decimal | None
    """The most that is billed under it, in `currency`; None for no limit."""
    currency: str
    """ISO code of `amount`, or of a price of one unit that is granted; else empty."""
    valid_from: date
    """First day of the charges that it is for."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    asked_by: str
    """Who asked for it."""
    asked_at: datetime
    """When this step was asked (UTC)."""
    decided_by: str
    """Who decided; empty while it is open."""
    decided_at: datetime | None
    """When it was decided (UTC)."""
    outcome: str
    """One of OUTCOMES; empty while it is open."""
    reason: str
    """Why, in the words of whoever asked or decided."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Coupon:
    """Money that is granted to one customer for one purpose. Key: `coupon`."""

    coupon: str
    """Its id, as charges of category Credit name it under x_CouponId."""
    customer: str
    """The one customer that may spend it."""
    covers: str
    """The condition on charges that it may pay for: its purpose; empty for all."""
    amount: Decimal
    """In `currency`."""
    currency: str
    """ISO code."""
    valid_from: date
    """First day on which it can be spent."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    granted_by: str
    """Who granted it."""
    approval: str
    """The approval by which; empty for none."""
    reissues: str
    """The coupon of which this one grants what was left; empty for none."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Price:
    """The list price of one unit, over a span. Key: sku, currency, valid_from."""

    sku: str
    """SkuPriceId of charges, else their SkuId."""
    price: Decimal
    """Of one unit, in `currency`."""
    currency: str
    """ISO code."""
    valid_from: date
    """First day."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    source: str
    """The price list that says so."""
    row_no: int
    """Row or line in the file."""


TABLES: dict[str, type[Any]] = {
    "agreements": Agreement,
    "floors": Floor,
    "approvals": Approval,
    "coupons": Coupon,
    "prices": Price,
}
"""The tables of the terms by the name they have in files."""
KEYS: dict[str, tuple[str, ...]] = {
    "agreements": ("agreement",),
    "floors": ("floor",),
    "approvals": ("approval", "step"),
    "coupons": ("coupon",),
    "prices": ("sku", "currency", "valid_from"),
}
"""The fields by which a later row replaces an earlier one."""
