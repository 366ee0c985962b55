"""From credits to earnings: fills the fixed SQL of steps.sql with the periods asked for and the conditions on payees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fenrun.base.money import decimals
from fenrun.base.table import from_rows
from fenrun.base.when import Period, parse_period, period_of
from fenrun.credit.from_charges import dims_of, label_joins
from fenrun.engine.duckdb import literal
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps
from fenrun.plan.conditions import to_sql
from fenrun.plan.rows import PERIODS, Plan

STEPS = read_steps("fenrun.earn")


@dataclass(frozen=True)
class PeriodRow:
    """A period that a component can be measured over."""

    per: str
    period: str
    period_from: date
    period_to: date
    paid_month: date


def put_periods(engine: Engine, years: Sequence[int]) -> None:
    """Make the table `periods`: every month, quarter and year of the years given."""
    rows = []
    for year in years:
        for key in parse_period(str(year)).months:
            month = parse_period(key).span
            for per in PERIODS:
                period = period_of(month.start, per)
                if period.span.end == month.end:
                    rows.append(PeriodRow(per, period.key, period.span.start, period.span.end, month.start))
    engine.put("periods", from_rows(PeriodRow, rows))


def amount_types(engine: Engine, plans: Sequence[Plan], credit: int) -> dict[str, str]:
    """The types that hold each kind of amount exactly, with no more decimals than its factors have. `credit`: decimals of a credit."""
    def most(*values: Decimal | None) -> int:
        return max((decimals(v) for v in values if v is not None), default=0)

    bands, components = [b for p in plans for b in p.bands], [c for p in plans for c in p.components]
    figures = engine.query("SELECT DISTINCT amount FROM figures").column("amount").to_pylist()
    measure = max(credit, most(*figures))
    part = measure + most(*(b.lower for b in bands), *(b.upper for b in bands))
    pays = max(part + most(*(b.rate for b in bands)), most(*(b.flat for b in bands)))
    uncapped = max(pays + most(*(c.portion for c in components)), most(*(c.cap for c in components)))
    return {name: f"DECIMAL(38, {scale})" for name, scale in (("measure", measure), ("part", part), ("pays", pays), ("uncapped", uncapped))}


def fragments(engine: Engine, plans: Sequence[Plan], period: Period, credit: int) -> dict[str, str]:
    """What fills steps.sql: earnings whose period ends in a month of `period`. `credit`: decimals of a credit."""
    dims = dims_of(plans, payee=True)
    parts = []
    for plan in plans:
        trees = {c.rule_id: json.loads(c.tree) for c in plan.conditions}
        for component in plan.components:
            where = f" WHERE {to_sql(trees[component.payee_rule], dims.named)}" if component.payee_rule else ""
            parts.append(f"SELECT {literal(plan.id)} AS plan_id, {literal(component.rule_id)} AS component, payee, period_from FROM payee_dims{where}")
    nothing = "SELECT '' AS plan_id, '' AS component, payee, period_from FROM payee_dims WHERE false"
    return amount_types(engine, plans, credit) | {
        "payee_labels": "".join(f", {c}.value AS {c}" for c in dims.labels.values()), "payee_joins": label_joins(dims, "b.payee", "b.period_from"),
        "payee_matches": "\nUNION ALL\n".join(parts) or nothing, "paid_from": str(period.span.start), "paid_to": str(period.span.end),
    }
