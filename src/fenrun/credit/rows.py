"""What a credit is. The tables are made by steps.sql; these are the columns that others may read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Credit:
    """A party is credited a share of a group of charges. Exact: never rounded. Grain: plan, group, customer, role, party."""

    plan_id: str
    rule_id: str
    """The crediting clause that decided."""
    kind: str
    """`direct`, or `roll-up` (besides the hundred per cent)."""
    role: str
    party: str
    segment_id: int
    """What the conditions read (table `segments`)."""
    group_id: int
    """The charges (table `groups`)."""
    customer: str | None
    month: date
    """First day of the billing month: when it counts and is paid."""
    day: date
    """Day of the charge in the plan's time zone: who is credited."""
    share: Decimal
    amount: Decimal
    charges: int
    customer_link: str | None
    """The book's link from account to customer."""
    link_id: str
    """The book's link to the party."""
    via: str
    """`order` (registered), `customer` (associated) or `party` (roll-up)."""


@dataclass(frozen=True)
class Uncredited:
    """What nobody is credited for. Grain: plan, group."""

    plan_id: str
    group_id: int
    issuer: str
    account: str
    month: date
    amount: Decimal
    charges: int
    reason: str
    """`no-customer`, `nobody` (no clause, or nobody holds its roles), `conflict` (the book contradicts itself) or `rest` (of a share)."""
