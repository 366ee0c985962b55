"""DuckDB behind the port."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.problem import Place, refused
from fenrun.engine.dialect import literals, quoted, quoted_path
from fenrun.engine.steps import Step

MEMORY = "FENRUN_MEMORY"

# In memory nothing needs a checkpoint, and DuckDB 2.0 makes one all the same, in the middle of a
# settlement.
_SETTINGS = """
SET TimeZone = 'UTC';
SET enable_progress_bar = false;
SET checkpoint_threshold = '1 TB'"""


class DuckDB:
    """An embedded DuckDB in memory.

    It takes most of the machine's memory, or FENRUN_MEMORY such as `2GB`. What does not fit spills
    to the folder that is given, or to the system's temporary one. Raises Refused where
    FENRUN_MEMORY is no size.
    """

    def __init__(self, spill: Path | None = None):
        config = {"temp_directory": str(spill or Path(tempfile.gettempdir()) / "fenrun-spill")}
        memory = os.environ.get(MEMORY)
        if memory:
            config["memory_limit"] = memory
        try:
            self.connection = duckdb.connect(":memory:", config=dict(config))
        except duckdb.Error as error:
            known = "2GB, 800MB"
            raise refused(
                "setting-unreadable", Place(MEMORY), name=MEMORY, value=memory, known=known
            ) from error
        self.connection.execute(_SETTINGS)

    def load(self, name: str, table: pa.Table) -> None:
        arrow = quoted(f"arrow_{name}")
        self.connection.register(f"arrow_{name}", table)
        self.connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT * FROM {arrow}")
        self.connection.unregister(f"arrow_{name}")

    def load_into(self, schema: str, name: str, table: pa.Table) -> None:
        """Make an arrow table known under a name in a schema."""
        self.connection.register("loaded_rows", table)
        path = quoted_path(f"{schema}.{name}")
        self.connection.execute(f"CREATE OR REPLACE TABLE {path} AS SELECT * FROM loaded_rows")
        self.connection.unregister("loaded_rows")

    def load_files(
        self,
        name: str,
        files: Sequence[Path],
        empty: pa.Schema,
        only: Mapping[Path, str] | None = None,
        same: Mapping[Path, Mapping[str, str]] | None = None,
    ) -> None:
        if not files:
            self.load(name, empty.empty_table())
            return
        parts = [_scan(group) for group in file_groups(files, only or {}, same or {})]
        whole = " UNION ALL BY NAME ".join(parts)
        self.connection.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {whole}")

    @contextmanager
    def temporary_schema(self, name: str) -> Iterator[None]:
        """Make tables in a schema of that name, which begins empty, as long as the block lasts.

        What the schema does not hold is read from `main`.
        """
        self.connection.execute(
            f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name};"
            f" SET search_path = '{name},main'"
        )
        try:
            yield
        finally:
            self.connection.execute(f"SET search_path = 'main'; DROP SCHEMA {name} CASCADE")

    def columns(self, name: str) -> dict[str, str]:
        described = self.connection.execute(
            f"SELECT column_name, column_type FROM (DESCRIBE {quoted_path(name)})"
        )
        return dict(described.fetchall())

    def run(self, step: Step, fragments: dict[str, str]) -> None:
        kind = "VIEW" if step.view else "TABLE"
        sql = f"CREATE OR REPLACE {kind} {quoted(step.name)} AS {step.filled(fragments)}"
        try:
            self.connection.execute(sql)
        except duckdb.Error as error:
            if not _is_too_large(error):
                raise
            detail = str(error).splitlines()[0]
            raise refused("amount-too-large", Place(step.name), detail=detail) from error

    def table(self, name: str) -> pa.Table:
        return self.connection.sql(f"FROM {quoted(name)}").to_arrow_table()

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        return self.connection.sql(sql, params=list(values)).to_arrow_table()


def _is_too_large(error: duckdb.Error) -> bool:
    """Return whether exact arithmetic did not fit, in running a step or already in planning it."""
    if isinstance(error, duckdb.OutOfRangeException | duckdb.ConversionException):
        return True
    planned = isinstance(error, duckdb.BinderException)
    return planned and "scale cannot be greater than width" in str(error)


@dataclass(frozen=True)
class FileGroup:
    """Files of one schema of which the same holds. Grain: schema, where, replaced."""

    files: tuple[Path, ...]
    where: str
    """SQL: which of their rows are meant."""
    replaced: Mapping[str, str]
    """Column to the SQL that stands in its place."""


def file_groups(
    files: Sequence[Path], only: Mapping[Path, str], same: Mapping[Path, Mapping[str, str]]
) -> list[FileGroup]:
    """Group Parquet files so that each group can be read without matching columns.

    For `only` and `same` see the port. A decimal column is cast to the most decimals that it has in
    any file: where they differ, an engine left alone would round to the fewest.
    """
    schemas = {path: pq.read_schema(path) for path in files}
    widest = _most_decimals(schemas.values())
    groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Path]] = {}
    for path, schema in schemas.items():
        replaced = _casts(schema, widest) | dict(same.get(path, {}))
        key = (schema.to_string(), only.get(path, "true"), tuple(replaced.items()))
        groups.setdefault(key, []).append(path)
    return [
        FileGroup(tuple(paths), where, dict(replaced))
        for (_, where, replaced), paths in groups.items()
    ]


def _most_decimals(schemas: Iterable[pa.Schema]) -> dict[str, int]:
    """Return the most decimals that each decimal column has in any of the schemas."""
    widest: dict[str, int] = {}
    for schema in schemas:
        for column in schema:
            if pa.types.is_decimal(column.type):
                widest[column.name] = max(widest.get(column.name, 0), column.type.scale)
    return widest


def _casts(schema: pa.Schema, widest: Mapping[str, int]) -> dict[str, str]:
    """Return the SQL that gives the decimal columns with fewer decimals the most."""
    return {
        column.name: f"CAST({quoted(column.name)} AS DECIMAL(38, {widest[column.name]}))"
        for column in schema
        if pa.types.is_decimal(column.type) and column.type.scale != widest[column.name]
    }


def _scan(group: FileGroup) -> str:
    """Return the query that reads a group."""
    replaced = ", ".join(f"{sql} AS {quoted(column)}" for column, sql in group.replaced.items())
    columns = f"* REPLACE ({replaced})" if replaced else "*"
    files = literals(map(str, group.files))
    return f"SELECT {columns} FROM read_parquet([{files}]) WHERE {group.where}"
