"""The change job: one changed association on a month, beside settling the month anew."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.timing import Step, Took, no_step
from fenrun.settle.facts import facts_as_of


def run(rows: int, changes: int, repeats: int = 3, step: Step = no_step) -> dict[str, Any]:
    """Settle a month of so many charges, then with one customer moved, then with another.

    The largest customer is the first. `repeats` of the changed months are settled anew in their
    turn, with nothing kept, and every row is compared. Returns seconds of a change and of that.
    """
    changed: list[Took] = []
    anew: list[Took] = []
    rows_compared = 0
    with tempfile.TemporaryDirectory(prefix="fenrun-change-") as scratch:
        store, _ = worlds.import_month(Path(scratch), rows)
        facts, world = facts_as_of(store, worlds.KNOWN), worlds.people_of_month(rows)
        worlds.settled(facts)
        step(1)
        for number in worlds.spaced(worlds.movable(world), changes):
            with_change = replace(facts, book=[*facts.book, worlds.moved(world, number)])
            took, found = worlds.settled(with_change)
            changed.append(took)
            if len(anew) < repeats:
                took, wanted = worlds.settled_anew(with_change, Path(scratch))
                anew.append(took)
                rows_compared += worlds.compared(found, wanted)
            step(1)
    return {
        "rows": rows,
        "changes": len(changed),
        **timing.spread("change", changed),
        "largest_customer_s": round(changed[0].wall, 4),
        **timing.medians("anew", anew),
        "times_cheaper": timing.ratio(anew, changed),
        "rows_compared": rows_compared,
    }
