"""The book on a day, with who brought each row: for people who ask why somebody is credited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.settle.facts import knowledge_time
from fenrun.store.audit_log import Event
from fenrun.store.facts import Import, Store, verified

Rows = list[dict[str, Any]]
KEYS = {
    "links": ("link_id",),
    "labels": ("party", "label", "valid_from"),
    "figures": ("party", "figure", "period"),
}
"""The columns by which a later row of a table replaces an earlier one."""


def book_in_force(
    store: Store, on: date, known: datetime | None = None, about: str = ""
) -> dict[str, Rows]:
    """Return the links and labels that hold on a day, as known at a moment or as last known.

    Rows are those of a KnownBook with `brought`: who imported the row, when, why and in which
    import. `about` leaves rows alone that name it: a party, account, order or resource.
    """
    imports = verified(store.imports("book", knowledge_time(store, known)))
    book = KnownBook(sources_of(imports))
    found = {"links": book.links(), "labels": book.labels()}
    for table, rows in found.items():
        rows = [row for row in rows if row["valid_from"] <= on < row["valid_to"]]
        found[table] = [row for row in rows if not about or about in _named(row)]
    for table, rows in found.items():
        events = events_of(store, imports, table, rows)
        for row, event in zip(rows, events):
            row["brought"] = {"by": event.actor, "at": event.at, "reason": event.reason}
            row["brought"] |= {"import": event.subject}
    return found


def _named(row: dict[str, Any]) -> list[str]:
    return [row["party"], row.get("subject", "")]


def events_of(store: Store, imports: Sequence[Import], table: str, rows: Rows) -> list[Event]:
    """Return the event of the last of some imports that brought each row of a table.

    A row has the columns of KEYS. Two files may have one name, so the name does not say it.
    """
    events = {event.seq: event for event in store.log.events("book")}
    names = KEYS[table]
    firsts = pa.array({row[names[0]] for row in rows}, pa.string())
    found = dict[tuple[Any, ...], Event]()
    for item, (_, _, tables) in zip(imports, sources_of(imports)):
        if table in tables:
            some = tables[table].select(names)
            some = some.filter(pc.is_in(some[names[0]], firsts))
            keys = zip(*(some[name].to_pylist() for name in names))
            found |= dict.fromkeys(keys, events[item.seq])
    return [found[tuple(row[name] for name in names)] for row in rows]
