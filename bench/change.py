"""The change job: one changed association on a month, beside settling the month anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.timing import Step, Took, no_step
from fenrun.settle.facts import Facts, facts_as_of
from fenrun.settle.standing import Change, Standing


def run(rows: int, changes: int, repeats: int = 3, step: Step = no_step) -> dict[str, Any]:
    """Settle a month of so many charges, then with one customer moved, then with another.

    The largest customer is the first. A change is asked of the month that stays open, as the portal
    does. `repeats` of the changed months are settled by what is kept of months, as after an import,
    and anew with nothing kept, in turns; every row is compared. Returns seconds of each.
    """
    changed: list[Took] = []
    kept: list[Took] = []
    anew: list[Took] = []
    rows_compared = 0
    with tempfile.TemporaryDirectory(prefix="fenrun-change-") as scratch:
        store, _ = worlds.import_month(Path(scratch), rows)
        facts, world = facts_as_of(store, worlds.KNOWN), worlds.people_of_month(rows)
        standing = Standing(facts, worlds.PERIOD, worlds.KNOWN)
        step(1)
        for number in worlds.spaced(worlds.movable(world), changes):
            moved = worlds.moved(world, number)
            took, change = timing.timed(partial(asked, partial(standing.with_more, book=[moved])))
            changed.append(took)
            if len(anew) < repeats:
                with_change = replace(facts, book=[*facts.book, moved])
                rows_compared += _compared(change, with_change, (kept, anew), Path(scratch))
            step(1)
    return {
        "rows": rows,
        "changes": len(changed),
        **timing.spread("change", changed),
        "largest_customer_s": round(changed[0].wall, 4),
        **timing.medians("kept", kept),
        **timing.medians("anew", anew),
        "times_cheaper": timing.ratio(anew, changed),
        "rows_compared": rows_compared,
    }


def asked(settle: Callable[[], Change]) -> Change:
    """Return a change of which is known what everybody whom it concerns earns."""
    change = settle()
    change.earned()
    return change


def _compared(
    change: Change, facts: Facts, tooks: tuple[list[Took], list[Took]], folder: Path
) -> int:
    """Settle the same by what is kept, and anew; return how many rows are equal.

    Raises AssertionError where one differs.
    """
    took, by_kept = worlds.settled(facts)
    tooks[0].append(took)
    took, wanted = worlds.settled_anew(facts, folder)
    tooks[1].append(took)
    return worlds.compared(by_kept, wanted) + worlds.compared_change(change, wanted)
