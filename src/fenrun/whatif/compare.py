"""Plans beside each other: settled together over the same facts, and whose pay differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fenrun.base.when import Period
from fenrun.plan.rows import ROW_TYPES, Plan
from fenrun.settle.facts import facts_as_of, knowledge_time
from fenrun.statement.run import Run
from fenrun.store.facts import Store


def settle_plans(
    store: Store, plans: Sequence[Plan], period: Period, known: datetime | None = None
) -> Run:
    """Settle plans of different ids together over what the workspace knows, in one pass; nothing is kept. Raises Refused."""
    moment = knowledge_time(store, known)
    return replace(facts_as_of(store, moment), plans=tuple(plans)).settle(period, moment)


def as_other(plan: Plan, plan_id: str, **terms: Any) -> Plan:
    """The same plan under another id, so that it can be settled beside itself; `terms` are put in place of its own."""
    rows = {
        name: tuple(
            replace(row, plan_id=plan_id, **(terms if name == "terms" else {}))
            for row in getattr(plan, name)
        )
        for name in ROW_TYPES
    }
    return Plan(**rows)


def compare_plans(store: Store, plans: tuple[Plan, Plan], period: Period) -> list[dict[str, Any]]:
    """Whose pay differs: payee, role, and what each plan earns in the period, as if each had been in force all along. Raises Refused."""
    start, end = min(p.terms[0].valid_from for p in plans), max(p.terms[0].valid_to for p in plans)
    one, other = (
        as_other(p, key, valid_from=start, valid_to=end, published=start)
        for p, key in zip(plans, ("one", "other"), strict=True)
    )
    run = settle_plans(store, [one, other], period)
    return run.engine.query("""
        SELECT payee, role, coalesce(sum(earned) FILTER (WHERE plan_id = 'one'), 0) AS one, coalesce(sum(earned) FILTER (WHERE plan_id = 'other'), 0) AS other
        FROM statements GROUP BY payee, role
        HAVING coalesce(sum(earned) FILTER (WHERE plan_id = 'one'), 0) <> coalesce(sum(earned) FILTER (WHERE plan_id = 'other'), 0) ORDER BY other - one, payee, role""").to_pylist()
