"""Charges that a plan divides over days: settled from a workspace, explained, closed, proven."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close, settle_period
from fenrun.credit.over_days import days_between, divided_cost
from fenrun.engine.runner import Bulk, SQLite
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.line_charges import line_charges
from fenrun.settle.results import KEPT
from fenrun.statement.formats.charges import charges_to_csv
from fenrun.statement.run import Run
from fenrun.statement.sentences import day_text, in_words
from fenrun.store.facts import Store

PLAN = """
plan: monthly
title: {en: Monthly, zh-CN: 包月}
source: Letter 1
published: 2023-12-01
effective: {from: 2024-01-01}
currency: CNY
timezone: Asia/Shanghai
basis: billed
as of: [{day: each day of ChargePeriod}]
credit: {first match: [{id: partners, mode: single, roles: [partner]}]}
tables: {rates: [{from: 2024-01-01, source: Letter 1, kind: all units, bands: [pays 10 %]}]}
earn: {sum: [{id: share, pays: partner, per: month, on: amount, by: amount, table: rates}]}
"""
BOOK = """
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: customer, subject: K1, role: partner, party: P1, to: 2024-06-11}
  - {of: customer, subject: K1, role: partner, party: P2, from: 2024-06-11, to: 2024-06-26}
"""
LATER = "links: [{of: customer, subject: K1, role: partner, party: P3, from: 2024-06-26}]\n"
"""Known only after the close: until then nobody holds the last five days."""
CHARGES = """\
BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,ChargePeriodStart,ChargePeriodEnd,InvoiceIssuerName
300,300,300,300,A1,CNY,2024-06-01T00:00:00Z,2024-06-01T00:00:00Z,2024-07-01T00:00:00Z,Cloud
100,100,100,100,A1,CNY,2024-06-01T00:00:00Z,2024-06-09T16:00:00Z,2024-06-12T16:00:00Z,Cloud
7,7,7,7,A1,CNY,2024-06-01T00:00:00Z,2024-06-12T16:00:00Z,2024-06-12T17:00:00Z,Cloud
"""
"""June in UTC; 10 to 12 June in Shanghai; an hour of 13 June there."""
JUNE = parse_period("2024-06")
KNOWN, LATE = datetime(2024, 7, 2), datetime(2024, 7, 9)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """June is closed; then the book says who held its last days."""
    store = Store(tmp_path_factory.mktemp("monthly") / "ws")
    for name, text, known in (
        ("plan.yaml", PLAN, KNOWN),
        ("book.yaml", BOOK, KNOWN),
        ("june.csv", CHARGES, KNOWN),
        ("later.yaml", LATER, LATE),
    ):
        path = store.path.parent / name
        path.write_text(text, "utf-8")
        import_file(store, path, known)
        if name == "june.csv":
            close(store, JUNE, known)
    return store


@pytest.fixture(scope="module")
def closed(store: Store) -> Run:
    return settle_period(store, JUNE).run


def test_each_is_credited_the_days_that_it_held(closed: Run) -> None:
    """P1: 10 of 30 days, and 1 of 3; P2: 15 of 30, 2 of 3, and the hour; nobody 5 of 30."""
    rows = closed.engine.rows("SELECT payee, sum(amount) AS amount FROM credited GROUP BY ALL")
    found = {row["payee"]: row["amount"] for row in rows}
    assert found == {"P1": Decimal("133.333333"), "P2": Decimal("223.666667")}
    (left,) = closed.engine.rows("SELECT reason, amount FROM uncredited")
    assert (left["reason"], left["amount"]) == ("nobody", 50)
    earned = closed.engine.rows("SELECT payee, earned FROM earnings ORDER BY payee")
    assert [str(row["earned"]) for row in earned] == ["13.33", "22.37"]


def test_an_explanation_says_days_of_days(closed: Run) -> None:
    explained = explain(closed, "monthly/share/2024-06/P2")
    found = [(day_text(c), c["amount"]) for c in explained["charges"]]
    assert found == [
        ("2024-06-11 (15/30)", "150.00"),
        ("2024-06-11 (2/3)", "66.666667"),
        ("2024-06-13 (1/1)", "7.00"),
    ]
    assert explained["charges_total"] == 3
    assert "divides charges over their days" in " ".join(in_words(explained, "en"))
    listed = line_charges(closed, "monthly/share/2024-06/P2", most=1)
    assert (listed["total"], listed["rows"][0]["days"]) == (3, 15)
    assert [(one["charges"], one["credited"]) for one in listed["sums"]] == [(3, "223.666667")]
    assert "2024-06-11 (15/30),Cloud,A1" in charges_to_csv(listed, {}, "en").decode()


def test_who_is_known_late_has_the_days_that_nobody_had(store: Store, closed: Run) -> None:
    """As if it had been known in time; by either runner; P1 and P2 keep what they have."""
    facts = facts_as_of(store, LATE)
    one, other = (facts.settle(JUNE, LATE, make=make) for make in (SQLite, Bulk))
    for name in KEPT:
        rows = [sorted(map(str, run.engine.table(name).to_pylist())) for run in (one, other)]
        assert rows[0] == rows[1]
    found = one.engine.rows("SELECT payee, earned FROM earnings ORDER BY payee")
    assert [str(row["earned"]) for row in found] == ["13.33", "22.37", "5.00"]
    assert not one.engine.rows("SELECT * FROM uncredited")


def test_the_bundle_derives_the_part(store: Store, closed: Run, tmp_path: Path) -> None:
    """Its charges say when they begin and end, and it is verified without the others' links."""
    make_bundle(store, "P1", JUNE, tmp_path / "P1.zip")
    assert verify(tmp_path / "P1.zip").rows


@pytest.mark.parametrize(
    ("cost", "scale", "days", "wanted"),
    [
        (100_000_000, 6, 3, [33_333_333, 33_333_333, 33_333_334]),
        (-100_000_000, 6, 3, [-33_333_333, -33_333_333, -33_333_334]),
        (10_000_000_005, 8, 3, [3_333_333_300, 3_333_333_300, 3_333_333_405]),
        (100, 2, 3, [33, 33, 34]),
        (1, 6, 3, [0, 0, 1]),
    ],
)
def test_parts_are_cut_to_six_decimals_and_sum_to_the_cost(
    cost: int, scale: int, days: int, wanted: list[int]
) -> None:
    assert divided_cost(cost, scale, days) == wanted and sum(wanted) == cost


def test_a_month_has_its_days_whatever_the_clocks_do() -> None:
    """March in New York is an hour shorter than 31 days, November an hour longer than 30."""
    assert days_between(datetime(2024, 3, 1, 5), datetime(2024, 4, 1, 4)) == 31
    assert days_between(datetime(2024, 11, 1, 4), datetime(2024, 12, 1, 5)) == 30
    assert days_between(datetime(2024, 2, 1), datetime(2024, 3, 1)) == 29
    assert days_between(datetime(2024, 2, 1), datetime(2024, 2, 1)) == 1
    assert days_between(datetime(2024, 2, 1), None) == 1
