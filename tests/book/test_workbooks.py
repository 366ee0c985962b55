"""Books in Excel: what is written is read again, and what Excel changed is refused by its cell."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from fenrun.base.problem import Refused
from fenrun.book.as_of import sources_from
from fenrun.book.in_words import KnownBook
from fenrun.book.read import COLUMNS, Book, book_from, read_book
from fenrun.book.to_xlsx import rows_of, write_workbook
from fenrun.settle.book_in_force import book_in_force
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.command import fenrun
from tests.errors.gallery import BOOK, KNOWN

ROWS: dict[str, list[dict[str, str]]] = {
    "parties": [
        {"party": "000123", "kind": "customer", "name": '=HYPERLINK("x")'},
        {"party": "1e5", "kind": "partner", "name": "湖 & <Co>"},
        {"party": "2024-09-01", "kind": "rep", "name": "+1"},
    ],
    "links": [
        {"of": "account", "issuer": "Acme", "subject": "007", "role": "customer",
         "party": "000123"},
        {"of": "customer", "subject": "000123", "role": "partner", "party": "1e5",
         "share": "33.3333 %"},
        {"of": "customer", "subject": "000123", "role": "rep", "party": "2024-09-01", "id": "L1",
         "from": "2024-02-29", "to": "2024-03-01", "type": "resale"},
        {"of": "order", "issuer": "Acme", "subject": "O1", "role": "partner", "party": "1e5",
         "from": "1899-12-31"},
    ],
    "labels": [{"party": "000123", "label": "class", "value": "C", "from": "2024-01-01"}],
    "figures": [
        {"party": "1e5", "figure": "task", "period": "2024-09", "amount": "12345678901234567890.12",
         "currency": "CNY"},
        {"party": "1e5", "figure": "rate", "period": "2024-Q3", "amount": "89.99 %"},
        {"party": "1e5", "figure": "task", "period": "2024", "amount": "0.1", "currency": "CNY"},
    ],
    "identities": [
        {"party": "1e5", "kind": "phone", "value": "008613800001111", "from": "2024-01-01"},
    ],
    "rates": [
        {"from": "EUR", "to": "CNY", "period": "2024-09", "rate": "7.8211", "source": "Bank"},
        {"from": "JPY", "to": "CNY", "period": "2024-09-01", "rate": "0.0496123456789"},
    ],
}  # fmt: skip


def _facts(book: Book) -> dict[str, set[Any]]:
    """The rows of a book, wherever they stood."""
    return {name: {replace(row, row_no=0) for row in rows} for name, rows in book.tables().items()}


def _workbook(path: Path, table: str, *rows: Sequence[Any], columns: Sequence[str] = ()) -> Path:
    """A workbook of one sheet; a cell may be a pair of value and number format."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Sheet 1")
        sheet.write_row(0, 0, columns or list(COLUMNS[table]))
        for number, row in enumerate(rows, 1):
            for at, cell in enumerate(row):
                value, form = cell if isinstance(cell, tuple) else (cell, "")
                if isinstance(value, (date, datetime)):
                    form = form or "yyyy-mm-dd"
                sheet.write(
                    number, at, value, book.add_format({"num_format": form} if form else {})
                )
    return path


def test_a_workbook_holds_a_book_as_it_is(tmp_path: Path) -> None:
    book, problems = book_from({name: list(enumerate(r, 2)) for name, r in ROWS.items()}, "rows")
    assert not problems
    known = KnownBook(sources_from(book, "rows", KNOWN))
    write_workbook(tmp_path / "book.xlsx", rows_of(known), "en")
    again, problems = read_book(tmp_path / "book.xlsx")
    assert not problems
    assert _facts(again) == _facts(book)


