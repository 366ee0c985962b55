"""Plans of several currencies, zones and costs side by side, and rates between currencies."""

from __future__ import annotations

import csv
import io
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.book.read import book_from
from fenrun.cli.settle_ import summary
from fenrun.closing.close import close, settle_period
from fenrun.closing.differences import differences
from fenrun.engine.runner import Bulk, SQLite
from fenrun.ledger.entries import balances, entries
from fenrun.ledger.revenue import revenue
from fenrun.plan.read import read_plan
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.results import KEPT
from fenrun.settle.runs import settle_workspace
from fenrun.settle.standing import Standing
from fenrun.statement.formats import FORMATS
from fenrun.statement.rows import statement_of
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.whatif.compare import compare_plans
from fenrun.whatif.estimate import Estimator

WORLD: dict[str, Any] = yaml.load(
    Path(__file__).with_name("currencies.yaml").read_text("utf-8"), yaml.BaseLoader
)
PLANS: list[dict[str, Any]] = [plan.pop("<<", {}) | plan for plan in WORLD["plans"]]
KNOWN = datetime(2024, 3, 5)
JANUARY, FEBRUARY = parse_period("2024-01"), parse_period("2024-02")
_HEAD = (
    "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,"
    "BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName"
)


def _csv(*currencies: str) -> str:
    """Return the world's charges as a file: all, or those in some currencies."""
    lines = [_HEAD]
    for account, currency, month, billed in WORLD["charges"]:
        if not currencies or currency in currencies:
            costs = f"{billed},{billed},{billed},{Decimal(billed) * 2}"
            days = f"{month}-01T00:00:00Z,{month}-15T12:00:00Z"
            lines.append(f"{costs},{account},{currency},{days},Cloud")
    return "\n".join(lines) + "\n"


def _know(store: Store, name: str, text: str, known: datetime = KNOWN) -> None:
    path = store.path.parent / name
    path.write_text(text, "utf-8")
    import_file(store, path, known)


