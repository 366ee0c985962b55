"""Rows that were kept aside, corrected in a file: thousands at once, none of them forgotten."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import load_workbook

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.settle.deliveries import quarantine_totals
from fenrun.settle.imports import import_file
from fenrun.settle.mend_files import FAULTS, IMPORT, ROW, write_rows
from fenrun.settle.mending import rows_to_mend
from fenrun.store.facts import Import, Imported, Store

HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName,ResourceId,Tags"
)
DAYS = "2024-09-01T00:00:00Z,2024-09-02T00:00:00Z"
ROWS = 1200
"""Rows without an account, numbered from 3 to 1202, of 1.01, 2.01 ... 1200.01 dollars."""
TOTAL = "720612.00"
LATER = datetime(2025, 1, 2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    rows = [f'{n}.01,,USD,{DAYS},Acme,0{n},"=1+1,\n2"' for n in range(1, ROWS + 1)]
    (tmp_path / "june.csv").write_text("\n".join([HEAD, f"5,A1,USD,{DAYS},Acme,r,", *rows]) + "\n")
    store = Store(tmp_path / "ws")
    import_file(store, tmp_path / "june.csv", datetime(2025, 1, 1))
    return store


def _aside(store: Store) -> tuple[int, dict[str, str]]:
    found = quarantine_totals(store.imports("charges"), parse_period("2024-09"))
    return found["rows"], found["billed"]


def _item(store: Store) -> Import:
    return next(i for i in store.imports("charges") if "mends" not in i.facts)


def _table(store: Store) -> list[dict[str, str]]:
    found = write_rows(_item(store), rows_to_mend(store, _item(store), LATER), ".csv").decode()
    return list(csv.DictReader(io.StringIO(found, newline="")))


def _take(store: Store, table: list[dict[str, str]], day: int = 2) -> Imported:
    path = store.path.parent / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return import_file(store, path, datetime(2025, 1, day))


def test_all_rows_of_a_file_are_mended_in_files(store: Store) -> None:
    assert _aside(store) == (ROWS, {"USD": TOTAL})
    table = _table(store)
    assert len(table) == ROWS and {row[FAULTS] for row in table} == {"BillingAccountId"}
    assert (table[0][ROW], table[-1][ROW]) == ("3", "1202") and table[0]["ResourceId"] == "01"

    some = [row | {"BillingAccountId": "A1"} for row in table[:700]] + table[700:]
    done = _take(store, some)
    assert done.new and done.facts["rows"] == 700 and done.facts["billed"] == {"USD": "245357.00"}
    (note,) = (p for p in done.problems if p.code == "rows-not-mended")
    assert note.rows == 500
    assert _aside(store) == (500, {"USD": "475255.00"}) and len(_table(store)) == 500
    assert not _take(store, some, 3).new  # the same file again changes nothing
    assert _aside(store)[0] == 500
    assert _take(store, [row | {"BillingAccountId": "A2"} for row in table], 4).facts["rows"] == 500
    assert _aside(store) == (0, {})
    assert [i.facts["billed"]["USD"] for i in store.imports("charges")] == [
        "720617.00",
        "245357.00",
        "475255.00",
    ]
    # As known before the corrections, all rows are kept aside still.
    before = store.imports("charges", datetime(2025, 1, 1))
    assert quarantine_totals(before, parse_period("2024-09"))["rows"] == ROWS


@pytest.mark.in_turn(3)
def test_a_workbook_changes_nothing_by_itself(store: Store) -> None:
    path = store.path.parent / "rows.xlsx"
    path.write_bytes(write_rows(_item(store), rows_to_mend(store, _item(store), LATER)))
    book = load_workbook(path)
    sheet = book.worksheets[0]
    at = {cell.value: cell.column for cell in sheet[1]}
    assert sheet.cell(2, at["Tags"]).data_type == "s", "no text becomes a formula"
    for line in range(2, 102):
        sheet.cell(line, at["BillingAccountId"]).value = "007"
    book.save(path)
    done = import_file(store, path, LATER)
    assert done.facts["rows"] == 100 and _aside(store)[0] == ROWS - 100
    sheet.cell(102, at["BillingAccountId"]).value = 7  # a number: Excel has taken the zeros
    book.save(path)
    with pytest.raises(Refused) as refusal:
        import_file(store, path, LATER)
    assert [(p.code, p.place.row) for p in refusal.value.problems] == [("cell-not-text", 102)]
    assert _aside(store)[0] == ROWS - 100


def test_what_names_no_row_that_is_kept_aside_is_refused(store: Store) -> None:
    table = [row | {"BillingAccountId": "A1"} for row in _table(store)[:3]]
    wrong = {
        "mends-no-rows": [
            [table[0], table[1] | {IMPORT: "f00"}],
            [table[0], table[0]],
            [table[0] | {ROW: "three"}],
        ],
        "row-not-aside": [[table[0] | {ROW: "2"}], [table[0] | {ROW: "5000"}]],
        "replaces-unknown": [[table[0] | {IMPORT: "f00f00f00f00"}]],
        "row-quarantined": [[table[0], table[1] | {"BillingAccountId": " ", "Tags": "x"}]],
        "set-column": [[table[0] | {"Colour": "red"}]],
    }
    for code, tables in wrong.items():
        for one in tables:
            with pytest.raises(Refused) as refusal:
                _take(store, one)
            assert {p.code for p in refusal.value.problems} >= {code}
    assert _aside(store)[0] == ROWS and len(store.imports("charges")) == 1