def test_rows_of_a_workbook_are_those_of_yaml(tmp_path: Path) -> None:
    links = [
        ["account", "A1", "customer", "K1", "Beichen Cloud"],
        ["customer", "K1", "partner", "P1", "", (0.8, "0%"), date(2024, 1, 1)],
        ["customer", "K1", "rep", "R1", "", 0.25, datetime(2024, 1, 1, 10, 0), "2024-07-01"],
    ]
    text = """links:
  - {of: account, subject: A1, role: customer, party: K1, issuer: Beichen Cloud}
  - {of: customer, subject: K1, role: partner, party: P1, share: 80 %, from: 2024-01-01}
  - {of: customer, subject: K1, role: rep, party: R1, share: 25 %, from: 2024-01-02, to: 2024-07-01}
"""
    (tmp_path / "book.yaml").write_text(text)
    expected, _ = read_book(tmp_path / "book.yaml")
    book, problems = read_book(_workbook(tmp_path / "b.xlsx", "links", *links))
    assert not problems and _facts(book) == _facts(expected)


FIGURE = ["P1", "task", "2024-09", 100, "CNY"]
AMOUNTS = {
    1.1: "1.1", 0.1 + 0.2: "0.3", 123456789012345: "123456789012345", -0.07: "-0.07",
    (0.15, "0.00%"): "0.15", 1e-9: "0.000000001",
}  # fmt: skip


@pytest.mark.parametrize("cell", AMOUNTS, ids=str)
def test_numbers_are_those_that_excel_shows(cell: Any, tmp_path: Path) -> None:
    row = [*FIGURE[:3], cell, "CNY"]
    book, problems = read_book(_workbook(tmp_path / "b.xlsx", "figures", row))
    assert not problems and book.figures[0].amount == Decimal(AMOUNTS[cell])


@pytest.mark.parametrize("cell", [date(2024, 9, 1), (date(2024, 9, 1), "mmm-yy"), "2024-09"])
def test_a_month_of_which_excel_made_a_day_is_one(cell: Any, tmp_path: Path) -> None:
    row = [*FIGURE[:2], cell, *FIGURE[3:]]
    book, problems = read_book(_workbook(tmp_path / "b.xlsx", "figures", row))
    assert not problems and book.figures[0].period == "2024-09"


def test_the_day_of_a_rate_never_becomes_its_month(tmp_path: Path) -> None:
    row = ["EUR", "CNY", date(2024, 9, 1), 7.8211, "Bank"]
    book, (problem,) = read_book(_workbook(tmp_path / "b.xlsx", "rates", row))
    assert not book.rates and "is the day 2024-09-01" in problem.words("what")


