"""Periods that end before they begin, and ends that are as they may be."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

KNOWN = datetime(2025, 1, 1)
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,"
    "ChargePeriodStart,ChargePeriodEnd,InvoiceIssuerName\n"
)
GOOD = ("2024-09-01", "2024-10-01", "2024-09-02", "2024-09-03")
CASES = {
    # What a charge of 5.00 says of its periods, and which column is told.
    "as it should be": (GOOD, "5.00", ""),
    "an inclusive end": (("2024-09-01", "2024-09-30", *["2024-09-02"] * 2), "5.00", ""),
    "without ends": (("2024-09-01", "", "2024-09-02", ""), "5.00", ""),
    "three years": ((*GOOD[:3], "2027-09-02"), "5.00", ""),
    "exchanged": ((*GOOD[:2], "2024-09-12", "2024-09-02"), "5.00", "ChargePeriodEnd"),
    "a second too early": (
        (*GOOD[:2], "2024-09-02T00:00:01Z", "2024-09-02"), "5.00", "ChargePeriodEnd"),
    "a month exchanged": (
        ("2024-10-01", "2024-09-01", *GOOD[2:]), "5.00", "BillingPeriodEnd"),
    "a refund": ((*GOOD[:2], "2024-09-12", "2024-09-02"), "-5.00", "ChargePeriodEnd"),
    "of nothing": ((*GOOD[:2], "2024-09-12", "2024-09-02"), "0", ""),
}  # fmt: skip


def _imported(folder: Path, days: tuple[str, ...], cost: str) -> Store:
    store, path = Store(folder / "ws"), folder / "charges.csv"
    rows = (f"{cost},A1,USD,{','.join(days)},Acme\n", f"1,A1,USD,{','.join(GOOD)},Acme\n")
    path.write_text(HEAD + "".join(rows))
    import_file(store, path, KNOWN)
    return store


def test_a_period_that_ends_before_it_begins_is_told(tmp_path: Path) -> None:
    for case, (days, cost, column) in CASES.items():
        (tmp_path / case).mkdir()
        found = undecided(_imported(tmp_path / case, days, cost), KNOWN)
        assert [(p.code, p.place.row, p.place.column) for p in found] == (
            [("ends-before-begin", 2, column)] if column else []
        ), case
        assert all(p.values["amount"] == f"{cost} USD" for p in found), case


def test_it_is_open_until_somebody_decides(tmp_path: Path) -> None:
    store = _imported(tmp_path, *CASES["exchanged"][:2])
    (problem,) = undecided(store, KNOWN)
    assert problem.severity == "error"
    name = problem.values["id"]
    for lang in ("en", "zh-CN"):
        assert f"fenrun resolve WORKSPACE {name} --adds {name}" in problem.words("fix", lang)
        assert "2024-09-12" in problem.words("what", lang)
    decide(store, name, Decision(adds=name), KNOWN)
    assert undecided(store, KNOWN) == []
