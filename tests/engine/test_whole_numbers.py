"""SQLite and DuckDB settle the same, to the last digit.

Under random plans over random worlds; at night also for every case of every programme.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenrun.base.problem import Refused
from fenrun.base.when import OPEN_END, parse_period
from fenrun.book.as_of import sources_from
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.engine.steps import Step
from fenrun.plan.read import PlanFile, load_plan, read_plan
from fenrun.settle.decoded import as_amounts, refuse_large
from fenrun.settle.pipeline import settle_in_memory
from fenrun.settle.results import RESULT_TABLES
from fenrun.statement.run import Run
from fenrun.whatif.cases import facts_of_case, run_cases
from tests.auditor.compare import KNOWN, run_engine
from tests.properties import worlds

EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "3"))
PROGRAMMES = sorted((Path(__file__).parents[2] / "programmes").glob("*.yaml"))


def said(value: Any) -> str:
    """Return a value as text; equal amounts are equal, also in texts."""
    if isinstance(value, str):
        try:
            value = Decimal(value)
        except InvalidOperation:
            return value
    return f"{value.normalize():f}" if isinstance(value, Decimal) and value else str(value or "")


def _rows(run: Run, table: str) -> Counter[tuple[str, ...]]:
    columns = run.engine.table(table).columns
    rows = zip(*(column.to_pylist() for column in columns))
    return Counter(tuple(map(said, row)) for row in rows)


def _same(one: Run, other: Run) -> None:
    """Assert that the two say the same in every result table."""
    for table in RESULT_TABLES:
        assert one.engine.columns(table.name).keys() == other.engine.columns(table.name).keys()
        assert _rows(one, table.name) == _rows(other, table.name), table.name


@pytest.mark.in_turn(4)
@settings(max_examples=EXAMPLES)
@given(batch=worlds.batches())
def test_random_worlds(batch: worlds.Batch) -> None:
    facts = (batch.charges, batch.books, batch.plans, batch.period)
    _same(run_engine(*facts), run_engine(*facts, in_bulk=True))


@pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="at night: a minute")
@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_cases_of_programmes(path: Path) -> None:
    file = load_plan(path)
    for number in range(len(file.text.cases)):
        _same_of_case(file, number)


def _same_of_case(file: PlanFile, number: int = 0) -> None:
    """Assert that a plan's case comes out the same by SQLite and DuckDB, stored and in memory."""
    case = file.text.cases[number]
    asked = parse_period(case.expect[0].period)
    years = parse_period(f"{asked.span.start.year}-01/{asked.last_day.year}-12")
    book, charges = facts_of_case(file, case, number)
    facts = (charges, [(datetime(2000, 1, 1), book)], [file.plan], years.key)
    bulk = run_engine(*facts, in_bulk=True)
    _same(run_engine(*facts), bulk)
    sources = sources_from(book, file.source, datetime(2000, 1, 1))
    for make in (None, Bulk):
        settled = settle_in_memory([file.plan], sources, charges, years, KNOWN.date(), make)
        earned = settled.amount(
            "SELECT coalesce(sum(earned), 0) FROM earnings", [], settled.scales.money
        )
        assert earned == sum(row["earned"] for row in bulk.engine.table("earnings").to_pylist())


SMALL = """
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
_FINE_RATES = """
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 33.25 %]}]
  fine: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 0.000001 %]}]
earn:
  sum:
    - {id: e, pays: partner, per: month, on: amount, by: amount, table: rates}
    - {id: f, pays: partner, per: month, on: amount, by: amount, table: fine,
       portion: 33.333333 %, times: fine by figure score}
"""
_FINE_SHARES = """
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 33.25 %]}]
earn:
  sum: [{id: e, pays: partner, per: month, on: amount, by: amount, table: rates}]
pay:
  instalments: [33.333333 % at once, 66.666667 % after 1 month]
  draw: 0.000000000000001 recoverable
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
_EXCLUDED = """
exclude: [{id: x, when: ServiceName = 'CDN', since: 2024-01-10}]
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 10 %]}]
earn:
  sum: [{id: e, pays: partner, per: month, on: amount, by: amount, table: rates}]
cases:
  - case: one
    given:
      links: [{of: customer, subject: K1, role: partner, party: P1, from: 2024-02-10}]
      charges: [{customer: K1, day: 2024-02-10, billed: 100}]
    expect: [{payee: P1, period: 2024-02, earned: 10}]
"""
_YEAR = parse_period("2024-01/2024-12")


