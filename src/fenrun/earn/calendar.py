"""The months that a settlement looks at: of charges, and of earnings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from fenrun.base.when import LONG_AGO, Period, period_of
from fenrun.charges.rows import DAYS
from fenrun.credit.crediting import history_needed, sums_history
from fenrun.plan.rows import Plan

MONTHLY = "1@1"
"""The calendar of months."""


def first_needed(plans: Sequence[Plan], period: Period) -> date:
    """First day of the months whose earnings a settlement of the period needs.

    Entries and payouts look back on earlier ones.
    """
    found = [period.span.start]
    for plan in plans:
        terms = plan.terms[0]
        if plan.pay or any(c.clawback_rule for c in plan.components):
            found.append(terms.valid_from)
        if (
            plan.groups
            or plan.less
            or any(g.subject == "earned" for g in plan.gates)
            or any(c.pays_on == "earned" for c in plan.components)
        ):
            found.append(period_of(period.span.start, 12, terms.year_starts).span.start)
    return min(found).replace(day=1)


def first_charged(plans: Sequence[Plan], period: Period) -> date:
    """First day of the months of charges that settling the period looks at.

    A year before the first earning it needs.
    """
    first = first_needed(plans, period)
    return (
        first.replace(year=max(first.year - 2, 1), month=1)
        if any(p.terms[0].year_starts != 1 for p in plans)
        else first.replace(year=max(first.year - 1, 1), month=1)
    )


def first_summed(plans: Sequence[Plan], period: Period) -> date:
    """First day of the months whose measures settling the period sums.

    Where something sums what was measured long before, that of all charges.
    """
    return DAYS[0] if sums_history(plans) else first_charged(plans, period)


def charged(plans: Sequence[Plan], period: Period) -> tuple[date, date]:
    """The months of charges that settling the period looks at.

    From one day up to, not including, another.
    """
    return LONG_AGO if history_needed(plans) else first_charged(plans, period), period.span.end


def first_converted(plans: Sequence[Plan], period: Period) -> date:
    """First day of the months of charges of which something can count in what the period pays.

    The first of the programme's year, unless something is compared with months before it.
    """
    components = [c for plan in plans for c in plan.components]
    if history_needed(plans) or any(c.compare or c.window_months for c in components):
        return charged(plans, period)[0]
    year_starts = {plan.terms[0].year_starts for plan in plans}
    first = first_needed(plans, period)
    return min(period_of(first, 12, month).span.start for month in year_starts)
