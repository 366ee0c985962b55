"""The rows of a table as last known: of all rows under one key the one that became known last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fenrun.base.problem import Place, Problem
from fenrun.tables.kept import Sources

Known = dict[str, Any]
"""A row by the fields of its type, and the `file` it came from."""
_PLACED = {"row_no", "file"}


@dataclass(frozen=True)
class Latest:
    """The rows of a table as last known, in the order of their keys."""

    rows: Sequence[Known]
    problems: Sequence[Problem]
    """Each key under which rows differ that became known at one moment: none of them is there."""


def latest(sources: Sources, table: str, key: Sequence[str]) -> Latest:
    """Return the rows of a table as last known by some sources; `key` names the fields of its key.

    A row whose span is empty (`valid_to` equal to `valid_from`) withdraws what stood under its key.
    """
    found: dict[tuple[Any, ...], tuple[datetime, list[Known]]] = {}
    for source, known, tables in sources:
        for row in tables[table].to_pylist() if table in tables else ():
            row["file"] = source
            name = tuple(row[field] for field in key)
            moment, rows = found.get(name, (known, []))
            if known > moment:
                found[name] = known, [row]
            elif known == moment and not any(_says_the_same(row, other) for other in rows):
                found[name] = known, [*rows, row]
    kept, problems = [], []
    for name in sorted(found, key=str):
        _, rows = found[name]
        if len(rows) > 1:
            problems.append(_given_twice(table, name, rows))
        elif "valid_to" not in rows[0] or rows[0]["valid_from"] < rows[0]["valid_to"]:
            kept += rows
    return Latest(kept, problems)


def _says_the_same(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(value == other.get(field) for field, value in row.items() if field not in _PLACED)


def _given_twice(table: str, key: Sequence[Any], rows: Sequence[Known]) -> Problem:
    found = sorted((row["file"], row["row_no"]) for row in rows)
    places = [Place(file, row_no) for file, row_no in found]
    values = {"table": table, "key": " ".join(str(part) for part in key if part != "")}
    return Problem("row-twice", places[0], values, tuple(places[1:]))
