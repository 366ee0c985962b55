"""The late job: a late file of a month, from the file to what it changes, beside settling anew."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.change import asked
from bench.timing import Step, no_step
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.standing import Standing


def run(rows: int, late_rows: int, repeats: int = 3, step: Step = no_step) -> dict[str, Any]:
    """Settle a month of so many charges, then let files of `late_rows` charges come, one by one.

    Each is asked of the month that stays open, as the portal does; then the month is settled by
    what is kept of it, and anew with nothing kept, and every row is compared. Returns seconds of
    importing a file, of asking what it changes, of both, and of settling by what is kept and anew.
    """
    imports, changes, wholes, kept, anew, rows_compared = [], [], [], [], [], 0
    with tempfile.TemporaryDirectory(prefix="fenrun-late-") as scratch:
        folder = Path(scratch)
        store, _ = worlds.import_month(folder, rows)
        step(1)
        for number in range(1, repeats + 1):
            standing = Standing(facts_as_of(store, worlds.KNOWN), worlds.PERIOD, worlds.KNOWN)
            path = worlds.write_late(folder, worlds.people_of_month(rows), late_rows, number)
            took, added = timing.timed(partial(import_file, store, path, worlds.KNOWN))
            imports.append(took)
            late = [item for item in store.imports("charges") if item.id == added.id]
            took, change = timing.timed(partial(asked, partial(standing.with_more, charges=late)))
            changes.append(took)
            wholes.append(imports[-1] + took)
            took, by_kept = worlds.settled(facts_as_of(store, worlds.KNOWN))
            kept.append(took)
            took, wanted = worlds.settled_anew(facts_as_of(store, worlds.KNOWN), folder)
            anew.append(took)
            rows_compared += worlds.compared(by_kept, wanted)
            rows_compared += worlds.compared_change(change, wanted)
            step(1)
    return {
        "rows": rows,
        "late_rows": late_rows,
        "files": repeats,
        **timing.medians("import", imports),
        **timing.medians("change", changes),
        **timing.medians("late", wholes),
        **timing.medians("kept", kept),
        **timing.medians("anew", anew),
        "times_cheaper": timing.ratio(anew, wholes),
        "rows_compared": rows_compared,
    }
