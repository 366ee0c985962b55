"""Costs, shares and rates of so many decimals that 38 digits do not hold what they earn.

What is credited keeps every decimal; what is measured is rounded once, and that is said.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import Period, parse_period
from fenrun.book.as_of import sources_from
from fenrun.book.read import read_book
from fenrun.engine.runner import Bulk, SQLite
from fenrun.plan.read import read_plan
from fenrun.settle.pipeline import settle_in_memory
from fenrun.settle.settling import Settlement
from fenrun.whatif.cases import facts_of_case
from tests.auditor.compare import KNOWN, answers_for, differences, run_engine

WIDE = Context(prec=200)
PLAN = """
plan: fine
title: Fine amounts
source: invented for the tests
published: 2024-01-01
effective: {{from: 2024-01-01}}
currency: USD
timezone: UTC
basis: billed
credit: {{first match: [{{id: all, mode: double, roles: [partner]}}]}}
tables:
  t: [{{from: 2024-01-01, source: invented, kind: all units, bands: [pays {rate}]}}]
earn:
  sum: [{{id: c, pays: partner, per: month, on: amount, by: amount, table: t}}]
cases:
  - case: fine
    says: fine amounts
    given:
      links:
        - {{of: account, issuer: case, subject: A1, role: customer, party: K1, share: {first}}}
        - {{of: customer, subject: K1, role: partner, party: P1, share: {second}}}
      charges:
        - {{customer: K1, account: A1, billed: 1, day: 2024-09-02}}
    expect: [{{payee: P1, period: 2024-09, earned: 0}}]
"""


def _settled(costs: Sequence[str], first: str, second: str, rate: str, make: type) -> Settlement:
    text = PLAN.format(first=first, second=second, rate=rate)
    file = read_plan(text, "fine.yaml")
    book, (charge,) = facts_of_case(file, file.text.cases[0], 0)
    # A case has amounts of 15 decimals at most, an export of 18.
    given = [{**charge, "BilledCost": Decimal(cost)} for cost in costs]
    sources = sources_from(book, file.source, datetime(2000, 1, 1))
    return settle_in_memory([file.plan], sources, given, _MONTH, date(2099, 1, 1), make)


_MONTH: Period = parse_period("2024-09")
_FORMS = [
    (["100.012264277499950943"], "66.6667 %", "33.3333 %", "3.123456 %"),
    (["0.123456789012345678", "100.012264277499950943"], "66.6667 %", "33.3333 %", "3.123456 %"),
    (["-100.012264277499950943"], "66.6667 %", "33.3333 %", "3.123456 %"),
    (["250.012264277499950943", "-100.012264277499950943"], "66.6667 %", "33.3333 %", "7.123456 %"),
    (["12345678.123456789012345678"], "66.6667 %", "33.3333 %", "3.123456 %"),
    (["99999999.999999999999999999"], "99.9999 %", "99.9999 %", "99.999999 %"),
    (["999.333333333333333333", "0.666666666666666667"], "99.9999 %", "99.9999 %", "0.500001 %"),
    (["100000.50000000000001"], "66.6667 %", "33.3333 %", "12.345678 %"),
    (["25.250000000000000001"] * 4, "33.3333 %", "12.3457 %", "1.234567 %"),
]


def _amounts(
    settled: Settlement, costs: Sequence[str], *factors: str
) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return credited and earned: as settled, and as worked out by hand."""
    scales = settled.scales
    by_steps = "SELECT sum(g.a0 * c.share) FROM credits AS c JOIN situated AS g USING (situation)"
    credited = settled.amount(by_steps, [], scales.credit)
    earned = settled.amount("SELECT sum(earned) FROM earnings", [], scales.money)
    exact = sum((Decimal(cost) for cost in costs), Decimal(0))
    *shares, rate = (WIDE.divide(Decimal(text.rstrip(" %")), Decimal(100)) for text in factors)
    for share in shares:
        exact = WIDE.multiply(exact, share)
    measured = exact.quantize(Decimal(1).scaleb(-scales.measure), ROUND_HALF_EVEN, WIDE)
    cents = WIDE.multiply(measured, rate).quantize(Decimal("0.01"), ROUND_HALF_UP, WIDE)
    return credited, earned, exact, cents


