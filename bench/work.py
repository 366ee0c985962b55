"""Counted work: what a job asks the engine to do, the same on every machine, however busy.

The guard compares it with `expected.json`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from fenrun.engine.dialect import literal
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import SQLite

EXPECTED = "expected.json"
MORE = {"statements": 1.02, "rows_read": 1.1, "bytes_read": 1.25, "ratio_to_floor": 1.5}
"""How much more than expected is a regression. Ratios are of noisy seconds, the rest is counted."""


@dataclass
class Work:
    """Work that was done."""

    statements: int = 0
    rows_read: int = 0
    """Rows that scans of files and tables gave."""
    bytes_read: int = 0
    """From files."""


class Counted(DuckDB):
    """An engine that counts its work. Slower, so never timed."""

    def __init__(self, scratch: Path):
        super().__init__()
        self.work = Work()
        output = literal(str(scratch / "last.json"))
        self.connection.execute(
            "SET enable_profiling = 'JSON'; SET profiling_coverage = 'ALL';"
            f" SET profiling_output = {output}"
        )
        self.connection = _Connection(self.connection, self.work)  # type: ignore[assignment]

    def work_done(self) -> dict[str, int]:
        """Return the work since this was last asked."""
        done = asdict(self.work)
        self.work.statements = self.work.rows_read = self.work.bytes_read = 0
        return done


class _Connection:
    """A connection that asks after each statement what it read."""

    def __init__(self, connection: Any, work: Work):
        self._connection, self._work = connection, work

    def execute(self, *given: Any) -> Any:
        done = self._connection.execute(*given)
        result = _Result(rows=done.fetchall(), description=done.description)
        self._count()  # only what is fetched has been read
        return result

    def sql(self, query: str, params: Any = None) -> Any:
        table = self._connection.sql(query, params=params or []).to_arrow_table()
        self._count()
        return _Result(table=table)

    def _count(self) -> None:
        said = json.loads(self._connection.get_profiling_information(format="json"))
        self._work.statements += 1
        self._work.rows_read += said.get("query", {}).get("total_rows_scanned", 0)
        self._work.bytes_read += said.get("io", {}).get("total_bytes_read", 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@dataclass(frozen=True)
class _Result:
    rows: Any = None
    description: Any = None
    table: Any = None

    def fetchall(self) -> Any:
        """Return all rows."""
        return self.rows

    def to_arrow_table(self) -> Any:
        """Return the result."""
        return self.table


class CountedSQLite(SQLite):
    """SQLite that counts its statements: each row that is loaded is one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()
        self.connection.set_trace_callback(self._count)

    def _count(self, statement: str) -> None:
        self.work.statements += 1


def expected() -> dict[str, dict[str, float]]:
    """Return what each job is expected to take, as last recorded."""
    return dict(json.loads(resources.files("bench").joinpath(EXPECTED).read_text("utf-8")))


def record(found: dict[str, dict[str, float]]) -> None:
    """Expect from now on what was found."""
    Path(str(resources.files("bench").joinpath(EXPECTED))).write_text(
        json.dumps(found, indent=1) + "\n", "utf-8"
    )


def worse(found: dict[str, dict[str, float]], wanted: dict[str, dict[str, float]]) -> list[str]:
    """Say in words what takes more than expected, or is expected and was not found."""
    said = []
    for job, measures in wanted.items():
        for name, value in measures.items():
            now = found.get(job, {}).get(name)
            if now is None:
                said.append(f"{job}: {name} was not measured")
            elif name in MORE and now > value * MORE[name]:
                said.append(f"{job}: {name} {now}, expected {value}")
    return said
