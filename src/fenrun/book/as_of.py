"""The book as it came: the tables of all imports known at a moment."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from fenrun.base.table import from_rows
from fenrun.book.read import Book
from fenrun.book.rows import TABLES
from fenrun.tables import kept

Sources = kept.Sources
"""Book tables by source: (source name, known from, tables by name)."""
sources_of = kept.sources_of


def sources_from(book: Book, source: str, known: datetime) -> Sources:
    """Return the tables of a book in memory."""
    tables = {name: from_rows(TABLES[name], rows) for name, rows in book.tables().items()}
    return [(source, known, tables)]


def with_common_decimals(tables: list[pa.Table]) -> list[pa.Table]:
    """Cast each decimal column to the one type that holds it in all of the tables."""
    common: dict[str, pa.DataType] = {}
    for table in tables:
        for column in table.schema:
            if pa.types.is_decimal(column.type):
                scale = max(common.get(column.name, column.type).scale, column.type.scale)
                common[column.name] = pa.decimal128(38, scale)
    return [_with_types(table, common) for table in tables]


def _with_types(table: pa.Table, types: dict[str, pa.DataType]) -> pa.Table:
    """Return a table with the types given to some of its columns."""
    for place, column in enumerate(table.schema):
        kind = types.get(column.name, column.type)
        if kind != column.type:
            table = table.set_column(place, column.name, table[place].cast(kind))
    return table
