"""DuckDB behind the port."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fenrun.base.problem import Place, refused
from fenrun.engine.dialect import quoted, quoted_path, scan
from fenrun.engine.questions import Parts, Question
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.engine.steps import Step

MEMORY = "FENRUN_MEMORY"

# In memory nothing needs a checkpoint, and DuckDB 2.0 makes one all the same, in the middle of a
# settlement.
SETTINGS = """
SET TimeZone = 'UTC';
SET enable_progress_bar = false;
SET checkpoint_threshold = '1 TB'"""


class DuckDB:
    """An embedded DuckDB in memory.

    It takes most of the machine's memory, or FENRUN_MEMORY such as `2GB`. What does not fit spills
    to the folder that is given, or to the system's temporary one. Raises Refused where
    FENRUN_MEMORY is no size.
    """

    is_far = False
    """True if questions of rows are answered elsewhere: in seconds, however few rows there are."""

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
        self.connection.execute(SETTINGS)
        self._shown: dict[str, pa.Table] = {}

    def load(self, name: str, table: pa.Table) -> None:
        arrow = quoted(f"arrow_{name}")
        self.connection.register(f"arrow_{name}", table)
        self.connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT * FROM {arrow}")
        self.connection.unregister(f"arrow_{name}")

    def show(self, name: str, table: pa.Table) -> None:
        """Make an arrow table known under a name, in whatever schema, without copying it."""
        self.connection.register(name, table)
        self._shown[name] = table

    def shown(self, name: str) -> pa.Table:
        """Return the arrow table that was made known under a name: texts can be dictionaries."""
        return self._shown[name]

    def load_file(self, name: str, path: Path) -> None:
        self.view(name, f"FROM {self.file(path)}")

    def file(self, path: Path) -> str:
        return scan("read_parquet", path)

    def view(self, name: str, sql: str) -> None:
        self.connection.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {sql}")

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

    def has(self, name: str) -> bool:
        """Return whether there is a table or view of the name."""
        sql = "SELECT 1 FROM information_schema.tables WHERE table_name = ?"
        return bool(self.connection.execute(sql, [name]).fetchall())

    def columns(self, name: str) -> dict[str, str]:
        described = self.connection.execute(
            f"SELECT column_name, column_type FROM (DESCRIBE {quoted_path(name)})"
        )
        return dict(described.fetchall())

    def run(self, step: Step, fragments: dict[str, str]) -> None:
        kind = "VIEW" if step.view else "TABLE"
        self.make(kind, step.name, step.filled(fragments), step.about)

    def make(self, kind: str, name: str, sql: str, about: str = "") -> None:
        """Make a TABLE or VIEW of a query; `about` says what it holds.

        Raises Refused where exact arithmetic does not fit.
        """
        try:
            self.connection.execute(f"CREATE OR REPLACE {kind} {quoted(name)} AS {sql}")
        except duckdb.Error as error:
            if not is_too_large(error):
                raise
            raise refused("amount-too-large", Place(name)) from error

    def answer(self, question: Question, parts: Parts) -> None:
        """Answer a question of the rows, which the view `charge_rows` has, in a table of its name.

        `parts` gives the same rows import by import, for whoever reads them elsewhere. Raises
        Refused where exact arithmetic does not fit.
        """
        self.make("TABLE", question.name, question.sql, question.about)

    def small(self) -> Runner:
        """Return a runner beside the engine, for what is small."""
        return SQLite()

    def bulk(self) -> Runner:
        """Return a runner in the engine's own database."""
        return Bulk(self.connection)

    def table(self, name: str) -> pa.Table:
        return self.connection.sql(f"FROM {quoted(name)}").to_arrow_table()

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        return self.connection.sql(sql, params=list(values)).to_arrow_table()


def is_too_large(error: duckdb.Error) -> bool:
    """Return whether exact arithmetic did not fit, in running a step or already in planning it."""
    if isinstance(error, duckdb.OutOfRangeException | duckdb.ConversionException):
        return True
    planned = isinstance(error, duckdb.BinderException)
    return planned and "scale cannot be greater than width" in str(error)
