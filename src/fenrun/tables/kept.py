"""Tables in the store: the rows of a file as an import, and the tables of imports again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.ids import digest, file_digest
from fenrun.base.problem import Place, Problem, Refused, in_order
from fenrun.base.table import from_rows, read_parquet
from fenrun.store.facts import Import, Imported, Store, manifest
from fenrun.tables.layout import Layout
from fenrun.tables.records import read_tables

Sources = Sequence[tuple[str, datetime, dict[str, pa.Table]]]
"""Tables by source: (source name, known from, tables by name)."""


Read = Callable[[Path, Layout], tuple[dict[str, list[Any]], list[Problem]]]
"""Reads a file of a layout: typed rows by table, and what is wrong with others."""


def import_tables(
    store: Store, path: Path, known: datetime, layout: Layout, read: Read = read_tables
) -> Imported:
    """Append a file's facts, known from a moment (UTC), to the store. Raises Refused."""
    content = digest(layout.kind, file_digest(path))
    there = store.find(layout.kind, content)
    if there:
        return Imported(path.name, content, False, there.facts, there.problems)
    tables, problems = read(path, layout)
    facts = {name: len(rows) for name, rows in tables.items() if rows}
    if not facts:
        raise Refused(problems or [Problem("file-empty", Place(path.name))])

    def write(folder: Path) -> None:
        for name in facts:
            table = from_rows(layout.rows[name], tables[name])
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")

    problems = in_order(problems)
    store.add(layout.kind, content, manifest(path.name, known, facts, problems), write)
    return Imported(path.name, content, True, facts, tuple(problems))


def sources_of(imports: Iterable[Import]) -> Sources:
    """Return the tables of the imports."""
    return [(item.source, item.known, _tables_of(item)) for item in imports]


def _tables_of(item: Import) -> dict[str, pa.Table]:
    return dict(_read_once(item.id, item.folder))


@lru_cache(maxsize=64)
def _read_once(content: str, folder: Path) -> Mapping[str, pa.Table]:
    """Read tables, or take up what was read of the same content: nobody changes that."""
    return {file.stem: read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
