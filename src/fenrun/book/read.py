"""The reading of book files.

CSV and Parquet hold one table each, YAML any of the six by name, a workbook one a sheet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.money import parse_amount, parse_amount_or_rate, parse_share
from fenrun.base.problem import Problem
from fenrun.base.when import Span, parse_day, parse_periods
from fenrun.base.words import Unreadable
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
    Rate,
)
from fenrun.tables.fields import Fields
from fenrun.tables.layout import Layout
from fenrun.tables.records import Cells, Records, read_tables, rows_from

_CURRENCY, _DAY, _MONTH = (
    re.compile(pattern) for pattern in ("[A-Z]{3}", r"\d{4}-\d\d-\d\d", r"\d{4}-\d\d")
)
_MOST_DAYS = 366
"""The most days of a range of a rate."""
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
    "rates": {"from": True, "to": True, "period": True, "rate": True, "source": False},
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
    rates: list[Rate] = field(default_factory=list)

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


def _rate(row: Fields) -> list[Rate]:
    """Make a rate of each month or day that the row is for."""
    one, other = (_currency(row, column) for column in ("from", "to"))
    if one and one == other:
        row.reject("to", "rate-into-itself", currency=one)
    periods = row.read("period", _months_or_days, None) or []
    rate = row.read("rate", _read_rate, None)
    given_by = row.text("source", "")
    return [
        Rate(one, other, key, span.start, span.end, rate, given_by, row.row_no)
        for key, span in periods
    ]


def _currency(row: Fields, column: str) -> str:
    currency = row.text(column)
    if currency and not _CURRENCY.fullmatch(currency):
        row.reject(column, "not-a-currency", text=currency)
    return currency


def _read_rate(text: str) -> Decimal:
    """Read a conversion rate. Raises Unreadable for what is none above zero."""
    rate = parse_amount(text)
    if rate <= 0:
        raise Unreadable("rate-not-above-zero", text=text)
    return rate


def _months_or_days(text: str) -> list[tuple[str, Span]]:
    """Read a month or a day, or a range of either: `2026-03-06..2026-03-08` is three days.

    Each as its key and span. Raises Unreadable.
    """
    first, dots, last = (part.strip() for part in text.partition(".."))
    if _DAY.fullmatch(first):
        start, end = parse_day(first), parse_day(last) if dots else parse_day(first)
        count = (end - start).days + 1
        if not 0 < count <= _MOST_DAYS:
            raise Unreadable("not-a-range", text=text)
        days = [start + timedelta(days=number) for number in range(count)]
        return [(str(day), Span(day, day + timedelta(days=1))) for day in days]
    found = parse_periods(text)
    if any(not _MONTH.fullmatch(period.key) for period in found):
        raise Unreadable("not-a-month-or-day", text=text)
    return [(period.key, period.span) for period in found]


_MAKERS: dict[str, Callable[[Fields], list[Any]]] = {
    "parties": _party,
    "links": _link,
    "labels": _label,
    "figures": _figure,
    "identities": _identity,
    "rates": _rate,
}
LAYOUT = Layout("book", COLUMNS, TABLES, _MAKERS)
"""The tables of a book file."""
