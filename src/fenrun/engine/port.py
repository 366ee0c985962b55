"""The narrow port between the stages and whatever runs their SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from fenrun.engine.steps import Step


class Engine(Protocol):
    """An engine, as far as a stage may know it."""

    def load(self, name: str, table: pa.Table) -> None:
        """Make an arrow table known under a name."""

    def load_files(
        self,
        name: str,
        files: Sequence[Path],
        empty: pa.Schema,
        only: Mapping[Path, str] | None = None,
        same: Mapping[Path, Mapping[str, str]] | None = None,
    ) -> None:
        """Make Parquet files known as one table, columns matched by name.

        `empty` is the schema where there is no file. `only` says in SQL which rows of a file are
        meant, `same` what all rows of a file hold in a column.
        """

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
