"""Closed periods computed again, to see whether this version would close them otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fenrun.base.problem import Place, Problem
from fenrun.closing.close import booked, closed_run, closes
from fenrun.closing.rows import Close
from fenrun.closing.sign_off import signed_off_rows
from fenrun.settle.facts import facts_as_of, in_force
from fenrun.settle.results import ENGINE_VERSION
from fenrun.store.facts import Store

_NAMED = 3
"""How many payees a problem names."""


def recompute(store: Store, progress: Callable[[str], None] = lambda name: None) -> list[Problem]:
    """Return the closed periods that this version would settle otherwise, with the payees.

    Nothing is changed: what is closed stays as it was recorded. The differences that were booked
    with a close are taken as they are. Raises Refused where a period cannot be settled.
    """
    found = []
    for close in closes(store):
        progress(close.period.key)
        payees = _otherwise(store, close)
        if payees:
            found.append(_problem(store, close, payees))
    return found


def _otherwise(store: Store, close: Close) -> list[str]:
    """Return the payees whose statement of a closed period would be another."""
    recorded = signed_off_rows(closed_run(store, close).run)
    facts = facts_as_of(store, close.known)
    facts = replace(facts, plans=in_force(facts.plans, close.period), kept=None)
    run = replace(facts.settle(close.period, close.known), booked=booked(store, close))
    now = signed_off_rows(run)
    return sorted(p for p in recorded.keys() | now.keys() if recorded.get(p) != now.get(p))


def _problem(store: Store, close: Close, payees: list[str]) -> Problem:
    item = store.find("closes", close.id)
    by = item.facts.get("engine", "?") if item else "?"
    named = ", ".join(payees[:_NAMED]) + (" ..." if len(payees) > _NAMED else "")
    values = {"count": len(payees), "payees": named, "by": by, "now": ENGINE_VERSION}
    return Problem("closed-otherwise", Place(close.period.key), values)
