"""Charges that lie months away from the month that bills them, and those that rightly do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fenrun.base.when import parse_period
from fenrun.charges.far import far_from_billing
from fenrun.charges.read import open_whole, read_staged
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

KNOWN = datetime(2025, 1, 1)
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName,ChargeCategory,ChargeClass\n"
)
CASES = {
    # The start of a charge that September 2024 bills, its cost, category and class.
    "in its month": ("2024-09-30T23:00:00Z", "1", "Usage", "", False),
    "93 days before": ("2024-05-31T00:00:00Z", "1", "Usage", "", False),
    "a second more": ("2024-05-30T23:59:59Z", "1", "Usage", "", True),
    "62 days after": ("2024-11-02T00:00:00Z", "1", "Usage", "", False),
    "a second later": ("2024-11-02T00:00:01Z", "1", "Usage", "", True),
    "day and month exchanged": ("2024-01-09T00:00:00Z", "1", "Usage", "", True),
    "a year off": ("2023-09-02T00:00:00Z", "1", "Purchase", "", True),
    "tax of long ago": ("2024-01-09T00:00:00Z", "1", "Tax", "", True),
    "without a category": ("2024-01-09T00:00:00Z", "1", "", "", True),
    "a correction": ("2024-01-09T00:00:00Z", "1", "Usage", "Correction", False),
    "a credit": ("2024-01-09T00:00:00Z", "1", "Credit", "", False),
    "an adjustment": ("2024-01-09T00:00:00Z", "1", "Adjustment", "", False),
    "a refund": ("2024-01-09T00:00:00Z", "-1", "Usage", "", False),
    "of nothing": ("2024-01-09T00:00:00Z", "0", "Usage", "", False),
    "a correction of what comes": ("2025-01-09T00:00:00Z", "1", "Usage", "Correction", True),
    "a refund of what comes": ("2025-01-09T00:00:00Z", "-1", "Usage", "", True),
}


def _row(start: str, cost: str, category: str = "", class_: str = "", currency: str = "CNY") -> str:
    return f"{cost},A1,{currency},2024-09-01T00:00:00Z,{start},Acme,{category},{class_}\n"


def _far(folder: Path, rows: Sequence[str]) -> dict[str, Any]:
    path = folder / "charges.csv"
    path.write_text(HEAD + "".join(rows))
    source, content = open_whole(path, folder, lambda n: None)
    return far_from_billing(read_staged(source, content, folder).charges())


@pytest.mark.parametrize("case", CASES)
def test_a_charge_months_away_is_told_from_one_of_long_ago(case: str, tmp_path: Path) -> None:
    *said, is_far = CASES[case]
    found = _far(tmp_path, [_row(*said)])
    assert bool(found) is is_far
    if is_far:
        assert (found["rows"], found["billed"], found["row"]) == (1, {"CNY": f"{said[1]}.00"}, 2)
        assert (found["starts"], found["month"]) == (said[0][:10], "2024-09")


def test_far_charges_are_summed_by_currency_without_those_kept_aside(tmp_path: Path) -> None:
    rows = [
        _row("2024-09-02T00:00:00Z", "100.00"),
        _row("2024-01-09T00:00:00Z", "50.00", currency=""),
        _row("2024-02-09T00:00:00Z", "1.25"),
        _row("2024-03-09T00:00:00Z", "2.50", currency="USD"),
        _row("2024-04-09T00:00:00Z", "0.75"),
    ]
    found = _far(tmp_path, rows)
    assert found["rows"] == 3 and found["row"] == 4
    assert found["billed"] == {"CNY": "2.00", "USD": "2.50"}
    assert found["starts"] == "2024-02-09"


def test_far_charges_are_open_until_somebody_decides(tmp_path: Path) -> None:
    store, path = Store(tmp_path / "ws"), tmp_path / "charges.csv"
    path.write_text(HEAD + _row("2024-01-09T00:00:00Z", "1.25"))
    import_file(store, path, KNOWN)
    for period in (None, parse_period("2024-09"), parse_period("2024-10")):
        (problem,) = undecided(store, KNOWN, period)
        assert (problem.code, problem.severity) == ("charges-far", "error")
    assert (problem.place.row, problem.place.column) == (2, "ChargePeriodStart")
    assert undecided(store, KNOWN, parse_period("2024-08")) == []  # it bills nothing so early

    name = problem.values["id"]
    for lang in ("en", "zh-CN"):
        assert f"fenrun resolve WORKSPACE {name} --adds {name}" in problem.words("fix", lang)
        assert "2024-01-09" in problem.words("what", lang)
    decide(store, name, Decision(adds=name), KNOWN)
    assert undecided(store, KNOWN) == []

    right = tmp_path / "right.csv"
    right.write_text(HEAD + _row("2024-09-01T00:00:00Z", "1.25"))
    import_file(store, right, KNOWN, replaces=["charges.csv"])
    assert undecided(store, KNOWN) == []