def _world(folder: Path, *currencies: str) -> Store:
    store = Store(folder / "ws")
    for plan in PLANS:
        _know(
            store, f"{plan['plan']}.yaml", yaml.dump(plan, sort_keys=False, Dumper=yaml.CSafeDumper)
        )
    _know(store, "book.yaml", yaml.dump(WORLD["book"], sort_keys=False, Dumper=yaml.CSafeDumper))
    _know(store, "charges.csv", _csv(*currencies))
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The world as of March; nothing in it is closed."""
    return _world(tmp_path_factory.mktemp("currencies"))


def _run(store: Store, period: str = "2024-01") -> Run:
    return settle_workspace(store, parse_period(period)).run


@pytest.mark.parametrize("period", WORLD["expect"])
def test_each_plan_pays_in_its_own_currency(store: Store, period: str) -> None:
    settled = settle_workspace(store, parse_period(period))
    found = [
        [one["currency"], one["payee"], one["credited"], one["earned"]]
        for one in summary(settled)["statements"]
    ]
    assert found == WORLD["expect"][period]
    (problem,) = settled.run.problems
    assert problem.code == "currency-not-in-plan"
    uncounted = {"2024-01": "7.00 GBP", "2024-02": "3.00 GBP"}[period]
    assert f"Charges of {uncounted}" in problem.words("what"), "of the period, and of none before"


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("period", WORLD["expect"])
def test_both_runners_say_the_same(store: Store, period: str) -> None:
    facts, runs = facts_as_of(store, KNOWN), []
    for make in (SQLite, Bulk):
        runs.append(facts.settle(parse_period(period), KNOWN, make=make))
    one, other = ({name: _rows(run, name) for name in KEPT} for run in runs)
    assert one == other


def _rows(run: Run, name: str) -> list[str]:
    return sorted(map(str, run.engine.table(name).to_pylist()))


def test_no_sum_mixes_currencies(store: Store, tmp_path: Path) -> None:
    """Whatever is said of yuan is said without the charges in any other currency, too."""
    alone = settle_workspace(_world(tmp_path, "CNY"), JANUARY)
    both = settle_workspace(store, JANUARY)
    for says in (_summed, _stated, _ledger, _revenue):
        assert says(both)["CNY"] == says(alone)["CNY"]
        assert {"CNY", "EUR", "USD"} <= says(both).keys()


def _summed(settled: Any) -> dict[str, Any]:
    said = summary(settled)
    keys = ("currency", "credited", "earned", "uncredited", "differences")
    parts = [said, *said["other_currencies"]]
    return {part["currency"]: {key: part[key] for key in keys} for part in parts}


def _stated(settled: Any) -> dict[str, Any]:
    found = {}
    for payee in ("P1", "R1"):
        try:
            sections = statement_of(settled.run, payee).sections
        except Refused:
            continue  # who is credited in other currencies alone
        found |= {s.currency: s.as_json() | {"other_currencies": []} for s in sections}
    return found


def _ledger(settled: Any) -> dict[str, Any]:
    found: dict[str, Any] = {name: {} for name in ("CNY", "EUR", "USD")}
    for (account, currency), amount in balances(entries(settled.run)).items():
        found[currency][account] = amount
    return found


def _revenue(settled: Any) -> dict[str, Any]:
    return {one.currency: one for one in revenue(settled.run)}


def test_a_statement_has_a_section_a_currency(store: Store) -> None:
    """As an object, as JSON, as rows of CSV, and as sheets."""
    statement = statement_of(_run(store), "P1")
    assert [(s.currency, s.earned, s.payable) for s in statement.sections] == [
        ("CNY", Decimal("100.03"), Decimal("100.03")),
        ("EUR", Decimal("32.09"), Decimal("32.09")),
    ]
    said = statement.as_json()
    (other,) = said["other_currencies"]
    assert (said["earned"], other["currency"], other["earned"]) == ("100.03", "EUR", "32.09")
    text = FORMATS["csv"].write(statement, "en").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["Earned"], row["Currency"]) for row in rows] == [
        ("100.03", "CNY"),
        ("32.09", "EUR"),
    ]
    book = openpyxl.load_workbook(io.BytesIO(FORMATS["xlsx"].write(statement, "en")))
    names = book.sheetnames
    assert names[:2] == ["Statement CNY", "Customer CNY"] and "Statement EUR" in names


def test_an_explanation_shows_amount_rate_and_source(store: Store) -> None:
    said = explain(_run(store, "2024-02"), "dollar/dollar/2024-02/R1")
    assert said["credited"] == "57.085"
    keys = ("charged", "currency", "rate", "period", "source", "amount")
    assert [[one[key] for key in keys] for one in said["converted"]] == [
        ["12.50", "EUR", "1.1", "2024-02", "Central bank", "13.75"],
        ["5000.00", "JPY", "0.006667", "2024-02", "", "33.335"],
    ]
    assert [(c.get("charged"), c.get("rate"), c["amount"]) for c in said["charges"]] == [
        ("5000.00", "0.006667", "33.335"),
        ("12.50", "1.1", "13.75"),
        (None, None, "10.00"),
    ]


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_user_reads_a_statement_in_two_currencies(store: Store, lang: str) -> None:
    text = FORMATS["text"].write(statement_of(_run(store), "P1"), lang).decode()
    said = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    path = Path(__file__).parent / "golden" / f"two-currencies.{lang}.txt"
    if os.environ.get("FENRUN_WRITE_GOLDEN"):
        path.write_text(said, "utf-8")
    assert said == path.read_text("utf-8")


def test_plans_of_two_currencies_are_compared_currency_by_currency(store: Store) -> None:
    yuan, euro, _ = (
        read_plan(yaml.dump(plan, Dumper=yaml.CSafeDumper), "plan.yaml").plan for plan in PLANS
    )
    keys = ("payee", "currency", "one", "other")
    found = [[row[key] for key in keys] for row in compare_plans(store, (yuan, euro), JANUARY)]
    assert found == [
        ["P1", "CNY", Decimal("100.03"), Decimal(0)],
        ["P1", "EUR", Decimal(0), Decimal("32.09")],
    ]


def test_more_sales_earn_in_each_currency(store: Store) -> None:
    """What a rep sells in yen earns dollars; the partner's yuan and euros stay apart."""
    estimator = Estimator(Standing(facts_as_of(store, KNOWN), FEBRUARY, KNOWN))
    said = estimator.sell("R1", Decimal(3000))
    assert (said["charged_in"], said["currency"], said["before"]) == ("JPY", "USD", "1.71")
    assert said["after"] == "2.31"  # 57.085 + 3,000 × 0.006667 = 77.086, × 3 % = 2.31258


