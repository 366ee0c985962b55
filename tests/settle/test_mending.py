"""Rows that were kept aside, mended by hand: they count once, and go where their file goes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.charges.mendable import read_mendable
from fenrun.settle.deliveries import Decision, decide, quarantine_totals, undecided
from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import import_file
from fenrun.settle.mending import mend_rows, rows_to_mend
from fenrun.store.facts import Store
from tests.errors.gallery import PLAN

HEAD = (
    "BilledCost;BillingAccountId;BillingCurrency;BillingPeriodStart;ChargePeriodStart;"
    "InvoiceIssuerName;x_Note\n"
)
ROWS = (
    "10,25;A1;EUR;01/09/2024;25/09/2024;Acme;fine\n"
    "20,5;A1;EUR;01/09/2024;03/09/2024;;no issuer\n"
    "4;A2;EUR;01/09/2024;31/09/2024;Acme;no such day\n"
    "1.000,5;;EUR;01/09/2024;05/09/2024;Acme;no account\n"
)
"""Commas before decimals, days before months: what no row alone says."""
SEPTEMBER = parse_period("2024-09")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    path = tmp_path / "june.csv"
    path.write_text(HEAD + ROWS)
    store = Store(tmp_path / "ws")
    import_file(store, path, datetime(2025, 1, 1))
    return store


def _aside(store: Store) -> tuple[int, dict[str, str]]:
    found = quarantine_totals(store.imports("charges"), SEPTEMBER)
    return found["rows"], found["billed"]


def _codes(store: Store) -> list[str]:
    found = [*undecided(store, datetime(2026, 1, 1)), *check_workspace(store)]
    aside = ("kept-aside", "row-quarantined", "date-unreadable", "charges-twice")
    return sorted({p.code for p in found if p.code in aside})


def test_rows_are_mended_in_turn(store: Store) -> None:
    (item,) = store.imports("charges")
    rows = {row.row: row for row in rows_to_mend(store, item, datetime(2025, 1, 2))}
    assert {number: list(row.faults) for number, row in rows.items()} == {
        3: ["InvoiceIssuerName"],
        4: ["ChargePeriodStart"],
        5: ["BillingAccountId"],
    }
    assert rows[3].values["ChargePeriodStart"] == "2024-09-03T00:00:00Z"
    assert rows[4].values["ChargePeriodStart"] == "31/09/2024"
    assert rows[5].values["BilledCost"] == "1000.50"
    assert _aside(store) == (3, {"EUR": "1025.00"})

    with pytest.raises(Refused) as refusal:  # one of two is still wrong: neither comes in
        wrong = {3: {"InvoiceIssuerName": "Acme"}, 4: {"ChargePeriodStart": "2024-09-31"}}
        mend_rows(store, item.id, wrong, datetime(2025, 1, 2))
    assert [(p.code, str(p.place)) for p in refusal.value.problems] == [
        ("date-unreadable", "june.csv:4:ChargePeriodStart")
    ]
    assert _aside(store) == (3, {"EUR": "1025.00"})

    mend_rows(store, item.id, {3: {"InvoiceIssuerName": "Acme"}}, datetime(2025, 1, 2))
    assert _aside(store) == (2, {"EUR": "1004.50"})
    assert "kept-aside" in _codes(store)
    rest = {4: {"ChargePeriodStart": "2024-09-30"}, 5: {"BillingAccountId": "A1"}}
    mend_rows(store, item.id, rest, datetime(2025, 1, 3))
    assert _aside(store) == (0, {}) and _codes(store) == []
    for again in ({3: {"InvoiceIssuerName": "Acme"}}, {2: {"x_Note": "x"}}, {}):
        with pytest.raises(Refused) as refusal:
            mend_rows(store, item.id, again, datetime(2025, 1, 4))
        assert [p.code for p in refusal.value.problems] == ["row-not-aside"]

    # A mend that is taken back leaves its rows kept aside, to be mended again in the same way.
    for day in (5, 7, 9):
        in_force = store.imports("charges")
        (one,) = (i for i in in_force if i.facts.get("mends", {}).get("rows") == [3])
        decide(store, one.id, Decision(void=True), datetime(2025, 1, day))
        assert _aside(store) == (1, {"EUR": "20.50"}) and "kept-aside" in _codes(store)
        mend_rows(store, item.id, {3: {"InvoiceIssuerName": "Acme"}}, datetime(2025, 1, day + 1))
        assert _aside(store) == (0, {}) and _codes(store) == []


def test_what_mends_rows_goes_with_their_file(store: Store, tmp_path: Path) -> None:
    (item,) = store.imports("charges")
    mend_rows(store, item.id, {3: {"InvoiceIssuerName": "Acme"}}, datetime(2025, 1, 2))
    assert len(store.imports("charges")) == 2
    path = tmp_path / "june-2.csv"
    path.write_text(HEAD + ROWS.splitlines(True)[0])
    import_file(store, path, datetime(2025, 1, 3), replaces=["june.csv"])
    assert [i.source for i in store.imports("charges")] == ["june-2.csv"]
    assert _aside(store) == (0, {}) and _codes(store) == []


def test_what_is_left_out_is_not_mended(store: Store) -> None:
    (item,) = store.imports("charges")
    decide(store, item.id, Decision(leave_out=True), datetime(2025, 1, 2))
    assert _codes(store) == [] and len(read_mendable(item)) == 3
    with pytest.raises(Refused):
        mend_rows(store, item.id, {3: {"InvoiceIssuerName": "Acme"}}, datetime(2025, 1, 3))


def test_costs_of_nothing_on_which_a_plan_counts_are_said(tmp_path: Path) -> None:
    """30 of 100 billed has a list price; of the rest one cell is 0 and one is empty."""
    (tmp_path / "plan.yaml").write_text(PLAN.replace("basis: billed", "basis: list"))
    head = "BilledCost,ListCost,ContractedCost,EffectiveCost,BillingAccountId,BillingCurrency,"
    head += "BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName\n"
    costs = ("30,40,35,0", "50,0,50,0", "20,,15,0", "0,0,0,0")
    rows = [f"{one},A1,USD,2024-09-01T00:00:00Z,2024-09-02T00:00:00Z,Acme\n" for one in costs]
    (tmp_path / "c.csv").write_text(head + "".join(rows))
    store = Store(tmp_path / "ws")
    for name in ("plan.yaml", "c.csv"):
        import_file(store, tmp_path / name, datetime(2025, 1, 1))
    found = [p for p in check_workspace(store) if p.code == "basis-nothing"]
    assert [(p.place.column, p.values["rows"], p.values["amount"]) for p in found] == [
        ("ListCost", 2, "70.00 USD")
    ]