REFUSED = {
    "an id as a number": (0, 123, "is the number 123"),
    "an id as a long number": (0, 1.23e15, "is the number 1230000000000000"),
    "an id as a day": (0, date(2024, 3, 4), "is the day 2024-03-04"),
    "a day of no month": (2, date(2024, 3, 4), "is the day 2024-03-04"),
    "a truth value": (1, True, "is the truth value TRUE"),
    "too many digits": (3, 1.5e15, "keeps 15 digits only"),
    "an error": (3, "=NA()", "is the error #N/A"),
    "no number": (3, "1,5 %", "'1,5"),
    "nothing": (3, "", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_excel_changed_is_refused_by_its_cell(case: str, tmp_path: Path) -> None:
    at, cell, said = REFUSED[case]
    row: list[Any] = list(FIGURE)
    row[at] = cell
    path = tmp_path / "b.xlsx"
    if cell == "=NA()":
        with xlsxwriter.Workbook(path) as book:
            sheet = book.add_worksheet("Sheet 1")
            sheet.write_row(0, 0, list(COLUMNS["figures"]))
            sheet.write_row(1, 0, row)
            sheet.write_formula(1, 3, "=NA()", None, "#N/A")
            sheet.write_row(2, 0, FIGURE)
    else:
        _workbook(path, "figures", row, FIGURE)
    found, problems = read_book(path)
    assert len(found.figures) == 1, "the other row is there"
    (problem,) = problems
    assert (problem.place.row, problem.place.column) == (2, f"Sheet 1!{'ABCDE'[at]}2")
    assert said in problem.words("what") and problem.words("what", "zh-CN")


def test_a_formula_counts_by_the_value_that_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    for value, kept in ((7, True), (None, False)):
        with xlsxwriter.Workbook(path) as book:
            sheet = book.add_worksheet()
            sheet.write_row(0, 0, list(COLUMNS["figures"]))
            sheet.write_row(1, 0, FIGURE)
            sheet.write_formula(1, 3, "=3+4", None, value if kept else "")
        found, problems = read_book(path)
        assert [figure.amount for figure in found.figures] == ([7] if kept else [])
        assert ["value is not kept" in p.words("what") for p in problems] == (
            [] if kept else [True]
        )


def test_columns_and_sheets_that_are_none_of_a_book_are_said(tmp_path: Path) -> None:
    columns = [*COLUMNS["figures"], "colour"]
    path = _workbook(
        tmp_path / "b.xlsx", "figures", [*FIGURE, "red"], [*FIGURE, "", "?"], columns=columns
    )
    _, problems = read_book(path)
    assert [problem.place.column for problem in problems] == ["Sheet 1!F2", "g"]
    for names, code in (
        (["sheet", "of notes"], "file-unreadable"),
        (["c"] * 101, "too-many-columns"),
    ):
        path = _workbook(tmp_path / "n.xlsx", "figures", names, columns=names)
        with pytest.raises(Refused) as refusal:
            read_book(path)
        assert [problem.code for problem in refusal.value.problems] == [code]


def test_a_header_may_stand_below_a_title(tmp_path: Path) -> None:
    path = _workbook(
        tmp_path / "b.xlsx", "figures", [], list(COLUMNS["figures"]), FIGURE, columns=["2024"]
    )
    book, problems = read_book(path)
    assert not problems and [figure.row_no for figure in book.figures] == [4]


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = _workbook(tmp_path / "good.xlsx", "figures", FIGURE)
    good = path.read_bytes()
    bad = {
        "cut.xlsx": good[:-200],
        "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "book.xlsx": b"PK\x03\x04" + bytes(100),
    }
    chance = random.Random(7)
    for number in range(60):
        changed = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        bad[f"changed-{number}.xlsx"] = bytes(changed)
    taken = 0
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        try:
            import_file(Store(tmp_path / name.replace(".", "-")), tmp_path / name, KNOWN)
            taken += name.startswith("changed")
        except Refused as refusal:
            assert refusal.problems
        else:
            assert name.startswith("changed")
    assert taken < 40


def test_a_workbook_that_swells_is_refused(tmp_path: Path) -> None:
    path = _workbook(tmp_path / "b.xlsx", "figures", FIGURE)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/media/image1.png", bytes(64 << 20))
    with pytest.raises(Refused) as refusal:
        read_book(path)
    assert [problem.code for problem in refusal.value.problems] == ["file-too-large"]


def test_a_template_is_edited_and_imported_again(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(BOOK)
    store = Store(tmp_path / "ws")
    import_file(store, tmp_path / "book.yaml", KNOWN)
    out = tmp_path / "out.xlsx"
    assert fenrun("template", tmp_path / "ws", "--out", out, lang="zh-CN").code == 0
    assert "target-exists" in fenrun("template", "--out", out).err
    book = openpyxl.load_workbook(out)
    (link,) = [row for row in book["links"].iter_rows(min_row=2) if row[0].value == "customer"]
    link[7].value = datetime(2024, 9, 1)
    lists = {str(v.sqref): v.formula1 for v in book["links"].data_validations.dataValidation}
    assert lists["A2:A200001"] == '"account,sub-account,order,resource,customer,party"'
    assert lists["D2:D200001"].startswith("parties!$A$2")
    book.save(out)
    import_file(store, out, KNOWN + timedelta(days=1))
    shown = book_in_force(store, date(2024, 9, 1))
    assert [row["of_kind"] for row in shown["links"]] == ["account"]
