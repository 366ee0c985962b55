"""From files to book rows: CSV and Parquet hold one table each, YAML any of the four under its name."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from fenrun.base.ids import digest, file_digest, short
from fenrun.base.money import parse_amount, parse_rate, parse_share
from fenrun.base.nodes import compose
from fenrun.base.problem import Place, Problem, Refused, in_order
from fenrun.base.table import from_rows
from fenrun.base.when import LONG_AGO, OPEN_END, parse_day, parse_periods
from fenrun.book.rows import CLASSES, KINDS, SUBJECTS, TABLES, Figure, Label, Link, Party
from fenrun.store.facts import Store, manifest

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


@dataclass
class Book:
    """Book rows as read from one source."""

    parties: list[Party] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def tables(self) -> dict[str, list[Any]]:
        """The rows by table name."""
        return {name: getattr(self, name) for name in TABLES}


def table_kind(columns: Iterable[str]) -> str | None:
    """Which of the book's tables has these columns, if any."""
    have = {c.strip().lower() for c in columns}
    fitting = [
        name
        for name, wanted in COLUMNS.items()
        if {c for c, must in wanted.items() if must} <= have
    ]
    return fitting[0] if fitting else None


def read_book(path: Path) -> tuple[Book, list[Problem]]:
    """Read a book file. Rows that cannot be read are left out, each with a problem. Raises Refused for what is no book."""
    records = (
        _yaml_records(path)
        if path.suffix.lower() in (".yaml", ".yml")
        else {k: r for k, r in [_table_records(path)]}
    )
    return book_from(records, path.name)


def book_from(
    records: dict[str, list[tuple[int, dict[str, Any]]]], source: str
) -> tuple[Book, list[Problem]]:
    """Book rows from (row number, fields) pairs by table name."""
    book, problems = Book(), []
    for name, rows in records.items():
        into = getattr(book, name)
        for row_no, fields in rows:
            reading = _Row(name, fields, row_no, source)
            made = _MAKERS[name](reading)
            if reading.problems:
                problems += reading.problems
            else:
                into += made
    return book, problems


def import_book(
    store: Store, path: Path, known: datetime
) -> tuple[bool, str, dict[str, Any], list[Problem]]:
    """Append a book file's facts to the store. Returns whether they are new, their id, row counts and the problems. Raises Refused."""
    content = digest("book", file_digest(path))
    was = store.find("book", content)
    if was:
        return False, content, was.facts, list(was.problems)
    book, problems = read_book(path)
    problems = in_order(problems)
    facts = {name: len(rows) for name, rows in book.tables().items() if rows}
    if not facts:
        raise Refused(problems or [Problem("file-empty", Place(path.name))])

    def write(folder: Path) -> None:
        for name, rows in book.tables().items():
            if rows:
                table = from_rows(TABLES[name], rows)
                pq.write_table(table, folder / f"{name}.parquet", compression="zstd")

    store.add("book", content, manifest(path.name, known, facts, problems), write)
    return True, short(content), facts, problems


class _Row:
    """One row being read: collects every problem instead of stopping at the first."""

    def __init__(self, table: str, fields: dict[str, Any], row_no: int, source: str):
        self.row_no, self.source, self.problems = row_no, source, list[Problem]()
        self.fields = {
            str(k).strip().lower(): "" if v is None else str(v).strip()
            for k, v in fields.items()
            if k is not None
        }
        for unknown in sorted(set(self.fields) - set(COLUMNS[table])):
            self._problem("book-key", unknown, f"{unknown!r} is no column of {table}")

    def _problem(self, code: str, column: str, detail: str) -> None:
        self.problems.append(
            Problem(
                code, Place(self.source, self.row_no, column), {"column": column, "detail": detail}
            )
        )

    def text(self, column: str, default: str | None = None) -> str:
        value = self.fields.get(column, "")
        if not value and default is None:
            self._problem("book-value", column, "is empty")
        return value or default or ""

    def choice(self, column: str, choices: tuple[str, ...]) -> str:
        value = self.text(column)
        if value and value not in choices:
            self._problem("book-value", column, f"{value!r} is not one of {', '.join(choices)}")
        return value

    def read(self, column: str, parse: Callable[[str], Any], default: Any) -> Any:
        value = self.fields.get(column, "")
        if not value and default is not None:
            return default
        try:
            return parse(value)
        except ValueError as error:
            self._problem("book-value", column, str(error))
            return default

    def span(self, whole_days: bool = False) -> tuple[date, date]:
        """First day, and first day after. With `whole_days` a time of day may stand beside: only days held from midnight to midnight count."""
        start = self.read(
            "from", lambda text: _day(text, 1) if whole_days else parse_day(text), LONG_AGO
        )
        end = self.read(
            "to", lambda text: _day(text, 0) if whole_days else parse_day(text), OPEN_END
        )
        if whole_days and "T" in self.fields.get("from", "") + self.fields.get("to", ""):
            return start, max(start, end)
        if end < start:
            self._problem(
                "book-value", "to", f"{end} is before {start}; 'to' is the first day after"
            )
        return start, end


