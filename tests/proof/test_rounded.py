"""Costs, and what is measured, on fewer decimals than they have: a part is rounded as the whole."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close, settle_period
from fenrun.proof.bundle import derive, make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.settle.imports import import_file
from fenrun.statement.run import Rounding
from fenrun.store.facts import Store
from tests.engine.test_fine_amounts import FACTS, PLAN
from tests.proof.all_text import all_text

SEPTEMBER = parse_period("2024-09")
COSTS = {"A1": "300000000.123456789012345678", "A2": "0.123456789012345678"}
"""P1 holds parts of both customers; P2 of the second alone, whose amount would fit exactly."""
SHARES = {"A1": ("0.666667", "0.333333"), "A2": ("0.666667", "0.123457")}
"""P1's of each account: the customer's share, and of that its own."""
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName\n"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("rounded")
    days = "2024-09-01T00:00:00Z,2024-09-02T00:00:00Z"
    rows = [f"{cost},{account},USD,{days},Acme\n" for account, cost in COSTS.items()]
    plan = PLAN.format(first="66.6667 %", second="33.3333 %", rate="3.123456 %")
    files = {
        "plan.yaml": plan.partition("cases:")[0],
        "book.yaml": FACTS,
        "june.csv": HEAD + "".join(rows),
    }
    store = Store(folder / "ws")
    for name, content in files.items():
        (folder / name).write_text(content)
        import_file(store, folder / name, datetime(2024, 10, 2))
    close(store, SEPTEMBER, datetime(2024, 10, 3), first=True)
    return store


@pytest.mark.in_turn(4)
def test_a_bundle_is_derived_with_the_decimals_of_the_whole(store: Store, tmp_path: Path) -> None:
    assert settle_period(store, SEPTEMBER).run.rounding == Rounding({"fine": 15}, {"fine": 15})
    said = make_bundle(store, "P2", SEPTEMBER, tmp_path / "P2.zip")
    assert said["rounding"] == {"costs": {"fine": 15}, "measures": {"fine": 15}}
    assert verify(tmp_path / "P2.zip").attested == ()
    said_in_all = all_text(tmp_path / "P2.zip")
    for secret in (COSTS["A1"], "300000000", "12.3457", "0.123457"):  # of P1, or of its customer
        assert secret not in said_in_all
    # P2's part alone would be measured on more decimals.
    with zipfile.ZipFile(tmp_path / "P2.zip") as bundle:
        bundle.extractall(tmp_path / "out")
        closes = json.loads(bundle.read("bundle.json"))["closes"]
    alone = derive(Store(tmp_path / "out" / "facts"), "P2", closes)
    assert alone["lines"] != said["statement"]["lines"]


def test_each_charge_is_rounded_by_itself_and_the_difference_is_said(store: Store) -> None:
    run = settle_period(store, SEPTEMBER).run
    (note,) = (problem for problem in run.problems if problem.code == "costs-rounded")
    held = {a: Decimal(c).quantize(Decimal("1e-15"), ROUND_HALF_UP) for a, c in COSTS.items()}
    difference = sum(held[account] - Decimal(cost) for account, cost in COSTS.items())
    assert (note.values["decimals"], note.values["count"]) == (15, 2)
    assert Decimal(note.values["difference"]) == difference != 0
    credited = {a: held[a] * Decimal(first) * Decimal(own) for a, (first, own) in SHARES.items()}
    (line,) = run.engine.rows("SELECT * FROM statement_lines WHERE payee = 'P1'")
    (found,) = run.engine.rows("SELECT sum(amount) AS credited FROM credited WHERE payee = 'P1'")
    assert found["credited"] == sum(credited.values())
    measured = [one.quantize(Decimal("1e-15"), ROUND_HALF_EVEN) for one in credited.values()]
    cents = (sum(measured) * Decimal("0.03123456")).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert line["earned"] == cents


def test_lines_are_explained_by_their_charges(store: Store) -> None:
    run = settle_period(store, SEPTEMBER).run
    found = explain(run, "fine/c/2024-09/P1")
    assert not found["charges_differ"] and len(found["charges"]) == 2
