"""Workbooks as people keep them: each cell is read right, or refused by its address."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from fenrun.base.problem import Problem, Refused
from fenrun.book.read import read_book

FIGURES: list[list[Any]] = [
    ["party", "figure", "period", "amount", "currency"],
    ["P1", "task", "2024-09", 100, "CNY"],
    ["P2", "task", "2024-09", 200, "CNY"],
]
LINKS: list[list[Any]] = [
    ["of", "subject", "role", "party", "share", "from"],
    ["customer", "K1", "partner", "P1", "", datetime(2024, 9, 1)],
    ["customer", "K2", "partner", "P1", "", datetime(2024, 9, 2)],
]
BOTH = "100, 200"
Edit = Callable[[Any], object]
"""Changes a sheet."""


def put(cell: str, value: Any, kind: str = "", form: str = "General") -> Edit:
    """Return the edit that writes a cell, of another type, or shown in another form."""

    def edit(sheet: Any) -> None:
        sheet[cell] = value
        sheet[cell].data_type = kind or sheet[cell].data_type
        sheet[cell].number_format = form

    return edit


def merge(cells: str) -> Edit:
    return lambda sheet: sheet.merge_cells(cells)


def hide(sheet: Any) -> None:
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["E"].hidden = True


def hide_all(state: str) -> Edit:
    def edit(sheet: Any) -> None:
        sheet.parent.create_sheet("notes")
        sheet.parent.active, sheet.sheet_state = 1, state

    return edit


def style_below(sheet: Any) -> None:
    for row in range(4, 60):
        for column in range(1, 12):
            sheet.cell(row, column).font = Font(bold=True)


def second_sheet(sheet: Any) -> None:
    other = sheet.parent.create_sheet("2024-10")
    for row in FIGURES:
        other.append(row)


def last_row(sheet: Any) -> None:
    for column, value in enumerate(FIGURES[1], 1):
        sheet.cell(1 << 20, column).value = value


def rename(sheet: Any) -> None:
    sheet.title = "fenrun"


CASES: dict[str, tuple[Sequence[Sequence[Any]], Edit | None, str, str]] = {
    # name: rows, edit, amounts (days of links) that are read, what is said at which cell
    "a formula that was never calculated": (FIGURES, put("D2", "=50+50"), "200", "D2: not kept"),
    "an id by formula": (FIGURES, put("A3", '="P"&2'), "100", "A3: not kept"),
    "ids merged": (
        [*FIGURES[:2], [None, *FIGURES[2][1:]]], merge("A2:A3"), "100", "A3: merged with A2"),
    "days merged": (
        [*LINKS[:2], LINKS[2][:5]], merge("F2:F3"), "2024-09-01", "F3: merged with F2"),
    "two columns merged": (
        [*FIGURES[:2], FIGURES[2][:4]], merge("D3:E3"), "100", "E3: merged with D3"),
    "a title merged": ([["Targets"], *FIGURES], merge("A1:E1"), BOTH, ""),
    "empty cells merged below": (FIGURES, merge("A9:B12"), BOTH, ""),
    "a row hidden, and a column": (FIGURES, hide, BOTH, "rows-hidden 3"),
    "a sheet hidden": (FIGURES, hide_all("hidden"), BOTH, "rows-hidden 2"),
    "a sheet hidden from menus": (FIGURES, hide_all("veryHidden"), BOTH, "rows-hidden 2"),
    "days since 1904": (
        LINKS, lambda s: setattr(s.parent, "epoch", CALENDAR_MAC_1904),
        "2024-09-01, 2024-09-02", ""),
    "a day as its number": (LINKS, put("F3", 45536), "2024-09-01", "F3: '45536' is not a day"),
    "a day as text": (LINKS, put("F3", "2024/9/2"), "2024-09-01, 2024-09-02", ""),
    "a day as text of no order": (LINKS, put("F3", "2/9/2024"), "2024-09-01", "F3: not a day"),
    "a day that no calendar has": (
        LINKS, put("F3", 9_999_999, form="yyyy-mm-dd"), "2024-09-01", "F3: the error #VALUE!"),
    "a time": (LINKS, put("F3", time(12), form="h:mm"), "2024-09-01", "F3: is a time"),
    "hours": (LINKS, put("F3", timedelta(hours=30), form="[h]:mm"), "2024-09-01", "F3: is a time"),
    "a month as a number": (FIGURES, put("C3", 202409), "100", "C3: not a period"),
    "a year as a number": (FIGURES, put("C3", 2024), BOTH, ""),
    "a number as text": (FIGURES, put("D3", "1,234.50"), "100, 1234.50", ""),
    "a number as text, two readings": (
        FIGURES, put("D3", "1.234,50"), "100", "D3: may mean 1234.50 or 1.23450"),
    "a number with an apostrophe": (FIGURES, put("D3", "'100"), "100", "D3: not a number"),
    "a number with a currency": (FIGURES, put("D3", 1.5, form='"¥"0.00'), "100, 1.5", ""),
    "an id of zeros that are not there": (
        FIGURES, put("A3", 7, form="000"), "100", "A3: the number 7"),
    "a second header in words": (
        [FIGURES[0], ["伙伴", "指标", "期间", "金额", "币种"], *FIGURES[1:]], None, BOTH,
        "C2: not a period; D2: not a number"),
    "a header of groups above": ([["Who", "What"], *FIGURES], merge("B1:E1"), BOTH, ""),
    "a total": (
        [*FIGURES, ["Total", "", "", 300]], None, BOTH, "B4: is empty; C4: not a period"),
    "a second sheet of months": (FIGURES, second_sheet, "", "2024-10 is a second table of figures"),
    "the last row there is": (FIGURES, last_row, "100, 200, 100", ""),
    "a reference that is gone": (FIGURES, put("D3", "#REF!", "e"), "100", "D3: the error #REF!"),
    "a division by zero": (FIGURES, put("D3", "#DIV/0!", "e"), "100", "D3: the error #DIV/0!"),
    "an id that is gone": (FIGURES, put("A3", "#REF!", "e"), "100", "A3: the error #REF!"),
    "empty rows with styles below": (FIGURES, style_below, BOTH, ""),
    "a column twice": (
        [[*FIGURES[0], "Amount"], [*FIGURES[1], 1]], None, "", "D1: amount appears in the header"),
    "a cell far to the right": (FIGURES, put("EA3", "?"), "", "EA3: > 100 columns"),
    "empty rows between": ([*FIGURES[:2], [], [], FIGURES[2]], None, BOTH, ""),
    "a table that begins at C3": ([[], [], *([None, None, *r] for r in FIGURES)], None, BOTH, ""),
    "a sheet called as the hints are": (FIGURES, rename, BOTH, ""),
}  # fmt: skip


def _saved(path: Path, rows: Sequence[Sequence[Any]], edit: Edit | None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "S"
    for row in rows:
        sheet.append(row)
    if edit:
        edit(sheet)
    book.save(path)
    return path


def _said(problems: Sequence[Problem]) -> list[str]:
    return [
        f"rows-hidden {problem.place.row}" if problem.code == "rows-hidden"
        else f"{(problem.place.column or '').partition('!')[2]}: {problem.words('what')}"
        for problem in problems
    ]  # fmt: skip


def test_each_cell_is_read_right_or_refused_by_its_address(tmp_path: Path) -> None:
    assert len(CASES) >= 20
    for name, (rows, edit, wanted, told) in CASES.items():
        path = _saved(tmp_path / "b.xlsx", rows, edit)
        read: list[str] = []
        try:
            book, problems = read_book(path)
            read += (str(figure.amount) for figure in book.figures)
            read += (str(link.valid_from) for link in book.links)
        except Refused as refusal:
            problems = refusal.problems
        said = sorted(_said(problems))
        assert ", ".join(read) == wanted, (name, read, said)
        parts = told.split("; ") if told else []
        assert len(parts) == len(said), (name, said)
        for part, one in zip(parts, said):
            cell, _, words = part.rpartition(": ")
            assert words in one and one.startswith(cell), (name, one)


def _changed(path: Path, **parts: tuple[str, str]) -> None:
    """Replace texts of the parts of a workbook, by pattern."""
    with zipfile.ZipFile(path) as file:
        texts = {name: file.read(name) for name in file.namelist()}
    for part, (text, instead) in parts.items():
        (name,) = [name for name in texts if name.endswith(f"{part}.xml")]
        texts[name], count = re.subn(text.encode(), instead.encode(), texts[name])
        assert count == 1, (part, texts[name])
    with zipfile.ZipFile(path, "w") as file:
        for name, content in texts.items():
            file.writestr(name, content)


FORMULA = '<c r="D3"( t="str")?><f>[^<]*</f><v ?/?>(</v>)?</c>'


@pytest.mark.parametrize(
    ("cell", "is_saved_by_excel", "said"),
    [
        ('<c r="D3"><f>1+1</f><v>7</v></c>', True, ""),
        ('<c r="D3"><f>1-1</f><v>0</v></c>', True, ""),
        ('<c r="D3"><f>1+1</f><v>0</v></c>', False, "value is not kept"),
        ('<c r="D3" t="str"><f>""</f><v></v></c>', True, "'' is not a number"),
        ('<c r="D3" t="str"><f>""</f><v></v></c>', False, "value is not kept"),
    ],
)
def test_a_value_counts_where_excel_has_calculated_it(
    cell: str, is_saved_by_excel: bool, said: str, tmp_path: Path
) -> None:
    """Programs that write formulas put 0 there, and ask for a calculation."""
    path = _saved(tmp_path / "b.xlsx", FIGURES, put("D3", "=1+1"))
    parts = {"sheet1": (FORMULA, cell)}
    if is_saved_by_excel:
        parts["xl/workbook"] = (' fullCalcOnLoad="1"', "")
    _changed(path, **parts)
    book, problems = read_book(path)
    assert [said in problem.words("what") for problem in problems] == ([True] if said else [])
    assert len(book.figures) == 2 - bool(said)


def test_a_sheet_is_read_beyond_the_size_that_it_names(tmp_path: Path) -> None:
    path = _saved(tmp_path / "b.xlsx", FIGURES, None)
    _changed(path, sheet1=('<dimension ref="[^"]*"', '<dimension ref="A1:C2"'))
    book, problems = read_book(path)
    assert not problems and [figure.amount for figure in book.figures] == [100, 200]


def test_a_column_twice_is_refused_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "figures.csv").write_text("party,figure,period,amount,amount\nP1,task,2024,1,2\n")
    with pytest.raises(Refused) as refusal:
        read_book(tmp_path / "figures.csv")
    assert [problem.code for problem in refusal.value.problems] == ["column-twice"]
