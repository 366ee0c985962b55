"""The reading of book files.

CSV and Parquet hold one table each, YAML any of the four by name, a workbook one a sheet.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from fenrun.base.bounds import read_text, refuse_swollen, too_large
from fenrun.base.ids import digest, file_digest
from fenrun.base.likeness import tidy
from fenrun.base.money import parse_amount_or_rate, parse_share
from fenrun.base.nodes import compose
from fenrun.base.problem import Place, Problem, Refused, in_order, refused
from fenrun.base.table import from_rows, read_parquet
from fenrun.base.when import LONG_AGO, OPEN_END, parse_day, parse_periods
from fenrun.base.words import Message, Unreadable, reason
from fenrun.book.from_xlsx import is_workbook, read_sheets
from fenrun.book.rows import CLASSES, KINDS, SUBJECTS, TABLES, Figure, Label, Link, Party
from fenrun.store.facts import Imported, Store, manifest

COLUMNS = {
    "parties": {"party": True, "kind": True, "name": False},
    "links": {
        "of": True,
        "subject": True,
        "role": True,
        "party": True,
        "issuer": False,
        "share": False,
        "from": False,
        "to": False,
        "id": False,
        "type": False,
    },
    "labels": {"party": True, "label": True, "value": True, "from": False, "to": False},
    "figures": {"party": True, "figure": True, "period": True, "amount": True, "currency": False},
}
"""The columns of each table in files, and whether they must be there."""

_MOST_ROWS = 1_000_000
"""Rows of one book file: some 1 GB while they are read. Larger books are several files."""
Records = dict[str, list[tuple[int, dict[str, Any]]]]
"""The rows of a file by table: the row or line each stands in, and its fields.

A field is text, or a Message why it cannot be read.
"""
Cells = Mapping[str, Mapping[str, str]]
"""The cells of columns by table, without their row: `links!C`. Only workbooks have them."""


@dataclass
class Book:
    """Book rows as read from one source."""

    parties: list[Party] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def tables(self) -> dict[str, list[Any]]:
        """Return the rows by table name."""
        return {name: getattr(self, name) for name in TABLES}


def table_kind(columns: Iterable[str]) -> str | None:
    """Return the table of the book that has these columns, if any."""
    there = {column.strip().lower() for column in columns}
    for name, wanted in COLUMNS.items():
        if {column for column, must in wanted.items() if must} <= there:
            return name
    return None


def read_book(path: Path) -> tuple[Book, list[Problem]]:
    """Read a book file.

    Rows that cannot be read are left out, each with a problem. Raises Refused for what is no book.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return book_from(_yaml_records(path), path.name)
    if is_workbook(path):
        return book_from(*_sheet_records(path))
    return book_from(_table_records(path), path.name)


def book_from(
    records: Records, source: str, cells: Cells | None = None
) -> tuple[Book, list[Problem]]:
    """Make book rows of records.

    Rows that cannot be read are left out, each with a problem: at its cell where it has one.
    """
    book = Book()
    problems = []
    for table, rows in records.items():
        for row_no, fields in rows:
            row = _Row(table, fields, row_no, source, (cells or {}).get(table, {}))
            made = _MAKERS[table](row)
            if row.problems:
                problems += row.problems
            else:
                getattr(book, table).extend(made)
    return book, problems


def import_book(store: Store, path: Path, known: datetime) -> Imported:
    """Append a book file's facts, known from a moment (UTC), to the store. Raises Refused."""
    content = digest("book", file_digest(path))
    there = store.find("book", content)
    if there:
        return Imported(path.name, content, False, there.facts, there.problems)
    book, problems = read_book(path)
    facts = {name: len(rows) for name, rows in book.tables().items() if rows}
    if not facts:
        raise Refused(problems or [Problem("file-empty", Place(path.name))])

    def write(folder: Path) -> None:
        for name in facts:
            table = from_rows(TABLES[name], book.tables()[name])
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")

    problems = in_order(problems)
    store.add("book", content, manifest(path.name, known, facts, problems), write)
    return Imported(path.name, content, True, facts, tuple(problems))


_MOST_CHARACTERS = 200
_IDS = {"party", "subject", "issuer"}
"""The columns by which rows of the book and of charges name the same thing."""
_LONGEST = {"name": 500, "role": 60}
"""The most characters of a value: what every database of the portal holds."""


