"""The persons who brought rows of facts: by the last import that has each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    Two files may have one name, so the name does not say it.
    """
    kinds = {item.kind for item in imports}
    events = {event.seq: event for kind in kinds for event in store.log.events(kind)}
    names = keys[table]
    firsts = pa.array({row[names[0]] for row in rows}, pa.string())
    found = dict[tuple[Any, ...], Event]()
    for item, (_, _, tables) in zip(imports, sources_of(imports)):
        if table in tables:
            some = tables[table].select(names)
            some = some.filter(pc.is_in(some[names[0]], firsts))
            brought = zip(*(some[name].to_pylist() for name in names))
            found |= dict.fromkeys(brought, events[item.seq])
    return [found[tuple(row[name] for name in names)] for row in rows]


def add_who_brought(
    store: Store, imports: Sequence[Import], found: Mapping[str, Rows], keys: Keys
) -> None:
    """Add to each row, as `brought`, the last import that has it: who, when, why, its id."""
    for table, rows in found.items():
        events = events_that_brought(store, imports, table, rows, keys)
        for row, event in zip(rows, events):
            row["brought"] = {"by": event.actor, "at": event.at, "reason": event.reason}
            row["brought"] |= {"import": event.subject}
