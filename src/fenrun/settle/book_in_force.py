"""The book on a day, with who brought each row: for people who ask why somebody is credited."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.settle.facts import knowledge_time
from fenrun.store.facts import Import, Store, verified

Rows = list[dict[str, Any]]
_KEYS = {"links": ("link_id",), "labels": ("party", "label", "valid_from")}
"""The columns by which a later row replaces an earlier one."""


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
    _add_who_brought(store, imports, found)
    return found


def _named(row: dict[str, Any]) -> list[str]:
    return [row["party"], row.get("subject", "")]


def _add_who_brought(store: Store, imports: Iterable[Import], found: dict[str, Rows]) -> None:
    """Add to each row the last import that brought it."""
    events = {event.seq: event for event in store.log.events("book")}
    wanted = {table: {_key(table, row): row for row in rows} for table, rows in found.items()}
    for item, (_, _, tables) in zip(imports, sources_of(imports)):
        event = events[item.seq]
        brought = {"by": event.actor, "at": event.at, "reason": event.reason, "import": item.id}
        for table, rows in wanted.items():
            names = _KEYS[table]
            columns = [tables[table][name].to_pylist() for name in names] if table in tables else []
            for key in zip(*columns):
                if key in rows:
                    rows[key]["brought"] = brought


def _key(table: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEYS[table])
