"""Row types as arrow tables and back.

A row type is a frozen dataclass; the text below each field says what it means.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.money import decimals

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")

_ARROW_TYPES = {
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us"),
}
"""The arrow type of each Python type; a Decimal's depends on the values."""


def natural_type(
    values: Iterable[Decimal | None], least: int = 0, narrow: bool = False
) -> pa.DataType:
    """Return the decimal type with the fewest decimals, at least `least`, that holds all values.

    It has 38 digits; 18 if `narrow` and the values fit. Few decimals leave room: a product adds the
    decimals of its factors, and the engine refuses, rather than rounds, what needs more than 38
    digits. Factors are 38 digits wide because DuckDB gives the product of two 18-digit decimals
    only 18.
    """
    scale, whole = least, 1
    for value in set(values):
        if value is not None:
            scale = max(scale, decimals(value))
            whole = max(whole, value.adjusted() + 1)
    return pa.decimal128(18 if narrow and scale + whole <= 18 else 38, scale)


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a file, or some of its columns.

    That alone: pyarrow's own `read_table` takes the names of folders for columns, and reads in
    half a second of other code.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns)


def from_rows(kind: type[Row], rows: Iterable[Row]) -> pa.Table:
    """Return an arrow table with one column a field.

    A column of decimals gets the type with the fewest decimals that holds them all.
    """
    items = list(rows)
    return _table_of(kind, items) if items else _no_rows(kind)


@cache
def _no_rows(kind: type[DataclassInstance]) -> pa.Table:
    return _table_of(kind, [])


def _table_of(kind: type[DataclassInstance], items: Sequence[DataclassInstance]) -> pa.Table:
    columns = {}
    for name, python_type in _columns(kind):
        values = [getattr(item, name) for item in items]
        is_decimal = python_type is Decimal
        columns[name] = pa.array(
            values, natural_type(values) if is_decimal else _ARROW_TYPES[python_type]
        )
    return pa.table(columns)


def to_rows(kind: type[Row], table: pa.Table) -> list[Row]:
    """Return the rows of a table as instances of the row type; other columns are passed over."""
    names = [field.name for field in fields(kind)]
    return [kind(**record) for record in table.select(names).to_pylist()]


@cache
def _columns(kind: type[DataclassInstance]) -> list[tuple[str, type[Any]]]:
    """Return the name and Python type of each field."""
    hints = typing.get_type_hints(kind)
    return [(field.name, _python_type(hints[field.name])) for field in fields(kind)]


def _python_type(hint: Any) -> type[Any]:
    """Return the type of a field's values: `X | None` counts as X, a Literal as its values do."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _python_type(next(one for one in typing.get_args(hint) if one is not type(None)))
    if typing.get_origin(hint) is typing.Literal:
        return type(typing.get_args(hint)[0])
    python_type: type[Any] = hint
    return python_type