@pytest.mark.in_turn(3)
def test_a_rate_that_is_missing_stops_the_close_and_one_that_changes_is_a_difference(
    tmp_path: Path,
) -> None:
    """February without yen: said with currency, month and amount; January does not need them."""
    store = Store(tmp_path / "ws")
    for plan in (PLANS[0], PLANS[2]):
        _know(
            store, f"{plan['plan']}.yaml", yaml.dump(plan, sort_keys=False, Dumper=yaml.CSafeDumper)
        )
    rates = [rate for rate in WORLD["book"]["rates"] if rate["from"] == "EUR"]
    _know(store, "book.yaml", yaml.dump(WORLD["book"] | {"rates": rates}, Dumper=yaml.CSafeDumper))
    _know(store, "charges.csv", _csv())
    with pytest.raises(Refused) as refused:
        close(store, FEBRUARY, KNOWN, first=True)
    (missing,) = [one for one in refused.value.problems if one.code == "rate-missing"]
    said = {key: missing.values[key] for key in ("currency", "into", "period", "amount")}
    assert said == {"currency": "JPY", "into": "USD", "period": "2024-02", "amount": "5000.00"}
    close(store, JANUARY, KNOWN, first=True)

    later, last = datetime(2024, 3, 6), datetime(2024, 4, 6)
    yen = "rates: [{from: JPY, to: USD, period: 2024-02, rate: '0.006667'}]\n"
    _know(store, "yen.yaml", yen, later)
    close(store, FEBRUARY, later)
    make_bundle(store, "R1", FEBRUARY, tmp_path / "bundle.zip")
    assert verify(tmp_path / "bundle.zip").payable == {"USD": Decimal("1.71")}

    euro = "rates: [{from: EUR, to: USD, period: 2024-01, rate: '1.2'}]\n"
    _know(store, "euro.yaml", euro, last)
    # 200.55 × 1.2 = 240.66, × 3 % = 7.2198: 0.60 more than 6.62.
    found = differences(store, JANUARY, KNOWN, last)
    assert {(one.payee, one.currency, one.cause) for one in found} == {("R1", "USD", "book change")}
    assert {one.amount for one in found} == {Decimal("0.60")}
    march = settle_period(store, parse_period("2024-03"), without_charges=True).run
    assert {(one.what, one.currency, one.amount) for one in march.booked} == {
        (what, "USD", Decimal("0.60")) for what in ("earned", "paid")
    }


_UNREAD = {
    "EUR to EUR": {"from": "EUR", "to": "EUR", "period": "2024-01", "rate": "1"},
    "not above zero": {"from": "EUR", "to": "USD", "period": "2024-01", "rate": "0"},
    "a quarter": {"from": "EUR", "to": "USD", "period": "2024-Q1", "rate": "1"},
    "no currency": {"from": "euro", "to": "USD", "period": "2024-01", "rate": "1"},
    "a range backwards": {
        "from": "EUR",
        "to": "USD",
        "period": "2024-01-05..2024-01-01",
        "rate": "1",
    },
}


def test_what_is_no_rate_is_a_problem_at_its_cell() -> None:
    rows = list(enumerate(_UNREAD.values(), 2))
    made, problems = book_from({"rates": rows}, "rates.csv")
    assert not made.rates
    columns = {(one.place.row, one.place.column) for one in problems}
    assert columns == {(2, "to"), (3, "rate"), (4, "period"), (5, "from"), (6, "period")}


def test_a_range_of_days_is_a_rate_of_each() -> None:
    row = {"from": "EUR", "to": "USD", "period": "2024-03-01..2024-03-03", "rate": "1.08"}
    made, problems = book_from({"rates": [(2, row)]}, "rates.csv")
    assert not problems
    assert [rate.period for rate in made.rates] == ["2024-03-01", "2024-03-02", "2024-03-03"]


def test_spend_is_not_counted_where_charges_are_converted() -> None:
    """It counts one currency: a baseline without the others would pay what is not growth."""
    whole = (Path(__file__).parent.parent / "plan/golden/whole.yaml").read_text("utf-8")
    text = whole.replace("currency: CNY\n", "currency: CNY\nconvert: {from: [USD], on: day}\n", 1)
    with pytest.raises(Refused) as refused:
        read_plan(text, "whole.yaml")
    (problem,) = refused.value.problems
    assert problem.code == "plan-value" and "one currency only" in problem.words("what", "en")
