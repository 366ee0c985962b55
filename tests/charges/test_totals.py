"""Rows that are totals of others are never credited: left out where they are, else set apart."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fenrun.charges.read import stage_charges
from fenrun.store.facts import Imported, Replaced, Store

HEAD = (
    "BillingAccountId,BilledCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName,x_Note\n"
)
DAYS = "2024-09-01T00:00:00Z,2024-09-02T00:00:00Z"
ROWS = f"A1,100.00,USD,{DAYS},Acme,\nA2,50.50,USD,{DAYS},Acme,\n"
WORDS = ("Total", "TOTAL:", "Grand total", "Sum", "Summe", "Gesamtsumme", "Somme", "合计", "总计：")


def _import(text: str, folder: Path) -> Imported:
    (folder / "charges.csv").write_text(HEAD + text, "utf-8")
    return stage_charges(Store(folder / "ws"), folder / "charges.csv")(
        datetime(2025, 1, 1), Replaced()
    )


def _outcome(done: Imported) -> tuple[int, int, dict[str, str]]:
    return done.facts["rows"], done.facts["quarantined"], done.facts["billed"]


@pytest.mark.parametrize(
    "total",
    [
        ",150.50,,,,,",
        ",150.5,USD,,,,",
        ",150.50,,,,,grand total",
        f"Total,150.50,USD,{DAYS},Acme,",
        ",150.504,,,,,",
        ",150.50,,,,,\n,150.50,,,,,total",
        *(f"{word},150.50,,,,," for word in WORDS),
    ],
)
def test_a_total_at_the_end_is_left_out(total: str, tmp_path: Path) -> None:
    done = _import(f"{ROWS}{total}\n", tmp_path)
    assert _outcome(done)[:2] == (2, 0)
    (amount,) = done.facts["billed"].values()
    assert float(amount) == 150.5
    assert {p.code for p in done.problems if p.severity != "note"} >= {"total-row"}
    assert not [p for p in done.problems if p.severity == "error"]


@pytest.mark.parametrize(
    "text",
    [
        f"{ROWS},150.00,,,,,\n",
        f"{ROWS}Total,999.00,USD,{DAYS},Acme,\n",
        f"A1,100.00,USD,{DAYS},Acme,\nTotal,100.00,,,,,\nA2,50.50,USD,{DAYS},Acme,\n",
        f"A1,100.00,USD,{DAYS},Acme,\n小计,100.00,USD,{DAYS},Acme,\nA2,50.50,USD,{DAYS},Acme,\n",
    ],
)
def test_a_total_that_is_doubtful_is_set_apart(text: str, tmp_path: Path) -> None:
    done = _import(text, tmp_path)
    assert _outcome(done)[:2] == (3, 1)
    assert "total-differs" in {p.code for p in done.problems}


def test_totals_by_currency_are_those_of_their_rows(tmp_path: Path) -> None:
    other = f"A3,7.00,CNY,{DAYS},Acme,\n"
    done = _import(f"{ROWS}{other},150.50,USD,,,,\n,7.00,CNY,,,,\n", tmp_path)
    assert _outcome(done) == (3, 0, {"CNY": "7.00", "USD": "150.50"})


def test_a_service_called_total_is_a_charge(tmp_path: Path) -> None:
    done = _import(f"{ROWS}A3,150.50,USD,{DAYS},Acme,Total\n", tmp_path)
    assert _outcome(done) == (3, 0, {"USD": "301.00"})
