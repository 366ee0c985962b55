"""Comparison of plans: settled together over the same facts, with the payees whose pay differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from fenrun.base.when import Period
from fenrun.plan.rows import ROW_TYPES, Plan
from fenrun.settle.facts import facts_as_of, knowledge_time
from fenrun.settle.results import EARNED_SUMS
from fenrun.statement.run import Run
from fenrun.store.facts import Store

_DIFFERING = """
WITH earned AS (
  SELECT payee, role, currency,
         coalesce(sum(earned) FILTER (WHERE plan_id = 'one'), 0) AS one,
         coalesce(sum(earned) FILTER (WHERE plan_id = 'other'), 0) AS other
  FROM statements JOIN {currencies} USING (plan_id)
  GROUP BY payee, role, currency)
SELECT payee, role, currency, one, other FROM earned WHERE one <> other
ORDER BY currency, other - one, payee, role"""


def settle_plans(
    store: Store, plans: Sequence[Plan], period: Period, known: datetime | None = None
) -> Run:
    """Settle plans of different ids in one pass over what the workspace knows. Raises Refused.

    Nothing is kept.
    """
    moment = knowledge_time(store, known)
    return replace(facts_as_of(store, moment), plans=tuple(plans)).settle(period, moment)


def earned_by(
    store: Store, plans: Sequence[Plan], period: Period, known: datetime | None = None
) -> pa.Table:
    """Return what plans of different ids earn in a period, in one pass. Raises Refused.

    Grain: plan, component, payee, currency. Columns: plan_id, component, payee, currency (text),
    earned (decimal), before anything is held back or paid. No line is made, nothing is kept but
    months.
    """
    moment = knowledge_time(store, known)
    facts = replace(facts_as_of(store, moment), plans=tuple(plans))
    return facts.earn(period, moment, EARNED_SUMS.name).engine.table(EARNED_SUMS.name)


def as_other(plan: Plan, plan_id: str, **terms: Any) -> Plan:
    """Return the plan under another id, so that it can be settled beside itself.

    `terms` replace fields of its own terms.
    """
    rows = {}
    for name in ROW_TYPES:
        changes = {"plan_id": plan_id} | (terms if name == "terms" else {})
        rows[name] = tuple(replace(row, **changes) for row in getattr(plan, name))
    return Plan(**rows)


def compare_plans(store: Store, plans: tuple[Plan, Plan], period: Period) -> list[dict[str, Any]]:
    """Find the payees whose pay differs between two plans. Raises Refused.

    Grain: payee, role, currency; `one` and `other` are what each plan earns in the period, as if
    each had been in force all along: in another currency the one or the other is nothing.
    """
    terms = [plan.terms[0] for plan in plans]
    start = min(term.valid_from for term in terms)
    always = {
        "valid_from": start,
        "valid_to": max(term.valid_to for term in terms),
        "published": start,
    }
    beside = [
        as_other(plan, key, **always) for plan, key in zip(plans, ("one", "other"), strict=True)
    ]
    found: list[dict[str, Any]]
    run = settle_plans(store, beside, period)
    found = run.engine.rows(_DIFFERING.format(currencies=run.plan_currencies))
    return found