def _said(problems: Sequence[Problem]) -> dict[str, object]:
    (found,) = (problem.values for problem in problems if problem.code == "measures-rounded")
    return dict(found)


@pytest.mark.in_turn(4)
@pytest.mark.parametrize(("costs", "first", "second", "rate"), _FORMS)
def test_what_is_credited_is_exact_and_the_rest_is_said(
    costs: list[str], first: str, second: str, rate: str
) -> None:
    settled = _settled(costs, first, second, rate, Bulk)
    credited, earned, exact, cents = _amounts(settled, costs, first, second, rate)
    assert (credited, earned) == (exact, cents)
    said = _said(settled.problems)
    parts = (Decimal(str(said[name])) for name in ("measured", "rest", "credited"))
    measured, rest, whole = parts
    assert WIDE.add(measured, rest) == whole == exact
    assert abs(rest) * 2 <= Decimal(1).scaleb(-int(str(said["decimals"])))


@pytest.mark.parametrize(("costs", "first", "second", "rate"), _FORMS)
def test_sqlite_refuses_them(costs: list[str], first: str, second: str, rate: str) -> None:
    """Who is not asked for SQLite alone is then settled by DuckDB."""
    with pytest.raises(Refused) as refusal:
        _settled(costs, first, second, rate, SQLite)
    assert [problem.code for problem in refusal.value.problems] == ["amount-too-large"]


def test_what_fits_is_settled_on_all_decimals() -> None:
    settled = _settled(["100.012264277499950943"], "100 %", "33.33 %", "10 %", Bulk)
    assert settled.scales.measure == settled.scales.credit
    assert not [problem for problem in settled.problems if problem.code == "measures-rounded"]


FACTS = """
parties:
- {party: K1, kind: customer}
- {party: K2, kind: customer}
- {party: P1, kind: partner}
- {party: P2, kind: partner}
links:
- {of: account, issuer: Acme, subject: A1, role: customer, party: K1, share: 66.6667 %}
- {of: account, issuer: Acme, subject: A2, role: customer, party: K2, share: 66.6667 %}
- {of: customer, subject: K1, role: partner, party: P1, share: 33.3333 %}
- {of: customer, subject: K2, role: partner, party: P1, share: 12.3457 %}
- {of: customer, subject: K2, role: partner, party: P2, share: 33.3333 %}
"""
EXCLUDING = "\nexclude: [{id: tax, when: ChargeCategory = 'Tax'}]\n"


def _fine_charges(largest: int) -> list[dict[str, Any]]:
    """Thirty charges of 18 decimals, every fifth of them tax, some less than nothing."""
    found = []
    for number in range(1, 31):
        cost = Decimal(number * 1_234_567_890_123_456_789) / Decimal(10) ** 18
        cost = WIDE.add(cost, Decimal(largest if number == 7 else 0))
        found.append(
            {
                "InvoiceIssuerName": "Acme",
                "BillingAccountId": f"A{number % 2 + 1}",
                "BillingCurrency": "USD",
                "BillingPeriodStart": datetime(2024, 9, 1),
                "ChargePeriodStart": datetime(2024, 9, number, 12),
                "ChargeCategory": "Tax" if number % 5 == 0 else "Usage",
                "BilledCost": WIDE.minus(cost) if number % 7 == 1 else cost,
            }
        )
    return found


_ROUNDED = [(10**9, 15), (0, None), (10**12, 12), (10**15, 9), (10**18, 6)]
if "FENRUN_NIGHTLY" not in os.environ:
    _ROUNDED = _ROUNDED[:1]


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(("largest", "decimals"), _ROUNDED)
def test_the_auditor_rounds_each_charge_as_the_engine_does(
    largest: int, decimals: int | None, tmp_path: Path
) -> None:
    text = PLAN.format(first="66.6667 %", second="33.3333 %", rate="3.123456 %")
    plan = read_plan(text.partition("cases:")[0] + EXCLUDING, "fine.yaml").plan
    (tmp_path / "book.yaml").write_text(FACTS)
    book, _ = read_book(tmp_path / "book.yaml")
    charges, books = _fine_charges(largest), [(KNOWN, book)]
    run = run_engine(charges, books, [plan], "2024-09")
    assert run.rounding.costs == ({"fine": decimals} if decimals else {})
    answers = answers_for(charges, books, [plan], "2024-09", rounding=run.rounding)
    assert not differences(run, answers)
