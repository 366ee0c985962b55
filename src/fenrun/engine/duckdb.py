"""DuckDB behind the port."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fenrun.base.problem import Place, refused
from fenrun.base.table import read_parquet
from fenrun.engine.databases import FEW, make_table, new_database
from fenrun.engine.dialect import NUMBER, TEXT, quoted, quoted_path, scan
from fenrun.engine.questions import Parts, Question
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.engine.steps import Step

_SMALL_FILE = 1 << 18
"""The most bytes of a file of results that is read as it is first asked for."""
_WORD = re.compile(r"\w+")
_PLAIN = {pa.int32(): "INTEGER", pa.int64(): NUMBER, pa.string(): TEXT}
"""The types that are given to DuckDB as values, as it calls them."""


class DuckDB:
    """An embedded DuckDB in memory.

    All of a process together take most of the machine's memory, or FENRUN_MEMORY such as `2GB`.
    What does not fit spills to the system's temporary folder. With a folder to `spill` to, an
    engine has all of that for itself. Raises Refused where FENRUN_MEMORY is no size.
    """

    is_far = False
    """True if questions of rows are answered elsewhere: in seconds, however few rows there are."""

    def __init__(self, spill: Path | None = None):
        self.connection = new_database(spill)
        self._shown: dict[str, pa.Table | Callable[[], pa.Table]] = {}
        """The tables that were made known, or what makes them when somebody asks."""
        self._unnamed: set[str] = set()
        """Those of them that no SQL has named yet."""

    def load(self, name: str, table: pa.Table) -> None:
        kinds = {column.name: _PLAIN.get(column.type, "") for column in table.schema}
        if table.num_rows <= FEW and all(kinds.values()):
            make_table(self.connection, name, kinds, [c.to_pylist() for c in table.columns])
            return
        arrow = quoted(f"arrow_{name}")
        self.connection.register(f"arrow_{name}", table)
        self.connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT * FROM {arrow}")
        self.connection.unregister(f"arrow_{name}")

    def show(self, name: str, table: pa.Table | Callable[[], pa.Table]) -> None:
        """Make an arrow table known under a name, in whatever schema, without copying it.

        It can also be what makes it, once, when somebody asks for it.
        """
        self._shown[name] = table
        self._unnamed.add(name)

    def shown(self, name: str) -> pa.Table:
        """Return the arrow table that was made known under a name: texts can be dictionaries."""
        table = self._shown[name]
        if not isinstance(table, pa.Table):
            table = self._shown[name] = table()
        return table

    def is_empty(self, name: str) -> bool:
        """Return whether a table is known to have no rows, without asking DuckDB."""
        return name in self._shown and not self.shown(name).num_rows

    def _meet(self, sql: str) -> str:
        """Tell DuckDB of the tables that were made known and that SQL names; return that."""
        if self._unnamed:
            for name in self._unnamed.intersection(_WORD.findall(sql)):
                self.connection.register(name, self.shown(name))
                self._unnamed.discard(name)
        return sql

    def load_file(self, name: str, path: Path) -> None:
        if path.stat().st_size <= _SMALL_FILE:
            self.show(name, lambda: read_parquet(path))
        else:
            self.view(name, f"FROM {self.file(path)}")

    def file(self, path: Path) -> str:
        return scan("read_parquet", path)

    def view(self, name: str, sql: str) -> None:
        self.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {sql}")

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
        own = "table_catalog IN (current_database(), 'temp') AND table_name = ?"
        sql = f"SELECT 1 FROM information_schema.tables WHERE {own}"
        return name in self._shown or bool(self.connection.execute(sql, [name]).fetchall())

    def columns(self, name: str) -> dict[str, str]:
        described = self.execute(
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
            self.execute(f"CREATE OR REPLACE {kind} {quoted(name)} AS {sql}")
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
        if name in self._shown:
            return _plain(self.shown(name))
        return self.connection.sql(f"FROM {quoted(name)}").to_arrow_table()

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        """Return what a query finds; each `?` stands for one of the values."""
        return self.connection.sql(self._meet(sql), params=list(values)).to_arrow_table()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows that a query finds: of few rows in half of the time."""
        found = self.execute(sql, values)
        names = [name for name, *_ in found.description]
        return [dict(zip(names, row)) for row in found.fetchall()]

    def execute(self, sql: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        """Run SQL; the connection that is returned has its result."""
        return self.connection.execute(self._meet(sql), list(values))


def _plain(table: pa.Table) -> pa.Table:
    """Return a table in which texts are no dictionaries."""
    columns = {
        name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for name, column in zip(table.column_names, table.columns)
    }
    return pa.table(columns)


def is_too_large(error: duckdb.Error) -> bool:
    """Return whether exact arithmetic did not fit, in running a step or already in planning it."""
    if isinstance(error, duckdb.OutOfRangeException | duckdb.ConversionException):
        return True
    planned = isinstance(error, duckdb.BinderException)
    return planned and "scale cannot be greater than width" in str(error)