@pytest.mark.in_turn(3)
def test_a_table_pays_and_multiplies() -> None:
    _same_of_case(read_plan(SMALL + _TWICE + _CASE, "small.yaml"))


@pytest.mark.in_turn(3)
def test_a_baseline_is_used_up_in_the_order_of_names() -> None:
    _same_of_case(read_plan(SMALL + _BASELINE, "small.yaml"))


@pytest.mark.in_turn(3)
def test_the_date_of_a_plan_stands_for_no_day_of_a_later_month() -> None:
    """Between it and the month's first charge the book may change."""
    _same_of_case(read_plan(SMALL + _EXCLUDED, "small.yaml"))


@pytest.mark.in_turn(3)
def test_an_override_is_capped_whatever_the_decimals_of_the_charges() -> None:
    file = read_plan(SMALL + _OVERRIDE, "small.yaml")
    _same_of_case(file)
    (outcome,), problems = run_cases(file)
    assert outcome.ok and not problems


@pytest.mark.in_turn(3)
def test_instalments_that_pass_64_bits_are_exact() -> None:
    file = read_plan(SMALL + _LARGE + _CASE, "small.yaml")
    _same_of_case(file)
    book, charges = facts_of_case(file, file.text.cases[0], 0)
    sources = sources_from(book, file.source, datetime(2000, 1, 1))
    settle_in_memory([file.plan], sources, charges, _YEAR, OPEN_END, SQLite)


@pytest.mark.in_turn(3)
def test_a_sum_that_could_pass_62_bits_is_not_for_sqlite() -> None:
    file = read_plan(SMALL + _LARGE + _CASE.replace("1500001", "900000000000.123456"), "large.yaml")
    _same_of_case(file)
    book, charges = facts_of_case(file, file.text.cases[0], 0)
    sources = sources_from(book, file.source, datetime(2000, 1, 1))
    with pytest.raises(Refused) as refused:
        settle_in_memory([file.plan], sources, charges, _YEAR, OPEN_END, SQLite)
    assert [problem.code for problem in refused.value.problems] == ["amount-too-large"]


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(
    ("text", "table", "amounts"),
    [
        (_FINE_RATES, "SELECT earned FROM earnings ORDER BY rank", [333, 0]),
        (_FINE_SHARES, "SELECT amount FROM payables ORDER BY due_month", [110, 223]),
    ],
)
def test_a_power_of_ten_past_63_bits_is_not_for_sqlite(
    text: str, table: str, amounts: list[int]
) -> None:
    """It would read 10^25 as a float, and pay 3.32 for 3.325."""
    file = read_plan(SMALL + text + _CASE.replace("1500001", "10"), "fine.yaml")
    book, charges = facts_of_case(file, file.text.cases[0], 0)
    sources = sources_from(book, file.source, datetime(2000, 1, 1))
    with pytest.raises(Refused) as refused:
        settle_in_memory([file.plan], sources, charges, _YEAR, OPEN_END, SQLite)
    assert [problem.code for problem in refused.value.problems] == ["amount-too-large"]
    settled = settle_in_memory([file.plan], sources, charges, _YEAR, OPEN_END)
    cents = 10 ** (settled.scales.money - 2)
    found = [int(amount) for (amount,) in settled.runner.rows(table)]
    assert found == [amount * cents for amount in amounts]


def test_sqlite_is_asked_for_no_number_that_it_reads_as_a_float() -> None:
    sql = f"SELECT {10**18} AS n"
    runner = SQLite()
    asked = (partial(runner.rows, sql), partial(runner.arrow, sql))
    for ask in (*asked, partial(runner.run, Step("n", "", "SELECT {n} AS n"), {"n": str(10**22)})):
        with pytest.raises(Refused) as refused:
            ask()
        assert [problem.code for problem in refused.value.problems] == ["amount-too-large"]
    assert Bulk().rows(sql) == [(10**18,)]


_WHOLE = st.one_of(
    st.none(),
    st.integers(-20, 20),
    st.sampled_from([s * (2**63 + n) for s in (1, -1) for n in (-1, 0, 1)]),
    st.integers(-(10**18), 10**18),
)
_STEPS = st.sampled_from([1, 5, 100])
_MODES = st.sampled_from(["half up", "half even", "down"])
_BIT = st.sampled_from([0, 1])


