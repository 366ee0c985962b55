"""Amounts of cases: what they earned their payees, by the engine with and without their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from fenrun.base.ids import short
from fenrun.base.when import Period
from fenrun.integrity.findings import (
    INVARIANT,
    STATISTICAL,
    Case,
    Contradicted,
    PayDifference,
    Rows,
)
from fenrun.integrity.merging import SURE
from fenrun.pricing.lines import WIDE
from fenrun.settle.facts import Facts, facts_as_of, in_force
from fenrun.settle.results import EARNED_SUMS
from fenrun.settle.standing import Standing
from fenrun.store.facts import Store

_CONFLICT = "conflict"
"""Why nobody is credited where more than the whole of a customer or a role is held."""
Earned = Mapping[tuple[str, str, str], Decimal]
"""What is earned, by payee, currency and clause: plan and component."""


@dataclass(frozen=True)
class Amounts:
    """The engine, ready to settle a period without some charges."""

    facts: Facts
    period: Period
    known: datetime
    base: Earned
    standing: Standing

    def without(self, rows: Rows) -> Earned:
        """Return what is earned in the period without some charges."""
        only = {}
        for item in self.facts.charges:
            numbers = rows.get(short(item.id))
            if numbers:
                only[item.id] = f"row_no NOT IN ({', '.join(map(str, numbers))})"
        change = self.standing.without(only)
        found = change.earned_by_clause()
        if found is None:
            return _earned(change.facts, self.period, self.known)
        others = {key: earned for key, earned in self.base.items() if not change.concerns(key[0])}
        return others | {
            (payee, currency, f"{plan} {component}"): earned
            for (plan, component, payee, currency), earned in found.items()
        }


def with_amounts(
    store: Store,
    cases: Sequence[Case],
    period: Period,
    known: datetime,
    step: Callable[[int], None] = lambda n: None,
) -> tuple[list[Case], list[Contradicted]]:
    """Return the cases with their amounts, without those that gained nobody anything; and what
    facts that contradict each other credit to nobody.

    A broken fact remains a case, whatever it earned, and so does money that goes round, and what is
    hardly by chance: it can have been meant to earn. Where no plan is in force nothing is known of
    amounts, and every case remains.
    """
    facts = facts_as_of(store, known)
    facts = replace(facts, plans=in_force(facts.plans, period))
    if not facts.plans:
        return [_diverted(case) for case in cases], []
    standing = Standing(facts, period, known)
    settling = Amounts(facts, period, known, _earned(facts, period, known), standing)
    found = []
    for case in cases:
        case = _diverted(case) if case.diverted else _settled(settling, case)
        step(1)
        is_sure = case.kind == STATISTICAL and case.q is not None and case.q <= SURE
        if case.amount > 0 or case.diverted or case.kind == INVARIANT or is_sure:
            found.append(case)
    return found, list(_contradicted(standing))


def _contradicted(standing: Standing) -> Iterator[Contradicted]:
    """Yield what each plan credits to nobody by facts that contradict each other."""
    by_plan = defaultdict[str, list[dict[str, Any]]](list)
    for row in standing.run.engine.table("uncredited").to_pylist():
        if row["reason"] == _CONFLICT and row["month"] in standing.period.span:
            by_plan[row["plan_id"]].append(row)
    currency = {plan.id: plan.currency for plan in standing.facts.plans}
    for plan, rows in sorted(by_plan.items()):
        amounts = defaultdict[str, Decimal](Decimal)
        for row in rows:
            amounts[row["account"]] = WIDE.add(amounts[row["account"]], row["amount"])
        accounts = sorted(amounts, key=lambda name: (-abs(amounts[name]), name))
        total = sum(amounts.values(), Decimal(0))
        charges = sum(row["charges"] for row in rows)
        yield Contradicted(plan, currency[plan], total, charges, tuple(accounts))


def _earned(facts: Facts, period: Period, known: datetime) -> Earned:
    run = facts.earn(period, known, EARNED_SUMS.name)
    found = defaultdict[tuple[str, str, str], Decimal](Decimal)
    for row in run.engine.table(EARNED_SUMS.name).to_pylist():
        found[row["payee"], row["currency"], f"{row['plan_id']} {row['component']}"] += row[
            "earned"
        ]
    return found


def _settled(settling: Amounts, case: Case) -> Case:
    """Return a case with what its payees earned more by its rows."""
    if not case.rows:
        return case
    pays = tuple(_differing(settling.base, settling.without(case.rows)))
    sums = defaultdict[str, Decimal](Decimal)
    gains = defaultdict[tuple[str, str], Decimal](Decimal)
    for paid in pays:
        if paid.payee in case.parties:
            sums[paid.currency] += paid.more
            gains[paid.currency, paid.clause] += paid.more
    case = replace(_with_largest(case, sums), pays=pays)
    by_clause = {clause: more for (of, clause), more in gains.items() if of == case.currency}
    best = max(sorted(by_clause), key=lambda name: by_clause[name], default="")
    return replace(case, clause=best if by_clause.get(best, 0) > 0 else "")


def _differing(base: Earned, without: Earned) -> Iterator[PayDifference]:
    """Yield what is earned otherwise without some charges, by whom and under which clause."""
    zero = Decimal(0)
    for key in sorted({*base, *without}):
        earned, left = base.get(key, zero), without.get(key, zero)
        if earned != left:
            yield PayDifference(*key, earned, left)


def _diverted(case: Case) -> Case:
    return _with_largest(case, case.diverted)


def _with_largest(case: Case, sums: Mapping[str, Decimal]) -> Case:
    """Return a case with the largest of its amounts in several currencies."""
    if not sums:
        return case
    currency = max(sorted(sums), key=lambda name: sums[name])
    return replace(case, amount=sums[currency], currency=currency)
