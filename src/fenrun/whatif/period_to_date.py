"""Period to date: quarters and years in progress, as if they ended with a month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fenrun.base.problem import Refused
from fenrun.base.when import Period, parse_period, period_of
from fenrun.plan.rows import Plan
from fenrun.settle.facts import Facts, facts_as_of
from fenrun.statement.attainment import Attainment, attainments
from fenrun.statement.run import Run
from fenrun.store.facts import Store


def settle_to_date(store: Store, run: Run) -> dict[str, Attainment]:
    """Return where lines stand at the end of a run's month whose period ends later, by line.

    Earned by the same steps over all charges up to that month, as known to the run. Nothing is
    kept.
    """
    longer = _periods_in_progress(run.plans, run.period)
    if not longer:
        return {}
    known = run.as_of.known
    facts = replace(facts_as_of(store, known), plans=run.plans)
    try:
        earned = facts_to_date(facts, run.period).earn(_whole(longer), known)
    except Refused:
        # Trouble in a later month's book does not keep this month from being shown.
        return {}
    return attainments(earned, of=run.period)


def facts_to_date(facts: Facts, period: Period) -> Facts:
    """Return the facts without what is billed after a period."""
    end, last_day = str(period.span.end), str(period.last_day)
    before = tuple(i for i in facts.charges if i.facts.get("first_billed", "") < end)
    billed_by_then = f"BillingPeriodStart < TIMESTAMP '{end} 00:00:00' - INTERVAL 1 DAY"
    reaching_later = {
        i.id: billed_by_then for i in before if i.facts.get("last_billed", "9999") >= last_day
    }
    return replace(facts, charges=before, only=reaching_later)


def whole_to_date(plans: Iterable[Plan], period: Period) -> Period:
    """Return the months from the first to the last of a period and all that go on at its end."""
    return _whole([period, *_periods_in_progress(plans, period)])


def _whole(periods: Sequence[Period]) -> Period:
    first = min(p.span.start for p in periods)
    last = max(p.last_day for p in periods)
    return parse_period(f"{first:%Y-%m}/{last:%Y-%m}")


def _periods_in_progress(plans: Iterable[Plan], period: Period) -> list[Period]:
    """The periods of the plans' components that hold a period's last day and end after it."""
    found = []
    for component in (c for plan in plans for c in plan.components):
        months, first_month = map(int, component.calendar.split("@"))
        longer = period_of(period.last_day, months, first_month)
        if longer.span.end > period.span.end:
            found.append(longer)
    return found
