"""Rows as files write them: under the columns of their table, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain, show_rate
from fenrun.base.when import LONG_AGO, OPEN_END, show_moment

_FIELDS = {"from": "valid_from", "to": "valid_to"}
"""The fields of a row that files call otherwise."""
_RATES = ("shortfall",)


def as_written(row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, str]:
    """Return a row by the columns of its table in files, as text that can be imported again."""
    return {column: _text(column, row[_FIELDS.get(column, column)]) for column in columns}


def rows_as_json(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows as scripts get them: text as files have it, their place and who brought them."""
    return [
        {**as_written(row, columns), "file": row["file"], "row_no": row["row_no"]}
        | {name: row[name] for name in ("state", "brought") if name in row}
        for row in rows
    ]


def _text(column: str, value: Any) -> str:
    if value is None or value in (LONG_AGO, OPEN_END):
        return ""
    if isinstance(value, Decimal):
        return show_rate(value) if column in _RATES else plain(value, 0)
    if isinstance(value, datetime):
        return show_moment(value)
    return str(value) if isinstance(value, date | int) else value
