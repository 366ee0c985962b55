"""The narrow port between the stages and whatever runs their SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from fenrun.engine.steps import Step


class Engine(Protocol):
    """An engine, as far as a stage may know it."""

    def load(self, name: str, table: pa.Table) -> None:
        """Make an arrow table known under a name."""

    def load_file(self, name: str, path: Path) -> None:
        """Make a Parquet file known under a name."""

    def file(self, path: Path) -> str:
        """Return the SQL that stands for a Parquet file as a table."""

    def view(self, name: str, sql: str) -> None:
        """Make a query known under a name. It runs whenever it is read."""

    def columns(self, name: str) -> dict[str, str]:
        """Return the columns of a table and their SQL types."""

    def run(self, step: Step, fragments: dict[str, str]) -> None:
        """Run a step into a table of its name.

        Raises Refused where exact arithmetic does not fit.
        """

    def table(self, name: str) -> pa.Table:
        """Return a whole table."""

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        """Return a query's result; each `?` stands for one of the values."""
