"""Databases of DuckDB in memory: one DuckDB a process, in which each engine has its own."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import finalize

import duckdb

from fenrun.base.problem import Place, refused
from fenrun.engine.dialect import AMOUNT, quoted

MEMORY = "FENRUN_MEMORY"

FEW = 200
"""The most rows that DuckDB takes as values in half the time of copying them from Arrow."""

# In memory nothing needs a checkpoint, and DuckDB 2.0 makes one all the same, in the middle of a
# settlement.
SETTINGS = """
SET TimeZone = 'UTC';
SET enable_progress_bar = false;
SET parquet_metadata_cache = true;
SET checkpoint_threshold = '1 TB'"""


class _Databases:
    """The DuckDB of a process, in which each engine has a database of its own.

    To begin one in it takes half a millisecond, to start another DuckDB twenty.
    """

    def __init__(self, config: dict[str, Any]):
        self._all = duckdb.connect(":memory:", config=config)
        self._all.execute(SETTINGS)
        self._lock, self._numbers = Lock(), count(1)
        self._left: deque[str] = deque()
        """The databases to which there is no connection any more."""

    def begin(self) -> duckdb.DuckDBPyConnection:
        """Return the only connection to a new database, which lasts as long as that does."""
        with self._lock:
            while self._left:
                with suppress(duckdb.Error):  # whatever holds it, the new one is not concerned
                    self._all.execute(f"DETACH {self._left.popleft()}")
            connection, name = self._all.cursor(), f"engine_{next(self._numbers)}"
        connection.execute(f"ATTACH ':memory:' AS {name}; USE {name}; {SETTINGS}")
        # Only noted: the garbage collector may come at any moment, in the midst of a query too.
        finalize(connection, self._left.append, name).atexit = False
        return connection


@cache
def _databases(process: int, spill: str, memory: str | None) -> _Databases:
    """Return the DuckDB of a process with those settings. Raises duckdb.Error."""
    return _Databases(_config(spill, memory))


def _config(spill: str, memory: str | None) -> dict[str, Any]:
    return {"temp_directory": spill} | ({"memory_limit": memory} if memory else {})


def new_database(spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection to an empty database, which nobody else sees.

    With a folder to `spill` to it is in a DuckDB of its own. Raises Refused where FENRUN_MEMORY is
    no size.
    """
    memory = os.environ.get(MEMORY) or None
    try:
        if spill is None:
            usual = str(Path(tempfile.gettempdir()) / "fenrun-spill")
            return _databases(os.getpid(), usual, memory).begin()
        connection = duckdb.connect(":memory:", config=_config(str(spill), memory))
        connection.execute(SETTINGS)
    except duckdb.Error as error:
        known = "2GB, 800MB"
        raise refused(
            "setting-unreadable", Place(MEMORY), name=MEMORY, value=memory, known=known
        ) from error
    return connection


def make_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    kinds: Mapping[str, str],
    values: Sequence[Sequence[int | str | None]],
) -> None:
    """Make a table of few rows, from the types of its columns and the values of each."""
    if not values or not values[0]:
        typed = ", ".join(f"{quoted(column)} {kind}" for column, kind in kinds.items())
        connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} ({typed})")
        return
    columns, given = [], []
    for (column, kind), found in zip(kinds.items(), values):
        cast = f"CAST(? AS {kind}[])"
        if kind == AMOUNT:  # as texts, which have all digits
            cast = f"CAST(CAST(? AS TEXT[]) AS {kind}[])"
            found = [None if value is None else str(value) for value in found]
        columns.append(f"unnest({cast}) AS {quoted(column)}")
        given.append(list(found))
    sql = f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT {', '.join(columns)}"
    connection.execute(sql, given)