class _Row:
    """One row being read: collects every problem instead of stopping at the first."""

    def __init__(
        self,
        table: str,
        fields: dict[str, Any],
        row_no: int,
        source: str,
        cells: Mapping[str, str],
    ):
        self.row_no = row_no
        self.source = source
        self.problems: list[Problem] = []
        self._cells = cells
        self.fields = {
            str(column).strip().lower(): "" if value is None else str(value).strip()
            for column, value in fields.items()
            if column is not None
        }
        self._unread = {column for column, value in fields.items() if isinstance(value, Message)}
        for column in sorted(self._unread):
            self._add("book-value", column, fields[column])
        for column in _IDS & self.fields.keys():
            self.fields[column] = tidy(self.fields[column])
        for column in sorted(self.fields.keys() - COLUMNS[table].keys()):
            self._add("book-key", column, Message("book-column", {"column": column, "of": table}))
        for column, value in self.fields.items():
            most = _LONGEST.get(column, _MOST_CHARACTERS)
            if "\0" in value:
                self.reject(column, "book-nul")
            elif len(value) > most:
                self.reject(column, "book-too-long", count=len(value), most=most)

    def _add(self, code: str, column: str, detail: Message) -> None:
        cell = f"{self._cells[column]}{self.row_no}" if column in self._cells else column
        place = Place(self.source, self.row_no, cell)
        self.problems.append(Problem(code, place, {"column": column, "detail": detail}))

    def reject(self, column: str, key: str, **values: Any) -> None:
        """Note why a value cannot be taken."""
        self._add("book-value", column, Message(key, values))

    def text(self, column: str, default: str | None = None) -> str:
        """Return a value; one that is empty and has no default is a problem."""
        if column in self._unread:
            return ""
        value = self.fields.get(column, "")
        if not value and default is None:
            self.reject(column, "book-empty")
        return value or default or ""

    def choice(self, column: str, choices: tuple[str, ...]) -> str:
        """Return a value that must be one of the choices."""
        value = self.text(column)
        if value and value not in choices:
            self.reject(column, "book-choice", text=value, choices=", ".join(choices))
        return value

    def read(self, column: str, parse: Callable[[str], Any], default: Any) -> Any:
        """Return a value as parsed; one that is empty gives the default, if there is one."""
        value = self.fields.get(column, "")
        if column in self._unread or (not value and default is not None):
            return default
        try:
            return parse(value)
        except Unreadable as error:
            self._add("book-value", column, error.message)
            return default

    def days(self) -> tuple[date, date]:
        """Return the first day, and the first day after."""
        start = self.read("from", parse_day, LONG_AGO)
        end = self.read("to", parse_day, OPEN_END)
        self._in_order(start, end)
        return start, end

    def whole_days(self) -> tuple[date, date]:
        """Return the first day, and the first day after, where times may stand beside the days.

        Only days held from midnight to midnight count: there may be none.
        """
        start = self.read("from", _day_from, LONG_AGO)
        end = self.read("to", _day_to, OPEN_END)
        if "T" in self.fields.get("from", "") + self.fields.get("to", ""):
            return start, max(start, end)
        self._in_order(start, end)
        return start, end

    def _in_order(self, start: date, end: date) -> None:
        if end < start:
            self.reject("to", "book-ends-early", start=start, end=end)


_TIMED = re.compile(r"(\S+)[T ](\d{2}):(\d{2})")


def _day_from(text: str) -> date:
    """Read the first whole day from a time on: a time after midnight leaves the next day."""
    timed = _TIMED.fullmatch(text.strip())
    if not timed:
        return parse_day(text)
    day = _day_to(text)
    if timed[2] + timed[3] == "0000":
        return day
    if day == OPEN_END:
        raise Unreadable("moment-out-of-range", text=text)
    return day + timedelta(days=1)


def _day_to(text: str) -> date:
    """Read the first day that is not whole any more."""
    timed = _TIMED.fullmatch(text.strip())
    if not timed:
        return parse_day(text)
    if int(timed[2]) > 23 or int(timed[3]) > 59:
        raise Unreadable("not-a-time", text=text)
    return parse_day(timed[1])


def _party(row: _Row) -> list[Party]:
    party = row.text("party")
    kind = row.choice("kind", KINDS)
    return [Party(party, kind, row.text("name", party), row.row_no)]


