"""The late job: a late file of a month, from the file to what is settled, beside settling anew."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.timing import Step, no_step
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file


def run(rows: int, late_rows: int, repeats: int = 3, step: Step = no_step) -> dict[str, Any]:
    """Settle a month of so many charges, then let files of `late_rows` charges come, one by one.

    After each the month is settled anew in its turn, with nothing kept, and every row is compared.
    Returns seconds of importing a file, of settling with it, of both, and of settling anew.
    """
    imports, settles, wholes, anew, rows_compared = [], [], [], [], 0
    with tempfile.TemporaryDirectory(prefix="fenrun-late-") as scratch:
        folder = Path(scratch)
        store, _ = worlds.import_month(folder, rows)
        worlds.settled(facts_as_of(store, worlds.KNOWN))
        step(1)
        for number in range(1, repeats + 1):
            path = worlds.write_late(folder, worlds.people_of_month(rows), late_rows, number)
            imports.append(timing.timed(partial(import_file, store, path, worlds.KNOWN))[0])
            took, (_, found) = timing.timed(
                lambda: worlds.settled(facts_as_of(store, worlds.KNOWN))
            )
            settles.append(took)
            wholes.append(imports[-1] + took)
            took, wanted = worlds.settled_anew(facts_as_of(store, worlds.KNOWN), folder)
            anew.append(took)
            rows_compared += worlds.compared(found, wanted)
            step(1)
    return {
        "rows": rows,
        "late_rows": late_rows,
        "files": repeats,
        **timing.medians("import", imports),
        **timing.medians("settle", settles),
        **timing.medians("late", wholes),
        **timing.medians("anew", anew),
        "times_cheaper": timing.ratio(anew, wholes),
        "rows_compared": rows_compared,
    }
