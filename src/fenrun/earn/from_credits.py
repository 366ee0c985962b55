"""From credits to earnings.

Fills the fixed SQL of steps.sql with the periods asked for and the conditions on parties.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fenrun.base.money import decimals
from fenrun.base.table import from_rows
from fenrun.base.when import LONG_AGO, Period, period_of
from fenrun.credit.from_charges import history_needed, label_joins, readings_of, units_of
from fenrun.engine.dialect import as_integer, literal, rounded, rounded_quotient
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps
from fenrun.plan.conditions import to_sql
from fenrun.plan.rows import ALWAYS, Plan

STEPS = read_steps("fenrun.earn")
MONTHLY = "1@1"
"""The calendar of months."""


@dataclass(frozen=True)
class PeriodRow:
    """A period that a component can be measured over. Grain: calendar, period."""

    calendar: str
    """Its months and the month in which the year starts: `3@1`."""
    period: str
    period_from: date
    period_to: date
    paid_month: date
    """First day of its last month: with that it is paid."""


def load_periods(engine: Engine, plans: Sequence[Plan], first: date, last: date) -> None:
    """Make the table `periods`.

    For each calendar that the plans use, every period that begins from `first` on and before
    `last`.
    """
    used = {
        MONTHLY,
        *(c for p in plans for k in p.components for c in (k.calendar, k.baseline_calendar) if c),
        *(g.calendar for p in plans for g in p.groups),
    }
    rows = []
    for calendar in sorted(used):
        months, year_starts = (int(n) for n in calendar.split("@"))
        period = period_of(first, months, year_starts)
        while period.span.start < last:
            rows.append(
                PeriodRow(
                    calendar,
                    period.key,
                    period.span.start,
                    period.span.end,
                    period.last_day.replace(day=1),
                )
            )
            period = period_of(period.span.end, months, year_starts)
    engine.load("periods", from_rows(PeriodRow, rows))


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


def charged(plans: Sequence[Plan], period: Period) -> tuple[date, date]:
    """The months of charges that settling the period looks at.

    From one day up to, not including, another.
    """
    return LONG_AGO if history_needed(plans) else first_charged(plans, period), period.span.end


def amount_types(engine: Engine, plans: Sequence[Plan], credit: int) -> dict[str, str]:
    """The types that hold each kind of amount exactly, with no more decimals than its factors have.

    `credit`: decimals of a credit.
    """

    def most(*values: Decimal | None) -> int:
        return max((decimals(v) for v in values if v is not None), default=0)

    bands, components, groups = (
        [b for p in plans for b in p.bands],
        [c for p in plans for c in p.components],
        [g for p in plans for g in p.groups],
    )
    figures = engine.query("SELECT DISTINCT amount FROM figures").column("amount").to_pylist()
    times = {c.times_table for c in components}
    measure = max(
        credit, most(*figures, *(c.up_to for c in components), *(c.counts_from for c in components))
    )
    part = measure + most(*(b.lower for b in bands), *(b.upper for b in bands))
    rate = most(*(b.rate for b in bands), *(b.rate_to for b in bands))
    curved = any(b.kind == "interpolated" for b in bands)
    slope = part + rate if curved else 0
    pays = max(part + (slope if curved else rate), most(*(b.flat for b in bands)))
    portioned = pays + most(*(c.portion for c in components))
    limit = max(
        most(*(c.cap for c in components), *(g.cap for g in groups)),
        measure + most(*(c.cap_rate for c in components), *(g.cap_rate for g in groups)),
    )
    uncapped = max(
        portioned + most(*(b.rate for b in bands if b.table_id in times)),
        limit + (part if curved else 0),
    )
    override = max(
        most(*(p.terms[0].round_step for p in plans))
        + credit
        + most(*(c.portion for c in components)),
        most(*(c.cap for c in components)),
    )
    scales = {
        "measure": measure,
        "part": part,
        "slope": slope,
        "pays": pays,
        "portioned": portioned,
        "limit": limit,
        "uncapped": uncapped,
        "override": override,
    }
    integers = (
        {
            "shift_stepped": as_integer("stepped", uncapped),
            "shift_divisor": as_integer(f"CAST(divisor AS DECIMAL(38, {uncapped}))", uncapped),
        }
        if curved
        else {"shift_stepped": "CAST(NULL AS HUGEINT)", "shift_divisor": "CAST(NULL AS HUGEINT)"}
    )
    return {name: f"DECIMAL(38, {scale})" for name, scale in scales.items()} | integers


def fragments(engine: Engine, plans: Sequence[Plan], period: Period, credit: int) -> dict[str, str]:
    """Return what fills steps.sql: earnings whose period ends in a month of `period`.

    `credit`: decimals of a credit.
    """
    read = readings_of(plans, ("party",))
    labels = read.of("label")
    values = "".join(f", {c}.value AS {c}" for c in labels.values())
    units, columns = units_of(plans), any(p.columns for p in plans)
    arms = "".join(
        f" WHEN {literal(name)} THEN coalesce(g.{column}, '')" for name, column in units.items()
    )
    parts = [f"SELECT {ALWAYS} AS tree_no, {{key}} FROM {{table}}"]
    for tree, number in read.trees.items():
        holds = to_sql(json.loads(tree), lambda what, name: read.names[what, name])
        parts.append(f"SELECT {number}, {{key}} FROM {{table}} WHERE {holds}")
    tests = "\nUNION ALL\n".join(parts)
    return amount_types(engine, plans, credit) | {
        "unit": "CASE k.each WHEN 'payee' THEN ''"
        f" WHEN 'customer' THEN coalesce(c.customer, ''){arms} END",
        "unit_join": "\nJOIN groups AS g ON g.group_id = c.group_id" if units else "",
        "column_no": "coalesce(n.column_no, 0)" if columns else "0",
        "column_join": _COLUMN_JOIN if columns else "",
        "payee_labels": values,
        "payee_joins": label_joins(labels, "b.payee", "b.period_from"),
        "customer_labels": values,
        "customer_joins": label_joins(
            labels, "c.customer", "CAST(p.period_to - INTERVAL 1 DAY AS DATE)"
        ),
        "payee_tests": tests.format(key="payee, period_from", table="payee_attributes"),
        "customer_tests": tests.format(key="customer, month", table="customer_months"),
        "earn_from": str(first_needed(plans, period)),
        "paid_from": str(period.span.start),
        "paid_to": str(period.span.end),
        "rounded_quotient": rounded_quotient("top", "bottom", "round_mode"),
        "rounded_stepped": rounded("stepped", "round_mode"),
    }


_COLUMN_JOIN = """
JOIN periods AS p ON p.calendar = k.calendar AND p.period_from <= c.month AND c.month < p.period_to
LEFT JOIN (SELECT DISTINCT plan_id, table_id, valid_from, valid_to FROM plan_bands
           WHERE column_no > 0) AS v
       ON v.plan_id = k.plan_id AND v.table_id = k.table_id AND v.valid_from <= p.period_from AND
       p.period_from < v.valid_to
LEFT JOIN reading_columns AS n ON n.plan_id = k.plan_id AND n.table_id = k.table_id
  AND n.version = v.valid_from AND n.reading_id = c.reading_id"""
