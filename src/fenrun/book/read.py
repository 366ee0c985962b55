"""The reading of book files.

CSV and Parquet hold one table each, YAML any of the five by name, a workbook one a sheet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.money import parse_amount_or_rate, parse_share
from fenrun.base.problem import Problem
from fenrun.base.when import parse_periods
from fenrun.book.rows import (
    CLASSES,
    IDENTITY_KINDS,
    KINDS,
    SUBJECTS,
    TABLES,
    Figure,
    Identity,
    Label,
    Link,
    Party,
)
from fenrun.store.facts import Imported, Store
from fenrun.tables.fields import Fields
from fenrun.tables.kept import import_tables
from fenrun.tables.layout import Layout
from fenrun.tables.records import Cells, Records, read_tables, rows_from

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
    "identities": {"party": True, "kind": True, "value": True, "from": False, "to": False},
}
"""The columns of each table in files, and whether they must be there."""


@dataclass
class Book:
    """Book rows as read from one source."""

    parties: list[Party] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    identities: list[Identity] = field(default_factory=list)

    def tables(self) -> dict[str, list[Any]]:
        """Return the rows by table name."""
        return {name: getattr(self, name) for name in TABLES}


def read_book(path: Path) -> tuple[Book, list[Problem]]:
    """Read a book file.

    Rows that cannot be read are left out, each with a problem. Raises Refused for what is no book.
    """
    tables, problems = read_tables(path, LAYOUT)
    return Book(**tables), problems


def book_from(
    records: Records, source: str, cells: Cells | None = None
) -> tuple[Book, list[Problem]]:
    """Make book rows of records.

    Rows that cannot be read are left out, each with a problem: at its cell where it has one.
    """
    tables, problems = rows_from(records, source, LAYOUT, cells)
    return Book(**tables), problems


def import_book(store: Store, path: Path, known: datetime) -> Imported:
    """Append a book file's facts, known from a moment (UTC), to the store. Raises Refused."""
    return import_tables(store, path, known, LAYOUT)


def _party(row: Fields) -> list[Party]:
    party = row.text("party")
    kind = row.choice("kind", KINDS)
    return [Party(party, kind, row.text("name", party), row.row_no)]


def _link(row: Fields) -> list[Link]:
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


def _label(row: Fields) -> list[Label]:
    label = row.text("label").lower()
    value = row.choice("value", CLASSES) if label == "class" else row.text("value")
    return [Label(row.text("party"), label, value, *row.days(), row.row_no)]


def _figure(row: Fields) -> list[Figure]:
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


def _identity(row: Fields) -> list[Identity]:
    kind = row.choice("kind", IDENTITY_KINDS)
    return [Identity(row.text("party"), kind, row.text("value"), *row.days(), row.row_no)]


_MAKERS: dict[str, Callable[[Fields], list[Any]]] = {
    "parties": _party,
    "links": _link,
    "labels": _label,
    "figures": _figure,
    "identities": _identity,
}
LAYOUT = Layout("book", COLUMNS, TABLES, _MAKERS)
"""The tables of a book file."""
