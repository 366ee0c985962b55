"""The persons who brought rows of facts: by the last import that has each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fenrun.store.facts import Import, Store
from fenrun.tables.kept import sources_of

Rows = list[dict[str, Any]]
Keys = Mapping[str, Sequence[str]]
"""By table the fields by which a later row replaces an earlier one."""


def add_who_brought(
    store: Store,
    imports: Sequence[Import],
    found: Mapping[str, Iterable[dict[str, Any]]],
    keys: Keys,
) -> None:
    """Add to each row, as `brought`, the last import that has it: who, when, why, its id."""
    events = {
        event.seq: event for item in imports for event in store.log.events(item.kind, item.id)
    }
    wanted = {table: {_key(row, keys[table]): row for row in rows} for table, rows in found.items()}
    for item, (_, _, tables) in zip(imports, sources_of(imports)):
        event = events[item.seq]
        brought = {"by": event.actor, "at": event.at, "reason": event.reason, "import": item.id}
        for table, rows in wanted.items():
            names = keys[table]
            columns = [tables[table][name].to_pylist() for name in names] if table in tables else []
            for key in zip(*columns):
                if key in rows:
                    rows[key]["brought"] = brought


def _key(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
