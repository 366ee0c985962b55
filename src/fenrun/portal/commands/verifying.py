"""Verifying: is the log, and every file, what was written, and are the portal's events with it?"""

from __future__ import annotations

from fenrun.base.problem import Problem
from fenrun.closing.anchors import broken_anchors
from fenrun.closing.keys import broken_keys
from fenrun.portal.events import broken_events
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Store


def broken(store: Store) -> list[Problem]:
    """Return what `fenrun audit verify` finds, and where the portal's events are otherwise."""
    with outside_queue():
        found = store.broken()
        return found or broken_keys(store) + broken_anchors(store) + broken_events(store)
