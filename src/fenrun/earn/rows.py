"""What an earning is. The table is made by steps.sql; these are the columns that others may read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Earning:
    """What a payee earns with a component in a period. Grain: plan, component, payee, period. Also kept where it is nothing."""

    plan_id: str
    component: str
    """The component's clause."""
    role: str
    payee: str
    per: str
    period: str
    period_from: date
    period_to: date
    paid_month: date
    """First day of the month whose statement pays it: the month in which the period ends."""
    currency: str
    amount: Decimal
    """The measured amount: what is credited, without what is excluded or below a baseline."""
    target: Decimal | None
    compared: Decimal | None
    """Last year's measure, or the figure the plan compares with."""
    base: Decimal | None
    """What a rate is applied to."""
    measure: Decimal | None
    """What picks the band, against the band's bounds times `reference`."""
    reference: Decimal | None
    pays_on: str
    reads_by: str
    portion: Decimal
    table_id: str
    table_from: date | None
    """Which version of the table was in force on the period's first day."""
    uncapped: Decimal
    """Exact, before cap and rounding."""
    cap: Decimal | None
    reason: str
    """`band`, `capped`; or why it is nothing: `payee` (does not qualify), `no-target`, `no-comparison`, `no-figure`, `no-band`."""
    earned: Decimal
    """Rounded, once, as the plan says."""