_TIMED = re.compile(r"(\S+)[T ](\d{2}):(\d{2})")


def _day(text: str, later: int) -> date:
    """A day; one with a time after midnight is the next where `later` is 1."""
    timed = _TIMED.fullmatch(text.strip())
    if not timed:
        return parse_day(text)
    if not (int(timed[2]) < 24 and int(timed[3]) < 60):
        raise ValueError(f"{text!r} is not a time: write 2024-06-12T10:00")
    return parse_day(timed[1]) + timedelta(days=later if timed[2] + timed[3] != "0000" else 0)


def _number(text: str) -> Decimal:
    """An amount, or a rate with its % sign."""
    return parse_rate(text) if "%" in text or "％" in text else parse_amount(text)


def _party(row: _Row) -> list[Party]:
    party = row.text("party")
    return [Party(party, row.choice("kind", KINDS), row.text("name", party), row.row_no)]


def _link(row: _Row) -> list[Link]:
    of_kind, subject, role, party = (
        row.choice("of", SUBJECTS),
        row.text("subject"),
        row.text("role"),
        row.text("party"),
    )
    billed = of_kind in ("account", "sub-account", "order", "resource")
    issuer = row.text("issuer", None if billed else "")
    if (role == "customer") != (of_kind in ("account", "sub-account")) and role and of_kind:
        row._problem(
            "book-value",
            "role",
            f"an {of_kind} cannot be linked by role {role!r}; accounts have customers, and only accounts",
        )
    share = row.read("share", parse_share, Decimal(1))
    start, end = row.span(whole_days=True)
    link_id = row.text("id", digest(of_kind, issuer, subject, role, party, start)[:20])
    return [
        Link(
            link_id,
            of_kind,
            issuer if billed else "",
            subject,
            role,
            party,
            share,
            start,
            end,
            row.row_no,
            row.text("type", ""),
        )
    ]


def _label(row: _Row) -> list[Label]:
    label = row.text("label").lower()
    value = row.choice("value", CLASSES) if label == "class" else row.text("value")
    return [Label(row.text("party"), label, value, *row.span(), row.row_no)]


def _figure(row: _Row) -> list[Figure]:
    periods = row.read("period", parse_periods, None) or []
    amount = row.read("amount", _number, None)
    party, figure, currency = row.text("party"), row.text("figure"), row.text("currency", "")
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


def _table_records(path: Path) -> tuple[str, list[tuple[int, dict[str, Any]]]]:
    """The records of a CSV or Parquet file, and which table it is."""
    if path.suffix.lower() == ".parquet":
        table = pq.read_table(path)
        columns, rows = table.column_names, enumerate(table.to_pylist(), 2)
    else:
        try:
            text = path.read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused([Problem("file-encoding", Place(path.name, 1))]) from error
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns, rows = (
            list(reader.fieldnames or ()),
            ((reader.line_num, record) for record in reader),
        )
    kind = table_kind(columns)
    if kind is None:
        raise Refused([Problem("file-kind", Place(path.name, 1))])
    return kind, list(rows)


def _yaml_records(path: Path) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    try:
        node = compose(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refused([Problem("file-encoding", Place(path.name, 1))]) from error
    except yaml.YAMLError as error:
        raise Refused(
            [
                Problem(
                    "file-unreadable", Place(path.name), {"detail": str(error).replace("\n", " ")}
                )
            ]
        ) from error
    return yaml_tables(node, path.name)


def yaml_tables(node: yaml.Node | None, source: str) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """Book records from a YAML mapping of table name to list of rows; scalars stay text. Raises Refused."""
    if not isinstance(node, yaml.MappingNode):
        raise Refused([Problem("file-kind", Place(source, 1))])
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for key, value in node.value:
        place = Place(source, key.start_mark.line + 1, str(key.value))
        if key.value not in COLUMNS or not isinstance(value, yaml.SequenceNode):
            raise Refused(
                [
                    Problem(
                        "book-key",
                        place,
                        {"detail": f"{key.value!r} is not a list named {', '.join(COLUMNS)}"},
                    )
                ]
            )
        rows = []
        for item in value.value:
            if not isinstance(item, yaml.MappingNode) or not all(
                isinstance(v, yaml.ScalarNode) for _, v in item.value
            ):
                raise Refused(
                    [
                        Problem(
                            "book-key",
                            Place(source, item.start_mark.line + 1, str(key.value)),
                            {"detail": "each row is a mapping of column to value"},
                        )
                    ]
                )
            rows.append((item.start_mark.line + 1, {k.value: v.value for k, v in item.value}))
        found[key.value] = rows
    return found
