"""A settlement on whole numbers is one on decimals, to the last digit, on SQLite and on DuckDB.

Under random plans over random worlds; at night also for every case of every programme.
"""

from __future__ import annotations

import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from fenrun.base.problem import Refused
from fenrun.base.when import OPEN_END, Period, parse_period
from fenrun.engine.codes import month_of, unscaled
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.plan.read import PlanFile, load_plan, read_plan
from fenrun.plan.rows import Plan
from fenrun.settle.on_whole_numbers import Settlement, settle_on_whole_numbers
from fenrun.statement.run import Run
from fenrun.whatif.cases import facts_of_case, settle_case
from tests.auditor.compare import KNOWN, run_engine
from tests.properties import worlds

EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "6"))
PROGRAMMES = sorted((Path(__file__).parents[2] / "programmes").glob("*.yaml"))

_AMOUNTS = ("due", "brought", "expired", "drawn", "recovered", "balance", "paid", "carried")
_OLD = {
    "credited": """
        SELECT plan_id, party, role, kind, month, sum(amount), CAST(sum(charges) AS BIGINT)
        FROM credits WHERE main GROUP BY ALL""",
    "performance_measures": """
        SELECT plan_id, component, payee, unit, customer, month, column_no, excluded_by,
               CAST(coalesce(baselined, false) AS INT), amount, CAST(charges AS BIGINT)
        FROM performance_measures""",
    "uncredited": """
        SELECT plan_id, issuer || chr(31) || account, month, reason, sum(amount),
               CAST(sum(charges) AS BIGINT)
        FROM uncredited_groups GROUP BY ALL""",
    "earnings": """
        SELECT plan_id, component, payee, unit, period, step_no, reason, earned FROM earnings""",
    "payouts": f"SELECT plan_id, payee, month, {', '.join(_AMOUNTS)} FROM payouts",
    "payments": "SELECT plan_id, payee, month, form, amount, paid FROM payments",
}
_NEW = {
    "credited": (
        "SELECT plan, payee, role, kind, month, amount, charges FROM credited",
        "tttsmcs",
    ),
    "performance_measures": (
        "SELECT plan, component, payee, unit, customer, month, column_no, excluded_by, baselined,"
        " amount, charges FROM performance_measures",
        "tttttmstsqs",
    ),
    "uncredited": (
        "SELECT plan, account, month, reason, sum(amount), sum(charges)"
        " FROM uncredited GROUP BY plan, account, month, reason",
        "ttmscs",
    ),
    "earnings": (
        "SELECT plan, component, payee, unit, period, step_no, reason, earned FROM earnings",
        "tttttsse",
    ),
    "payouts": (
        f"SELECT plan, payee, month, {', '.join(_AMOUNTS)} FROM payouts",
        "ttm" + "e" * len(_AMOUNTS),
    ),
    "payments": ("SELECT plan, payee, month, form, amount, paid FROM payments", "ttmtee"),
}
"""By table the query, and how each column is read: text, month, credit, qualifying amount, earning,
or as it stands."""


def _said(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _rows(settled: Settlement, name: str) -> Counter[tuple[str, ...]]:
    """The rows of a table of codes, as people read them."""
    scales, codes = settled.scales, settled.codes
    read = {
        "t": lambda v: str(codes.text(v)),
        "m": lambda v: str(month_of(v)),
        "s": str,
        "c": lambda v: _said(unscaled(int(v), scales.credit)),
        "q": lambda v: _said(unscaled(int(v), scales.measure)),
        "e": lambda v: _said(unscaled(int(v), scales.money)),
    }
    sql, kinds = _NEW[name]
    rows = settled.runner.rows(sql)
    return Counter(tuple(read[kind](v) for kind, v in zip(kinds, row)) for row in rows)


def _same(run: Run, settled: Settlement) -> None:
    """Assert that the two say the same."""
    for name, sql in _OLD.items():
        columns = run.engine.query(sql).columns
        rows = zip(*(column.to_pylist() for column in columns))
        assert Counter(tuple(map(_said, row)) for row in rows) == _rows(settled, name), name


@pytest.mark.parametrize("make", [None, Bulk], ids=["SQLite where it can", "DuckDB"])
@settings(max_examples=EXAMPLES)
@given(batch=worlds.batches())
def test_random_worlds(make: type[Runner] | None, batch: worlds.Batch) -> None:
    run = run_engine(batch.charges, batch.books, batch.plans, batch.period)
    settled = _settled(batch.plans, batch, parse_period(batch.period), make)
    _same(run, settled)


def _settled(
    plans: list[Plan], batch: worlds.Batch, period: Period, make: type[Runner] | None
) -> Settlement:
    moments = sorted({known for known, _ in batch.books})
    books = [(f"book-{n}", moments.index(known), b) for n, (known, b) in enumerate(batch.books)]
    return settle_on_whole_numbers(plans, books, batch.charges, period, KNOWN.date(), make)


@pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="at night: a minute")
@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_cases_of_programmes(path: Path) -> None:
    file = load_plan(path)
    for number, case in enumerate(file.text.cases):
        asked = parse_period(case.expect[0].period)
        years = parse_period(f"{asked.span.start.year}-01/{asked.last_day.year}-12")
        known = case.expect[0].known or OPEN_END
        book, charges = facts_of_case(file, case, number)
        books = [(file.source, 0, book)]
        for make in (None, Bulk):
            settled = settle_on_whole_numbers([file.plan], books, charges, years, known, make)
            _same(settle_case(file, case, years, number, known), settled)


