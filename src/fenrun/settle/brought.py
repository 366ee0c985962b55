"""The persons who brought rows of facts: by the last import that has each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.store.audit_log import Event
from fenrun.store.facts import Import, Store
from fenrun.tables.kept import sources_of

Rows = list[dict[str, Any]]
Keys = Mapping[str, Sequence[str]]
"""By table the fields by which a later row replaces an earlier one."""


def events_that_brought(
    store: Store, imports: Sequence[Import], table: str, rows: Rows, keys: Keys
) -> list[Event]:
    """Return the event of the last of some imports that brought each row of a table.

    It names people, as far as the store knows them. Two files may have one name, so the name does
    not say it.
    """
    return _events_by_table(store, imports, {table: rows}, keys)[table]


def add_who_brought(
    store: Store, imports: Sequence[Import], found: Mapping[str, Rows], keys: Keys
) -> None:
    """Add to each row, as `brought`, the last import that has it: who, when, why, its id."""
    for table, events in _events_by_table(store, imports, found, keys).items():
        for row, event in zip(found[table], events):
            row["brought"] = {"by": event.actor, "at": event.at, "reason": event.reason}
            row["brought"] |= {"import": event.subject}


def _events_by_table(
    store: Store, imports: Sequence[Import], wanted: Mapping[str, Rows], keys: Keys
) -> dict[str, list[Event]]:
    """Return the same of each row of several tables; the log and the files are read once."""
    kinds = {item.kind for item in imports}
    events = {event.seq: event for kind in kinds for event in store.log.events(kind)}
    events = {item.seq: _with_names(store, events[item.seq]) for item in imports}
    firsts = {
        table: pa.array({row[keys[table][0]] for row in rows}, pa.string())
        for table, rows in wanted.items()
    }
    found: dict[str, dict[tuple[Any, ...], Event]] = {table: {} for table in wanted}
    for item, (_, _, tables) in zip(imports, sources_of(imports)):
        for table in wanted.keys() & tables.keys():
            some = tables[table].select(keys[table])
            some = some.filter(pc.is_in(some[keys[table][0]], firsts[table]))
            brought = zip(*(some[name].to_pylist() for name in keys[table]))
            found[table] |= dict.fromkeys(brought, events[item.seq])
    return {
        table: [found[table][tuple(row[name] for name in keys[table])] for row in rows]
        for table, rows in wanted.items()
    }


def _with_names(store: Store, event: Event) -> Event:
    return replace(event, actor=store.names(event.actor), reason=store.names(event.reason))
