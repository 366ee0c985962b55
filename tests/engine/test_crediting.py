"""Crediting on whole numbers credits and measures what crediting on decimals does.

Under random plans over random worlds, on SQLite and on DuckDB, to the last digit.
"""

from __future__ import annotations

import os
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from fenrun.base.when import parse_period, period_of
from fenrun.book.as_codes import load_book, named_subjects, shares_of
from fenrun.credit.charges_as_codes import Coded, billed_between, cost_scale
from fenrun.credit.on_whole_numbers import Crediting
from fenrun.earn.from_credits import charged, first_charged
from fenrun.engine.codes import Codes, day_number, month_number, month_of, unscaled
from fenrun.engine.runner import NUMBER, TEXT, Bulk, Runner, SQLite
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.statement.run import Run
from tests.auditor.compare import KNOWN, run_engine
from tests.properties import worlds

EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "12"))
FIGURES = 9
"""Decimals of figures in random worlds, at most."""


def _periods(runner: Runner, plans: list[Plan], batch: worlds.Batch) -> None:
    """Load the periods of the components' calendars."""
    period = parse_period(batch.period)
    rows = []
    for calendar in sorted({c.calendar for plan in plans for c in plan.components}):
        months, year_starts = map(int, calendar.split("@"))
        one = period_of(first_charged(plans, period), months, year_starts)
        while one.span.start < period.span.end:
            days = (day_number(one.span.start), day_number(one.span.end))
            ends = (month_number(one.span.start), month_number(one.last_day))
            rows.append((calendar, *days, *ends))
            one = period_of(one.span.end, months, year_starts)
    columns = dict.fromkeys(("period_from", "period_to", "first_month", "last_month"), NUMBER)
    runner.load("periods", {"calendar": TEXT, **columns}, rows)


def _credited(batch: worlds.Batch, runner: Runner) -> tuple[Codes, int]:
    """Credit a batch on whole numbers. Returns its codes, and the decimals of a credit."""
    plans = [plan_as_of(plan, KNOWN.date()) for plan in batch.plans]
    terms, codes = plans[0].terms[0], Codes()
    moments = sorted({known for known, _ in batch.books})
    books = [(f"book-{n}", moments.index(known), b) for n, (known, b) in enumerate(batch.books)]
    shares = shares_of(books)
    limits = (terms.registration_days, terms.open_registrations, terms.cooldown_months)
    load_book(runner, books, codes, shares, limits, FIGURES)
    crediting = Crediting(plans, codes, shares, 0)
    charges = list(billed_between(batch.charges, *charged(plans, parse_period(batch.period))))
    scale = cost_scale(charges, crediting.bases)
    Coded(crediting, named_subjects(books, codes), scale).load(runner, charges)
    crediting.load(runner)
    _periods(runner, plans, batch)
    crediting.run(runner)
    return codes, scale + shares.customer + shares.role + shares.party * crediting.depth


def _said(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _old(run: Run, sql: str) -> Counter[tuple[str, ...]]:
    return Counter(tuple(map(_said, row.values())) for row in run.engine.query(sql).to_pylist())


_CREDITS = """
SELECT plan_id, party, role, kind, month, sum(amount) AS amount, CAST(sum(charges) AS BIGINT) AS n
FROM credits WHERE main GROUP BY ALL"""
_MEASURES = """
SELECT plan_id, component, payee, unit, customer, month, column_no, excluded_by,
       CAST(coalesce(baselined, false) AS INT) AS baselined, amount, CAST(charges AS BIGINT) AS n
FROM performance_measures"""
_UNCREDITED = """
SELECT plan_id, issuer || chr(31) || account AS account, month, reason, sum(amount) AS amount,
       CAST(sum(charges) AS BIGINT) AS n
FROM uncredited GROUP BY ALL"""


@pytest.mark.parametrize("make", [SQLite, Bulk])
@settings(max_examples=EXAMPLES)
@given(batch=worlds.batches())
def test_credits_and_measures_are_the_same(make: type[Runner], batch: worlds.Batch) -> None:
    run = run_engine(batch.charges, batch.books, batch.plans, batch.period)
    runner = make()
    codes, scale = _credited(batch, runner)

    def texts(*numbers: int | None) -> tuple[str, ...]:
        return tuple(str(codes.text(number)) for number in numbers)

    def ends(month: int, *more: Any) -> tuple[str, ...]:
        *between, amount, count = more
        amount = _said(unscaled(amount, scale))
        return (str(month_of(month)), *map(str, between), amount, str(count))

    sql = "SELECT plan, payee, role, kind, month, amount, charges FROM credited"
    found = Counter((*texts(*r[:3]), r[3], *ends(*r[4:])) for r in runner.rows(sql))
    assert found == _old(run, _CREDITS)
    sql = (
        "SELECT plan, component, payee, unit, customer, month, column_no, excluded_by, baselined,"
        " amount, charges FROM performance_measures"
    )
    found = Counter(
        (*texts(*r[:5]), *ends(r[5], r[6], codes.text(r[7]), *r[8:])) for r in runner.rows(sql)
    )
    assert found == _old(run, _MEASURES)
    sql = (
        "SELECT plan, account, month, reason, sum(amount), sum(charges)"
        " FROM uncredited GROUP BY plan, account, month, reason"
    )
    found = Counter((*texts(*r[:2]), *ends(*r[2:])) for r in runner.rows(sql))
    assert found == _old(run, _UNCREDITED)
