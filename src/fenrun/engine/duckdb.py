"""DuckDB behind the port."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.problem import Place, Problem, Refused
from fenrun.engine.dialect import literal, quoted
from fenrun.engine.steps import Step

MEMORY = "FENRUN_MEMORY"


class DuckDB:
    """An embedded DuckDB in memory. What does not fit (most of the machine's, or FENRUN_MEMORY such as `2GB`) spills to the temporary folder it is given, or the system's.

    Raises Refused where FENRUN_MEMORY is no size.
    """

    def __init__(self, spill: Path | None = None):
        config, memory = (
            {"temp_directory": str(spill or Path(tempfile.gettempdir()) / "fenrun-spill")},
            os.environ.get(MEMORY),
        )
        try:
            self.connection = duckdb.connect(
                ":memory:", config={**config, **({"memory_limit": memory} if memory else {})}
            )
        except duckdb.Error as error:
            raise Refused(
                [
                    Problem(
                        "setting-unreadable",
                        Place(MEMORY),
                        {"name": MEMORY, "value": memory, "known": "2GB, 800MB"},
                    )
                ]
            ) from error
        # In memory nothing needs a checkpoint, and DuckDB 2.0 makes one all the same, in the middle of a settlement.
        self.connection.execute(
            "SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET checkpoint_threshold = '1 TB'"
        )

    def load(self, name: str, table: pa.Table) -> None:
        self.connection.register(f"arrow_{name}", table)
        self.connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM "arrow_{name}"')
        self.connection.unregister(f"arrow_{name}")

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
        parts = []
        for group in file_groups(files, only or {}, same or {}):
            put = ", ".join(f"{sql} AS {quoted(column)}" for column, sql in group.put.items())
            listed = ", ".join(literal(str(path)) for path in group.files)
            parts.append(
                f"SELECT *{f' REPLACE ({put})' if put else ''} FROM read_parquet([{listed}]) WHERE {group.where}"
            )
        self.connection.execute(
            f'CREATE OR REPLACE VIEW "{name}" AS {" UNION ALL BY NAME ".join(parts)}'
        )

    @contextmanager
    def temporary_schema(self, name: str) -> Iterator[None]:
        """Inside, tables are made in a schema of that name, which begins empty; what it does not hold is read from `main`."""
        self.connection.execute(
            f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; SET search_path = '{name},main'"
        )
        try:
            yield
        finally:
            self.connection.execute("SET search_path = 'main'")

    def columns(self, name: str) -> dict[str, str]:
        return dict(
            self.connection.execute(
                f"SELECT column_name, column_type FROM (DESCRIBE {'.'.join(map(quoted, name.split('.')))})"
            ).fetchall()
        )

    def run(self, step: Step, fragments: dict[str, str]) -> None:
        kind = "VIEW" if step.view else "TABLE"
        try:
            self.connection.execute(
                f'CREATE OR REPLACE {kind} "{step.name}" AS {step.filled(fragments)}'
            )
        except (
            duckdb.OutOfRangeException,
            duckdb.ConversionException,
            duckdb.BinderException,
        ) as error:
            if isinstance(
                error, duckdb.BinderException
            ) and "scale cannot be greater than width" not in str(error):
                raise
            raise Refused(
                [
                    Problem(
                        "amount-too-large", Place(step.name), {"detail": str(error).splitlines()[0]}
                    )
                ]
            ) from error

    def table(self, name: str) -> pa.Table:
        return self.connection.sql(f'FROM "{name}"').to_arrow_table()

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        return self.connection.sql(sql, params=list(values)).to_arrow_table()


@dataclass(frozen=True)
class FileGroup:
    """Files of one schema of which the same holds. Grain: schema, where, put."""

    files: tuple[Path, ...]
    where: str
    """SQL: which of their rows are meant."""
    put: Mapping[str, str]
    """Column to the SQL that stands in its place."""


def file_groups(
    files: Sequence[Path], only: Mapping[Path, str], same: Mapping[Path, Mapping[str, str]]
) -> list[FileGroup]:
    """Parquet files in groups that can be read as one without matching columns; for `only` and `same` see the port.

    A decimal column is cast to the most decimals that it has in any file: where they differ, an engine left alone would round to the fewest.
    """
    schemas = {path: pq.read_schema(path) for path in files}
    widest: dict[str, int] = {}
    for field in (f for schema in schemas.values() for f in schema if pa.types.is_decimal(f.type)):
        widest[field.name] = max(widest.get(field.name, 0), field.type.scale)
    groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Path]] = {}
    for path, schema in schemas.items():
        casts = {
            f.name: f"CAST({quoted(f.name)} AS DECIMAL(38, {widest[f.name]}))"
            for f in schema
            if pa.types.is_decimal(f.type) and f.type.scale != widest[f.name]
        }
        groups.setdefault(
            (
                schema.to_string(),
                only.get(path, "true"),
                tuple((casts | dict(same.get(path, {}))).items()),
            ),
            [],
        ).append(path)
    return [
        FileGroup(tuple(listed), where, dict(put)) for (_, where, put), listed in groups.items()
    ]
