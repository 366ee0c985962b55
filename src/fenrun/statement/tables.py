"""Summed tables: what people read of credits, with neither charges nor groups of them.

Each but `uncredited` holds the months of the settled period only; amounts are exact, in the plan's
own basis; what does not qualify is in the basis of its component.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Credited:
    """An amount credited to a payee in a month: a row of `credited`, for every plan.

    Grain: plan, month, payee, role, kind, customer, via, link.
    """

    plan_id: str
    month: date
    payee: str
    role: str
    kind: str
    """`direct`, or `roll-up` (besides the hundred per cent)."""
    customer: str | None
    """Nobody's where nobody owns the account."""
    via: str
    """`order` (registered), `resource`, `customer` (associated) or `party` (roll-up)."""
    link_id: str
    """The book's link to the payee."""
    amount: Decimal
    charges: int


@dataclass(frozen=True)
class TeamCredit:
    """A part of a member's credits that is rolled up to a payee: a row of `team_credits`.

    Only of plans that are credited themselves, not of those that others' credits serve. Grain:
    payee, member, role, plan.
    """

    payee: str
    """Stands above the member, and gets the roll-up."""
    member: str
    role: str
    """The member's."""
    plan_id: str
    amount: Decimal
    """The member's credits times the payee's share of each."""


@dataclass(frozen=True)
class HeldSpend:
    """Spend of a customer that a payee holds a role of on the charge's day: a row of `held_spend`.

    It is credited to `party`, who may be the payee or another. Direct credits of all plans that
    are credited themselves, of one currency. Grain: currency, payee, role, customer, party, via,
    link; once more where plans of other terms (a time zone) have the same currency.
    """

    currency: str
    payee: str
    role: str
    customer: str
    party: str
    via: str
    link_id: str
    """The book's link to the party."""
    amount: Decimal
    charges: int


@dataclass(frozen=True)
class NotCounted:
    """An amount that is credited, but does not qualify: a row of `not_counted`; never zero.

    Of the periods that a component earns for with the period's statements, for every plan. Grain:
    plan, component, payee, rule.
    """

    plan_id: str
    component: str
    payee: str
    rule: str
    """The clause that excludes it, or `baseline`."""
    amount: Decimal


@dataclass(frozen=True)
class Uncredited:
    """An amount that nobody is credited for: a row of `uncredited`, for every plan.

    Of all months that the settlement looks at. Grain: plan, month, issuer, account, reason.
    """

    plan_id: str
    month: date
    issuer: str
    account: str
    reason: str
    """As in `uncredited_situations` of the credit stage."""
    amount: Decimal
    charges: int
