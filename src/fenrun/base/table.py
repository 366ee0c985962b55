"""Row types to arrow tables and back. A row type is a frozen dataclass; each field's comment is its meaning."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow as pa

from fenrun.base.money import natural_type

Row = TypeVar("Row")
_PLAIN = {
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us"),
}


def _plain_type(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def from_rows(kind: type[Row], rows: Iterable[Row]) -> pa.Table:
    """An arrow table with one column a field; decimals get the narrowest type that holds them all."""
    items = list(rows)
    hints = typing.get_type_hints(kind)
    columns = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        values = [getattr(item, field.name) for item in items]
        hint = _plain_type(hints[field.name])
        columns[field.name] = pa.array(
            values, natural_type(values) if hint is Decimal else _PLAIN[hint]
        )
    return pa.table(columns)


def to_rows(kind: type[Row], table: pa.Table) -> list[Row]:
    """The rows of a table as instances of the row type."""
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return [
        kind(**{name: record[name] for name in names}) for record in table.select(names).to_pylist()
    ]
