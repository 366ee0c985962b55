"""Credits: the rows of the tables that steps.sql makes and that others may read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Credit:
    """A credit of a share of a group of charges to a party: a row of `credits`. Never rounded.

    Grain: plan, basis, group, customer, role, party, link.
    """

    plan_id: str
    rule_id: str
    """The crediting clause that decided."""
    basis: str
    """The cost that `amount` is of: billed, list, ..."""
    main: bool
    """Whether that is the plan's own basis; the others are measured by single components."""
    kind: str
    """`direct`, or `roll-up` (besides the hundred per cent)."""
    role: str
    party: str
    reading_id: int
    """The values that conditions read of the credit (table `readings`)."""
    owned_id: int
    """The charges with their customer (table `owned`)."""
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
    """`order` (registered), `resource`, `customer` (associated) or `party` (roll-up)."""


@dataclass(frozen=True)
class UncreditedGroup:
    """An amount of a group of charges that nobody is credited for: a row of `uncredited_groups`.

    Grain: plan, group.
    """

    plan_id: str
    group_id: int
    issuer: str
    account: str
    month: date
    amount: Decimal
    charges: int
    reason: str
    """`no-customer`, `nobody` (no clause, or nobody holds its roles), `conflict` (the book
    contradicts itself), `window` (outside the windows of all its links) or `rest` (of a share)."""
