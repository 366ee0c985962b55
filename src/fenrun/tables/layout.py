"""Layouts: the tables that files of one kind hold, by their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fenrun.tables.fields import Fields

Columns = Mapping[str, Mapping[str, bool]]
"""The columns of each table in files, and whether they must be there."""
Maker = Callable[[Fields], list[Any]]
"""Makes typed rows of the fields of one row; what cannot be read it notes there."""


@dataclass(frozen=True)
class Layout:
    """The tables that files of one kind hold."""

    kind: str
    """The kind of import that such a file becomes: one of FACTS in the store."""
    columns: Columns
    rows: Mapping[str, type[Any]]
    """The row type of each table."""
    makers: Mapping[str, Maker]


def table_of(names: Iterable[str], columns: Columns) -> str | None:
    """Return the table that has the columns of these names, if any.

    Of several it is the one that knows the most of them.
    """
    there = {name.strip().lower() for name in names}
    fitting = [
        table
        for table, wanted in columns.items()
        if {column for column, must in wanted.items() if must} <= there
    ]
    return max(fitting, key=lambda table: len(there & columns[table].keys()), default=None)
