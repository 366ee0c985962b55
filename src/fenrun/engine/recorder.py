"""A record of what a settlement runs: each step with its text, and the tables that are loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fenrun.engine.dialect import literal, quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import MACROS, Row, Runner
from fenrun.engine.steps import Step


@dataclass
class Made:
    """A table or view that was made: by a step, or loaded (then there is no `sql`)."""

    name: str
    about: str = ""
    """What a step's table holds, in a sentence."""
    sql: str = ""
    """The step's query, filled."""
    is_view: bool = False
    seconds: float = 0
    rows: int | None = None
    """The rows of a step's table; None of a view, and where nobody counts them."""


class Recorder:
    """The tables and views that a settlement makes, in their order.

    With a clock, which gives seconds, it says what each step took, and counts its rows.
    """

    def __init__(self, clock: Callable[[], float] | None = None):
        self.made: list[Made] = []
        self._clock = clock

    @property
    def steps(self) -> list[Made]:
        """The steps that ran, in their order."""
        return [made for made in self.made if made.sql]

    @property
    def last_made(self) -> list[Made]:
        """Each table once, as it was made last, in the order of that."""
        return list({made.name: made for made in reversed(self.made)}.values())[::-1]

    def begin(self) -> None:
        """Forget what was made: another runner begins anew."""
        self.made.clear()

    def loaded(self, name: str) -> None:
        """Record a table whose rows were given."""
        self.made.append(Made(name))

    @contextmanager
    def making(self, runner: DuckDB | Runner, made: Made) -> Iterator[None]:
        """Record a step that runs as long as the block lasts."""
        start = self._clock() if self._clock else 0
        yield
        if self._clock:
            made.seconds = self._clock() - start
            made.rows = None if made.is_view else _count(runner, made.name)
        self.made.append(made)


def _count(runner: DuckDB | Runner, name: str) -> int:
    sql = f"SELECT count(*) AS n FROM {quoted(name)}"
    if isinstance(runner, DuckDB):
        return int(runner.query(sql)["n"][0].as_py())
    return int(runner.rows(sql)[0][0])


class RecordedEngine(DuckDB):
    """A DuckDB that records what it makes, and gives runners that do."""

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    def load(self, name: str, table: pa.Table) -> None:
        super().load(name, table)
        self.recorder.loaded(name)

    def make(self, kind: str, name: str, sql: str, about: str = "") -> None:
        with self.recorder.making(self, Made(name, about, sql, kind == "VIEW")):
            super().make(kind, name, sql, about)

    def small(self) -> Runner:
        return self._recorded(super().small())

    def bulk(self) -> Runner:
        return self._recorded(super().bulk())

    def write(self, path: Path, beside: Mapping[str, pa.Table]) -> None:
        """Write what was made in this database to a file, which is there once it is whole.

        Each table and view has its sentence as a comment. With them go the tables `beside`, and the
        functions that steps use. Views read whatever files they read here. Raises OSError.
        """
        made = self.recorder.last_made
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            part = Path(scratch) / "tables.duckdb"
            self.connection.execute(f"ATTACH {literal(str(part))} AS kept")
            for name in (quoted(one.name) for one in made if not one.is_view):
                self.connection.execute(f"CREATE TABLE kept.main.{name} AS FROM {name}")
            self.connection.execute("DETACH kept")
            with duckdb.connect(str(part)) as file:
                file.execute(MACROS.replace("TEMP MACRO", "MACRO"))
                for name, table in beside.items():
                    file.register("loaded_rows", table)
                    file.execute(f"CREATE TABLE {quoted(name)} AS FROM loaded_rows")
                    file.unregister("loaded_rows")
                for one in made:
                    _describe(file, one)
            part.rename(path)

    def _recorded(self, runner: Runner) -> Runner:
        self.recorder.begin()
        return RecordedRunner(runner, self.recorder)


def _describe(file: duckdb.DuckDBPyConnection, made: Made) -> None:
    """Make a view; say what it or a table holds."""
    kind, name = "VIEW" if made.is_view else "TABLE", quoted(made.name)
    if made.is_view:
        file.execute(f"CREATE VIEW {name} AS {made.sql}")
    if made.about:
        file.execute(f"COMMENT ON {kind} {name} IS {literal(made.about)}")


class RecordedRunner:
    """A runner whose steps and loaded tables are recorded."""

    def __init__(self, runner: Runner, recorder: Recorder):
        self.runner, self.recorder = runner, recorder

    @property
    def is_narrow(self) -> bool:
        return self.runner.is_narrow

    def load(self, name: str, columns: Mapping[str, str], rows: Iterable[Row]) -> None:
        self.runner.load(name, columns, rows)
        self.recorder.loaded(name)

    def load_table(self, name: str, table: pa.Table) -> None:
        self.runner.load_table(name, table)
        self.recorder.loaded(name)

    def append(self, name: str, table: pa.Table) -> None:
        self.runner.append(name, table)
        self.recorder.loaded(name)

    def run(self, step: Step, fragments: Mapping[str, str]) -> None:
        made = Made(step.name, step.about, step.filled(fragments), step.view)
        with self.recorder.making(self.runner, made):
            self.runner.run(step, fragments)

    def refuse_floats(self, tables: Iterable[str]) -> None:
        self.runner.refuse_floats(tables)

    def shares(self, connection: object) -> bool:
        return self.runner.shares(connection)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self.runner.rows(sql, values)

    def arrow(self, sql: str) -> pa.Table:
        return self.runner.arrow(sql)
