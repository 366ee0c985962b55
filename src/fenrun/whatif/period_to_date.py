"""Period to date: quarters and years in progress, as if they ended with a month."""

from __future__ import annotations

from dataclasses import replace

from fenrun.base.problem import Refused
from fenrun.base.when import Period, parse_period, period_of
from fenrun.settle.facts import facts_as_of
from fenrun.statement.attainment import Attainment, attainments
from fenrun.statement.run import Run
from fenrun.store.facts import Store


def settle_to_date(store: Store, run: Run) -> dict[str, Attainment]:
    """Return where lines stand at the end of a run's month whose period ends later, by line.

    Earned by the same steps over all charges up to that month, as known to the run. Nothing is
    kept.
    """
    longer = _periods_in_progress(run)
    if not longer:
        return {}
    period, known = run.period, run.as_of.known
    facts = replace(facts_as_of(store, known), plans=run.plans)
    end, last_day = str(period.span.end), str(period.last_day)
    before = tuple(i for i in facts.charges if i.facts.get("first_billed", "") < end)
    billed_by_then = f"BillingPeriodStart < TIMESTAMP '{end} 00:00:00' - INTERVAL 1 DAY"
    reaching_later = {
        i.id: billed_by_then for i in before if i.facts.get("last_billed", "9999") >= last_day
    }
    first = min(p.span.start for p in longer)
    last = max(p.last_day for p in longer)
    whole = parse_period(f"{first:%Y-%m}/{last:%Y-%m}")
    try:
        earned = replace(facts, charges=before, only=reaching_later).earn(whole, known)
    except Refused:
        # Trouble in a later month's book does not keep this month from being shown.
        return {}
    return attainments(earned, of=period)


def _periods_in_progress(run: Run) -> list[Period]:
    """The periods of the plans' components that hold the run's last day and end after its month."""
    found = []
    for component in (c for plan in run.plans for c in plan.components):
        months, first_month = map(int, component.calendar.split("@"))
        longer = period_of(run.period.last_day, months, first_month)
        if longer.span.end > run.period.span.end:
            found.append(longer)
    return found
