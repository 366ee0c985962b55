"""The book on a day, with who brought each row: for people who ask why somebody is credited."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.book.rows import IDENTITY_KEY
from fenrun.settle.brought import Rows, add_who_brought
from fenrun.settle.facts import knowledge_time
from fenrun.store.facts import Store, verified

KEYS = {
    "links": ("link_id",),
    "labels": ("party", "label", "valid_from"),
    "figures": ("party", "figure", "period"),
    "identities": IDENTITY_KEY,
}
"""The columns by which a later row of a table replaces an earlier one."""


def book_in_force(
    store: Store, on: date, known: datetime | None = None, about: str = ""
) -> dict[str, Rows]:
    """Return what holds on a day, by table, as known at a moment or as last known.

    Rows of links, labels and identities with `brought`: who imported the row, when, why and in
    which import. `about` leaves rows alone that name it: a party, account, order or resource.
    """
    imports = verified(store.imports("book", knowledge_time(store, known)))
    book = KnownBook(sources_of(imports))
    found = {"links": book.links(), "labels": book.labels(), "identities": book.identities()}
    for table, rows in found.items():
        rows = [row for row in rows if row["valid_from"] <= on < row["valid_to"]]
        found[table] = [row for row in rows if not about or about in _named(row)]
    add_who_brought(store, imports, found, KEYS)
    return found


def _named(row: dict[str, Any]) -> list[str]:
    return [row["party"], row.get("subject", "")]