_SMALL = """
plan: small
title: Small
source: test
published: 2023-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit:
  first match:
    - {id: c, mode: single, roles: [partner]}
"""
_CASE = """
cases:
  - case: one
    given:
      links: [{of: customer, subject: K1, role: partner, party: P1}]
      figures: [{party: P1, figure: score, period: 2024-01, amount: 90 %}]
      charges: [{customer: K1, month: 2024-01, billed: 1500001}]
    expect: [{payee: P1, period: 2024-01, earned: 0}]
"""
_TWICE = """
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 50 %]}]
  fine: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 12.345 %]}]
earn:
  sum:
    - {id: e1, pays: partner, per: month, on: amount, by: amount, table: rates}
    - {id: e2, pays: partner, per: month, on: amount, by: amount, table: fine,
       times: rates by figure score}
"""
_LARGE = """
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 100 %]}]
earn:
  sum:
    - {id: e, pays: partner, per: month, on: amount, by: amount, portion: 500003 %, table: rates}
pay:
  instalments: [33.3333 % at once, 66.6667 % after 1 month]
"""
_BASELINE = """
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 10 %]}]
earn:
  sum:
    - {id: e, pays: partner, per: month, each: ServiceName, on: amount, by: amount, table: rates,
       baseline: {figure: base, per: month}}
cases:
  - case: one
    given:
      links: [{of: customer, subject: K1, role: partner, party: P1}]
      figures: [{party: K1, figure: base, period: 2024-01, amount: 100, currency: CNY}]
      charges:
        - {customer: K1, month: 2024-01, billed: 150, ServiceName: Compute}
        - {customer: K1, month: 2024-01, billed: 60, ServiceName: CDN}
    expect: [{payee: P1, period: 2024-01, earned: 11}]
"""
_OVERRIDE = """
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 10 %]}]
earn:
  sum:
    - {id: e, pays: partner, per: month, on: amount, by: amount, table: rates}
    - {id: o, pays: centre, per: month, on: earned e below, portion: 50 %, cap: 3}
cases:
  - case: one
    given:
      links:
        - {of: customer, subject: K1, role: partner, party: P1}
        - {of: party, subject: P1, role: centre, party: C1}
      charges: [{customer: K1, month: 2024-01, billed: 100.000001}]
    expect: [{payee: C1, period: 2024-01, earned: 3}]
"""
_YEAR = parse_period("2024-01/2024-12")


def _of_case(file: PlanFile, make: type[Runner]) -> Settlement:
    """The first case of a plan, settled on whole numbers."""
    book, charges = facts_of_case(file, file.text.cases[0], 0)
    books = [(file.source, 0, book)]
    return settle_on_whole_numbers([file.plan], books, charges, _YEAR, OPEN_END, make)


@pytest.mark.parametrize("make", [SQLite, Bulk])
def test_a_table_pays_and_multiplies(make: type[Runner]) -> None:
    file = read_plan(_SMALL + _TWICE + _CASE, "small.yaml")
    _same(settle_case(file, file.text.cases[0], _YEAR, 0), _of_case(file, make))


@pytest.mark.parametrize("make", [SQLite, Bulk])
def test_a_baseline_is_used_up_in_the_order_of_names(make: type[Runner]) -> None:
    file = read_plan(_SMALL + _BASELINE, "small.yaml")
    _same(settle_case(file, file.text.cases[0], _YEAR, 0), _of_case(file, make))


@pytest.mark.parametrize("make", [SQLite, Bulk])
def test_an_override_is_capped_whatever_the_decimals_of_the_charges(make: type[Runner]) -> None:
    file = read_plan(_SMALL + _OVERRIDE, "small.yaml")
    settled = _of_case(file, make)
    _same(settle_case(file, file.text.cases[0], _YEAR, 0), settled)
    found = settled.amount("SELECT sum(earned) FROM override_entries", [], settled.scales.money)
    assert found == 3


def test_instalments_that_pass_64_bits_are_refused() -> None:
    file = read_plan(_SMALL + _LARGE + _CASE, "small.yaml")
    _same(settle_case(file, file.text.cases[0], _YEAR, 0), _of_case(file, Bulk))
    with pytest.raises(Refused) as refused:
        _of_case(file, SQLite)
    assert [problem.code for problem in refused.value.problems] == ["amount-too-large"]


def test_what_passes_64_bits_is_refused_and_never_a_float() -> None:
    runner = SQLite()
    runner.load("large", {"n": "BIGINT"}, [(9_223_372_036_854_775_807,)])
    runner.connection.execute("CREATE TABLE sums AS SELECT n + 1 AS n FROM large")
    with pytest.raises(Refused) as refused:
        runner.refuse_floats(["sums"])
    assert [problem.code for problem in refused.value.problems] == ["amount-too-large"]
