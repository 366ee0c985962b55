"""A book as a workbook for Excel: a sheet a table, to be edited and imported again.

Columns that take one of some values have drop-downs; those of ids are text, so that Excel leaves
them alone; days are days. Text never becomes a formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.base.words import say
from fenrun.book.in_words import KnownBook
from fenrun.book.read import COLUMNS
from fenrun.book.rows import IDENTITY_KINDS, KINDS, SUBJECTS
from fenrun.tables.from_xlsx import HINTS, MOST_ROWS

_CHOICES: dict[tuple[str, str], Sequence[str]] = {
    ("parties", "kind"): KINDS,
    ("links", "of"): SUBJECTS,
    ("identities", "kind"): IDENTITY_KINDS,
}
"""The columns that take one of some values."""
_PARTIES = {("links", "party"), ("labels", "party"), ("figures", "party"), ("identities", "party")}
"""The columns that name one of the parties."""
_OFFERED = {("links", "role"): ("customer", "partner", "rep", "manager")}
"""Values that are offered, where others may be written too."""
_DAYS = ("from", "to")
_WIDTHS = {"name": 32, "subject": 24, "issuer": 24, "id": 24}
_OLDEST = date(1900, 3, 1)
"""The first day that Excel counts as everybody does."""
_DIGITS = 15
Cells = Mapping[str, Any]
"""A row of a table by the columns of files: texts, days and numbers."""


def rows_of(book: KnownBook) -> dict[str, list[Cells]]:
    """Return all rows of a book as last known, by table, as files have them."""
    return {
        "parties": sorted(book.parties(), key=lambda row: (row["kind"], row["party"])),
        "links": [
            {
                "of": row["of_kind"],
                **{key: row[key] for key in ("subject", "role", "party", "issuer", "type")},
                "share": "" if row["share"] == 1 else row["share"],
                **_span(row),
                "id": row["link_id"],
            }
            for row in sorted(book.links(), key=lambda row: _in_order(row, "of_kind", "subject"))
        ],
        "labels": [
            {**{key: row[key] for key in ("party", "label", "value")}, **_span(row)}
            for row in sorted(book.labels(), key=lambda row: _in_order(row, "party", "label"))
        ],
        "figures": sorted(
            book.figures(), key=lambda row: (row["party"], row["figure"], row["period"])
        ),
        "identities": [
            {**{key: row[key] for key in ("party", "kind", "value")}, **_span(row)}
            for row in sorted(book.identities(), key=lambda row: _in_order(row, "party", "kind"))
        ],
        "rates": sorted(book.rates(), key=lambda row: (row["from"], row["to"], row["period"])),
    }


def _in_order(row: Cells, *names: str) -> list[Any]:
    return [*(row[name] for name in names), row["valid_from"]]


def _span(row: Cells) -> dict[str, Any]:
    start, end = row["valid_from"], row["valid_to"]
    return {"from": "" if start == LONG_AGO else start, "to": "" if end == OPEN_END else end}


def write_workbook(path: Path, tables: Mapping[str, Sequence[Cells]], lang: str) -> None:
    """Write the tables of a book as sheets; those that are not given have a header alone."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    with xlsxwriter.Workbook(path, options) as book:
        hints = book.add_worksheet(HINTS)
        hints.set_column(0, 0, 100)
        for number, line in enumerate(say("workbook-hints", lang).split("\n")):
            hints.write_string(number, 0, line)
        forms = {
            "head": book.add_format({"bold": True, "bottom": 1, "num_format": "@"}),
            "text": book.add_format({"num_format": "@"}),
            "day": book.add_format({"num_format": "yyyy-mm-dd"}),
            "share": book.add_format({"num_format": "0.##########%"}),
            "number": book.add_format({"num_format": "General"}),
        }
        for table in COLUMNS:
            _write_sheet(book.add_worksheet(table), table, tables.get(table, ()), forms)
        book.worksheets()[1].activate()


def _write_sheet(sheet: Any, table: str, rows: Sequence[Cells], forms: Mapping[str, Any]) -> None:
    sheet.freeze_panes(1, 0)
    for at, column in enumerate(COLUMNS[table]):
        form = forms[_form(table, column)]
        sheet.set_column(at, at, _WIDTHS.get(column, 14), form)
        validation = _validation(table, column)
        if validation:
            sheet.data_validation(1, at, MOST_ROWS, at, validation)
    for at, column in enumerate(COLUMNS[table]):
        sheet.write_string(0, at, column, forms["head"])
    for number, row in enumerate(rows, 1):
        for at, column in enumerate(COLUMNS[table]):
            form = _form(table, column)
            _write_cell(sheet, number, at, row.get(column, ""), forms, form)


def _form(table: str, column: str) -> str:
    """Return how the cells of a column are formatted."""
    if column in _DAYS:
        return "text" if table == "rates" else "day"
    return {"share": "share", "amount": "number", "rate": "number"}.get(column, "text")


def _write_cell(
    sheet: Any, number: int, at: int, value: Any, forms: Mapping[str, Any], named: str
) -> None:
    """Write a cell of the form of that name; what Excel would not keep exactly is text."""
    form = forms[named]
    if isinstance(value, date) and value >= _OLDEST:
        sheet.write_datetime(number, at, datetime.combine(value, time()), form)
    elif isinstance(value, Decimal) and Decimal(f"{value:.{_DIGITS}g}") == value:
        sheet.write_number(number, at, value, form)
    elif value != "":
        sheet.write_string(number, at, str(value), forms["text"])


def _validation(table: str, column: str) -> dict[str, Any]:
    """Return what Excel lets into a column; nothing where it takes all."""
    if (table, column) in _CHOICES:
        return {"validate": "list", "source": list(_CHOICES[table, column])}
    if (table, column) in _OFFERED:
        source = list(_OFFERED[table, column])
        return {"validate": "list", "source": source, "show_error": False}
    if (table, column) in _PARTIES:
        parties = f"=parties!$A$2:$A${MOST_ROWS}"
        return {"validate": "list", "source": parties, "error_type": "warning"}
    if _form(table, column) == "day":
        return {"validate": "date", "criteria": ">=", "value": _OLDEST, "error_type": "warning"}
    return {}
