"""The book as it was known at a moment: the latest word on each fact, with what clashes marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.table import from_rows
from fenrun.book.read import Book
from fenrun.book.rows import TABLES
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps
from fenrun.store.facts import Import

Sources = Sequence[tuple[str, datetime, dict[str, pa.Table]]]
"""Book tables by source: (source name, known from, tables by name)."""


def sources_of(imports: Iterable[Import]) -> Sources:
    """The book tables of the imports."""
    found = []
    for item in imports:
        tables = {
            name: pq.read_table(item.folder / f"{name}.parquet")
            for name in TABLES
            if (item.folder / f"{name}.parquet").exists()
        }
        found.append((item.source, item.known, tables))
    return found


def sources_from(book: Book, source: str, known: datetime) -> Sources:
    """The tables of a book in memory."""
    return [
        (
            source,
            known,
            {name: from_rows(TABLES[name], rows) for name, rows in book.tables().items()},
        )
    ]


def load_book(engine: Engine, sources: Sources) -> None:
    """Make the tables `parties`, `links`, `labels`, `figures` (see steps.sql) in the engine."""
    for name, kind in TABLES.items():
        parts = [_stamped(from_rows(kind, []), "", datetime(1970, 1, 1))]
        parts += [
            _stamped(tables[name], source, known)
            for source, known, tables in sources
            if name in tables
        ]
        engine.load(f"book_{name}", pa.concat_tables(_alike(parts)))
    for step in read_steps("fenrun.book"):
        engine.run(step, {})


def _stamped(table: pa.Table, source: str, known: datetime) -> pa.Table:
    size = table.num_rows
    table = table.append_column("source", pa.array([source] * size, pa.string()))
    return table.append_column("known", pa.array([known] * size, pa.timestamp("us")))


def _alike(tables: list[pa.Table]) -> list[pa.Table]:
    """The tables with each decimal column in the one type that holds all of them."""
    wanted: dict[str, pa.DataType] = {}
    for table in tables:
        for column in table.schema:
            if pa.types.is_decimal(column.type):
                was = wanted.get(column.name, column.type)
                wanted[column.name] = pa.decimal128(38, max(was.scale, column.type.scale))
    return [
        table.cast(pa.schema([pa.field(f.name, wanted.get(f.name, f.type)) for f in table.schema]))
        for table in tables
    ]