@pytest.mark.in_turn(3)
@settings(max_examples=EXAMPLES * 10)
@given(
    st.lists(st.tuples(_WHOLE, _WHOLE, _WHOLE, _WHOLE), min_size=1, max_size=5),
    st.tuples(_MODES, _STEPS, _BIT, _BIT),
)
def test_wide_amounts_are_the_same_on_both(
    rows: list[tuple[int | None, ...]], more: tuple[str, int, int, int]
) -> None:
    """What 64 bits do not hold is read and made alike; past 128 bits both refuse."""
    mode, step, lower_in, upper_in = more
    above_zero = "CASE WHEN compared(b, 0) > 0 THEN b ELSE 7 END"
    row_by_row = (
        "times(a, b), plus(a, b), minus(times(a, b), c), lesser(times(a, b), times(c, d))",
        "compared(times(a, b), times(c, d)), whole(times(whole(a, 9), 7), 100)",
        f"rounded(whole(a, 900), {above_zero}, '{mode}', {step})",
        f"lies_within(a, 3, d, whole(b, {10**12}), {lower_in}, whole(c, {10**12}), {upper_in})",
    )
    asked = [f"SELECT {', '.join(row_by_row)} FROM amounts", "SELECT summed(a), largest(b) FROM w"]
    assert _answers(SQLite(), rows, asked) == _answers(Bulk(), rows, asked)


def _answers(runner: Runner, rows: list[tuple[int | None, ...]], asked: list[str]) -> Any:
    """Return the answers of a runner as whole numbers, or `refused`."""
    columns = dict.fromkeys("abcd", "BIGINT")
    given = [
        tuple(None if n is None else max(-(2**63), min(n, 2**63 - 1)) for n in r) for r in rows
    ]
    runner.load("amounts", columns, given)
    wide = Step("w", "", "SELECT times(a, c) AS a, times(b, d) AS b FROM amounts", False)
    try:
        runner.run(wide, {})
        found = [row for sql in asked for row in runner.rows(sql)]
    except (Refused, duckdb.OutOfRangeException, sqlite3.OperationalError):
        return "refused"
    return [[None if value is None else int(value) for value in row] for row in found]


def test_what_is_divided_is_exact_on_both_sides_of_64_bits() -> None:
    """DuckDB divides in 64 bits what these hold: quotients and halves are those of Python."""
    tops = [sign * (2**61 + n) for sign in (1, -1) for n in (-1, 0, 1, 500)] + [2500, -2500, 0]
    bottoms = [1000, 1001, 2000, 2**61, 2**61 + 1]
    rows = [(top, bottom, by) for top in tops for bottom in bottoms for by in (1, 1000)]
    modes = ("half up", "half even", "down")
    asked = ", ".join(f"rounded(times(a, c), b, '{mode}', 1)" for mode in modes)
    found = []
    for runner in (SQLite(), Bulk()):
        runner.load("amounts", dict.fromkeys("abc", "BIGINT"), rows)
        found.append(runner.rows(f"SELECT whole(times(a, c), b), {asked} FROM amounts"))
    assert found[0] == found[1]
    assert (2500, 1000, 1) in rows and found[1][rows.index((2500, 1000, 1))] == (2, 3, 2, 2)


def test_what_passes_64_bits_is_refused_and_never_a_float() -> None:
    runner = SQLite()
    runner.load("large", {"n": "BIGINT"}, [(9_223_372_036_854_775_807,)])
    runner.connection.execute("CREATE TABLE sums AS SELECT n + 1 AS n FROM large")
    with pytest.raises(Refused) as refused:
        runner.refuse_floats(["sums"])
    assert [problem.code for problem in refused.value.problems] == ["amount-too-large"]


def test_results_of_more_than_38_digits_are_refused() -> None:
    for runner in (SQLite(), Bulk()):
        runner.load("large", {"n": "BIGINT"}, [(3 * 10**18,)])
        runner.run(Step("wide", "", "SELECT times(times(n, n), 14) AS n FROM large", False), {})
        column = runner.arrow("SELECT n FROM wide").column(0)
        for refuse in (as_amounts, refuse_large):
            with pytest.raises(Refused) as refused:
                refuse(column.combine_chunks(), 2)
            assert [problem.code for problem in refused.value.problems] == ["amount-too-large"]


def test_results_are_refused_that_have_no_room_for_cents() -> None:
    values = pa.array([10**36], pa.decimal128(38, 0))
    refuse_large(values, 2)
    for refuse in (as_amounts, refuse_large):
        with pytest.raises((Refused, pa.ArrowInvalid)):
            refuse(values, 0)