def _link(row: _Row) -> list[Link]:
    of_kind = row.choice("of", SUBJECTS)
    subject = row.text("subject")
    role = row.text("role")
    party = row.text("party")
    is_billed = of_kind in ("account", "sub-account", "order", "resource")
    issuer = row.text("issuer", None if is_billed else "")
    is_account = of_kind in ("account", "sub-account")
    if role and of_kind and (role == "customer") != is_account:
        row.reject("role", "book-role", of=of_kind, role=role)
    share = row.read("share", parse_share, Decimal(1))
    start, end = row.whole_days()
    made = Link(
        link_id=row.text("id", digest(of_kind, issuer, subject, role, party, start)[:20]),
        of_kind=of_kind,
        issuer=issuer if is_billed else "",
        subject=subject,
        role=role,
        party=party,
        share=share,
        valid_from=start,
        valid_to=end,
        row_no=row.row_no,
        type=row.text("type", ""),
    )
    return [made]


def _label(row: _Row) -> list[Label]:
    label = row.text("label").lower()
    value = row.choice("value", CLASSES) if label == "class" else row.text("value")
    return [Label(row.text("party"), label, value, *row.days(), row.row_no)]


def _figure(row: _Row) -> list[Figure]:
    """Make a figure of each period that the row is for."""
    periods = row.read("period", parse_periods, None) or []
    amount = row.read("amount", parse_amount_or_rate, None)
    party = row.text("party")
    figure = row.text("figure")
    currency = row.text("currency", "")
    return [
        Figure(party, figure, p.key, p.span.start, p.span.end, amount, currency, row.row_no)
        for p in periods
    ]


_MAKERS: dict[str, Callable[[_Row], list[Any]]] = {
    "parties": _party,
    "links": _link,
    "labels": _label,
    "figures": _figure,
}


def _table_records(path: Path) -> Records:
    """Return the records of a CSV or Parquet file."""
    rows: list[tuple[int, dict[str, Any]]]
    if path.suffix.lower() == ".parquet":
        refuse_swollen(path, _MOST_ROWS)
        table = read_parquet(path)
        columns = list(table.column_names)
        rows = list(enumerate(table.to_pylist(), 2))
    else:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        columns = list(reader.fieldnames or ())
        rows = [(reader.line_num, record) for record in islice(reader, _MOST_ROWS + 1)]
        if len(rows) > _MOST_ROWS:
            raise too_large(path, "too-many-rows", most=_MOST_ROWS)
    kind = table_kind(columns)
    if kind is None:
        raise refused("file-kind", Place(path.name, 1))
    return {kind: rows}


def _sheet_records(path: Path) -> tuple[Records, str, Cells]:
    """Return the records of a workbook, and in which cells they stand. Raises Refused."""
    records: Records = {}
    cells: dict[str, Mapping[str, str]] = {}
    for sheet in read_sheets(path, lambda names: table_kind(names) is not None):
        table = table_kind(sheet.columns)
        if table is None:
            continue
        if table in records:
            detail = Message("sheet-twice", {"sheet": sheet.name, "table": table})
            raise refused("file-unreadable", Place(path.name), detail=detail)
        records[table] = sheet.rows
        cells[table] = {name: f"{sheet.name}!{letter}" for name, letter in sheet.columns.items()}
    return records, path.name, cells


def _yaml_records(path: Path) -> Records:
    """Return the records of a YAML file."""
    try:
        node = compose(read_text(path))
    except yaml.YAMLError as error:
        raise refused("file-unreadable", Place(path.name), detail=_yaml_reason(error)) from error
    return yaml_tables(node, path.name)


def _yaml_reason(error: yaml.YAMLError) -> Message | str:
    """Return why a text is no YAML, in one line."""
    said = reason(error)
    return said.replace("\n", " ") if isinstance(said, str) else said


def yaml_tables(node: yaml.Node | None, source: str) -> Records:
    """Return records from a YAML mapping of table name to list of rows; scalars stay text.

    Raises Refused.
    """
    if not isinstance(node, yaml.MappingNode):
        raise refused("file-kind", Place(source, 1))
    found: Records = {}
    for key, value in node.value:
        place = Place(source, _line(key), str(key.value))
        if key.value not in COLUMNS or not isinstance(value, yaml.SequenceNode):
            detail = Message("book-table", {"text": key.value, "tables": ", ".join(COLUMNS)})
            raise refused("book-key", place, detail=detail)
        found[key.value] = [(_line(item), _fields(item, source, key.value)) for item in value.value]
    return found


def _fields(item: yaml.Node, source: str, table: str) -> dict[str, Any]:
    """Return the fields of a row: a mapping of scalars. Raises Refused for anything else."""
    is_mapping = isinstance(item, yaml.MappingNode)
    if not is_mapping or not all(isinstance(value, yaml.ScalarNode) for _, value in item.value):
        place = Place(source, _line(item), table)
        raise refused("book-key", place, detail=Message("book-row"))
    return {key.value: value.value for key, value in item.value}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
