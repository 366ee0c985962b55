"""How far the quarters and years have come that a month lies in: what they would have reached had they ended with it."""

from __future__ import annotations

from dataclasses import replace

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period, period_of
from fenrun.settle.facts import facts_as_of
from fenrun.statement.attainment import Attainment, attainments
from fenrun.statement.run import Run
from fenrun.store.facts import Store


def settle_to_date(store: Store, run: Run) -> dict[str, Attainment]:
    """Where lines stand at the end of a run's month whose period ends later, by line: settled by the same steps over all charges up to that month, as known to the run. Nothing is kept."""
    period = run.period
    longer = [
        found
        for plan in run.plans
        for c in plan.components
        for found in [period_of(period.last_day, *map(int, c.calendar.split("@")))]
        if found.span.end > period.span.end
    ]
    if not longer:
        return {}
    first, last = min(p.span.start for p in longer), max(p.last_day for p in longer)
    facts, until = (
        replace(facts_as_of(store, run.as_of.known), plans=run.plans),
        f"{period.span.end} 00:00:00",
    )
    before = tuple(
        i for i in facts.charges if i.facts.get("first_billed", "") < str(period.span.end)
    )
    later = {
        i.id: f"BillingPeriodStart < TIMESTAMP '{until}' - INTERVAL 1 DAY"
        for i in before
        if i.facts.get("last_billed", "9999") >= f"{period.last_day}"
    }
    try:
        whole = replace(facts, charges=before, only=later).settle(
            parse_period(f"{first:%Y-%m}/{last:%Y-%m}"), run.as_of.known
        )
    except (
        Refused
    ):  # what is wrong with a later month's book does not keep this month from being shown
        return {}
    return attainments(whole, of=period)
