"""The portal-start job: the first start of the portal on a demo world, beside plain settling."""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.timing import Step, Took, no_step
from fenrun.base.when import parse_period
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store
from fenrun.world.people import YEAR

_EARNED = "SELECT coalesce(sum(earned), 0) AS earned FROM statements"


def run(rows: int, months: int = 12, repeats: int = 1, step: Step = no_step) -> dict[str, Any]:
    """Start the portal for the first time on the first months of a world, then once more.

    That is all that `fenrun serve` does before it listens: tables, isolation, every month settled
    and shown. The floor, in turns with it, settles and keeps the same months. Each has a process
    and, but for the second start, a new workspace of its own. What is shown must earn what was
    settled.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-portal-start-") as scratch:
        folder = Path(scratch)
        made = worlds.import_year(folder, rows, months, late=True).path
        step(1)
        earned: dict[str, Decimal] = {}

        def work(name: str) -> Took:
            into = folder / ("settle" if name == "settle" else "portal")
            if name != "again":
                shutil.rmtree(into, ignore_errors=True)
                shutil.copytree(made, into)
            if name == "settle":
                took, earned[name] = timing.apart(_settle, str(into), months)
            else:
                took, earned[name] = timing.apart(_start, str(into))
            return took

        names = ("settle", "first", "again")
        tooks = timing.in_turns(repeats, {name: partial(work, name) for name in names}, step)
    if len(set(earned.values())) > 1:
        raise AssertionError(f"the portal shows other earnings than were settled: {earned}")
    return {
        "rows": rows,
        "months": months,
        **timing.medians("first_start", tooks["first"]),
        **timing.medians("second_start", tooks["again"]),
        **timing.medians("settle", tooks["settle"]),
        "ratio_to_settle": timing.ratio(tooks["first"], tooks["settle"]),
        "peak_mb": timing.most_mb(tooks["first"]),
        "earned": earned["first"],
    }


def _start(workspace: str) -> tuple[Took, Decimal]:
    """Start the portal, but for its listening. Return what its statements earn, too."""
    from fenrun.portal import serve

    took, _ = timing.timed(partial(serve.prepare, Path(workspace)))
    from fenrun.portal.models import Statement

    shown = Statement.objects.using("default").values_list("earned", flat=True)
    return took, sum(map(Decimal, shown), Decimal(0))


def _settle(workspace: str, months: int) -> tuple[Took, Decimal]:
    """Settle each of the first months. Return what the statements earn, too."""
    store, earned = Store.open(Path(workspace)), []

    def settle() -> None:
        for month in parse_period(str(YEAR)).months[:months]:
            run = settle_workspace(store, parse_period(month)).run
            earned.append(run.engine.rows(_EARNED)[0]["earned"])

    took, _ = timing.timed(settle)
    return took, sum(earned, Decimal(0))
