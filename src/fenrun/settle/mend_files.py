"""Rows that were kept aside as a file: written, corrected by people, and imported again.

A file names the import and the row of each; what differs from what the row said is a correction.
Workbooks keep every cell as text, so that Excel changes no id on the way.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from fenrun.base.ids import short
from fenrun.base.problem import Place, Problem, refused
from fenrun.charges.form import table_text
from fenrun.charges.mendable import MendableRow, read_mendable
from fenrun.charges.read import import_named
from fenrun.settle.deliveries import mends_of
from fenrun.settle.mending import Changes, mend_rows, rows_to_mend
from fenrun.store.facts import Import, Imported, Store
from fenrun.tables.from_xlsx import first_sheet, is_workbook

IMPORT, ROW, FAULTS = "fenrun:import", "fenrun:row", "fenrun:faults"
"""Columns that say which row of which import it is, and what is wrong with it."""
MOST_ROWS = 100_000
"""Rows of one file; the others are in the next, when these are mended."""
_HEAD = (IMPORT, ROW, FAULTS)


def are_rows_to_mend(columns: Iterable[str]) -> bool:
    """Return whether a file with these columns has rows that were kept aside."""
    return {IMPORT, ROW} <= {column.strip() for column in columns}


def write_rows(item: Import, rows: Sequence[MendableRow], suffix: str = ".xlsx") -> bytes:
    """Return rows of an import as a workbook, or as CSV, at most MOST_ROWS."""
    some = rows[:MOST_ROWS]
    names = list(some[0].values) if some else []
    table: Iterator[list[str]] = (
        [short(item.id), str(row.row), ", ".join(row.faults), *row.values.values()] for row in some
    )
    head = [*_HEAD, *names]
    return _as_csv(head, table) if suffix == ".csv" else _as_workbook(head, table)


def _as_csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue().encode()


def _as_workbook(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with xlsxwriter.Workbook(out, options) as book:
        sheet, text = book.add_worksheet(), book.add_format({"num_format": "@"})
        sheet.set_column(0, len(head), 18, text)
        sheet.freeze_panes(1, len(_HEAD))
        for number, cells in enumerate([head, *rows]):
            for place, cell in enumerate(cells):
                sheet.write_string(number, place, cell, text)
    return out.getvalue()


def mend_from_file(store: Store, path: Path, known: datetime) -> Imported:
    """Import the rows that a file corrects, known from a moment (UTC) on: all or none.

    Rows that say what they said are left as they are, and those that are mended already too.
    Raises Refused.
    """
    found = list(_read(path))
    place = Place(path.name)
    names = {record.get(IMPORT, "").strip() for _, record in found}
    if len(names) != 1:
        raise refused("mends-no-rows", place)
    item = import_named(store.imports("charges", known), place, names.pop())
    changes, passed = _changes(store, item, path, found, known)
    if changes:
        done = mend_rows(store, item.id, changes, known)
        notes = [Problem("rows-not-mended", place, {}, rows=passed)] if passed else []
        return Imported(path.name, done.id, done.new, done.facts, (*done.problems, *notes))
    before = mends_of(store.imports("charges", known), item.id)
    if not before:
        raise refused("mends-no-rows", place)
    return Imported(path.name, before[-1].id, False, before[-1].facts, ())


def _changes(
    store: Store,
    item: Import,
    path: Path,
    records: Sequence[tuple[int, Mapping[str, str]]],
    known: datetime,
) -> tuple[Changes, int]:
    """Return what records correct of rows, and how many of these they leave as they are."""
    by_number: dict[int, Mapping[str, str]] = {}
    for line, record in records:
        text = record.get(ROW, "").strip()
        if not text.isdecimal() or int(text) in by_number:
            raise refused("mends-no-rows", Place(path.name, line, ROW))
        by_number[int(text)] = record
    there = {int(number) for number in read_mendable(item).numbers}
    if others := sorted(by_number.keys() - there):
        said = ", ".join(map(str, others[:20]))
        raise refused("row-not-aside", Place(path.name), rows=said, id=short(item.id))
    rows = rows_to_mend(store, item, known).of(by_number.keys())
    changes = {row.row: found for row in rows if (found := _corrected(row, by_number[row.row]))}
    return changes, len(rows) - len(changes)


def _corrected(row: MendableRow, record: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of which a record says something else than the row."""
    return {
        name: said
        for name, said in record.items()
        if name not in _HEAD and _plain(said) != _plain(row.values.get(name, ""))
    }


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the records of a file, each with its line. Raises Refused."""
    rows = first_sheet(path) if is_workbook(path) else _of_text(path)
    _, head = next(rows, (1, []))
    names = [name.strip() for name in head]
    for line, cells in rows:
        if any(cells):
            yield line, {name: cell for name, cell in zip(names, cells) if name}


def _of_text(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(table_text(path), newline=""))
    for cells in reader:
        yield reader.line_num, cells
