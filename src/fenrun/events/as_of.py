"""The events, payments and trades as last known."""

from __future__ import annotations

from fenrun.events.rows import KEYS
from fenrun.tables.kept import Sources
from fenrun.tables.latest import Latest, latest


def events_of(sources: Sources) -> dict[str, Latest]:
    """Return the rows as last known by some sources, by table."""
    return {table: latest(sources, table, key) for table, key in KEYS.items()}
