"""The month job: a month's charges, scanned as fast as can be, and settled, in one run."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.timing import Step, Took, no_step
from bench.work import Counted
from fenrun.charges.stored import load_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.facts import facts_as_of
from fenrun.settle.kept_months import KeptMonths
from fenrun.store.facts import Store

_FLOOR = """
SELECT BillingAccountId, sum(BilledCost) AS billed, sum(ContractedCost) AS contracted,
       sum(EffectiveCost) AS effective, sum(ListCost) AS list,
       count(ServiceName) AS services, count(x_OrderId) AS orders, max(ChargePeriodStart) AS last
FROM charges GROUP BY BillingAccountId"""


def run(rows: int, repeats: int = 3, step: Step = no_step) -> dict[str, Any]:
    """Settle one month of so many charges, a quarter's last.

    The floor is one grouped sum over the columns that the plan needs, from the same files. These
    are merged before, as the first settlement of a month does, once.

    Returns the seconds of merging, median seconds of both, their ratios, the peak memory of a
    process that only settles, and the counted work of one settlement.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-month-") as scratch:
        store, imported = worlds.import_month(Path(scratch), rows)
        step(1)
        facts = facts_as_of(store, worlds.KNOWN)
        merged, _ = timing.timed(lambda: facts.merge_files(worlds.PERIOD))
        tooks = in_turns(store, repeats, step)
        engine = Counted(Path(scratch))
        replace(facts, kept=KeptMonths(Path(scratch) / "kept")).settle(
            worlds.PERIOD, worlds.KNOWN, engine=engine
        )
        step(1)
    floor, settle = (timing.medians(name, tooks[name]) for name in ("floor", "settle"))
    return {
        "rows": rows,
        **timing.seconds("import", imported),
        "import_rows_per_s": round(rows / imported.wall),
        **timing.seconds("merge", merged),
        **floor,
        **settle,
        "ratio_to_floor": timing.ratio(tooks["settle"], tooks["floor"]),
        "ratio_to_floor_cpu": round(settle["settle_cpu_s"] / floor["floor_cpu_s"], 2),
        "rows_per_s": round(rows / settle["settle_s"]),
        "peak_mb": timing.most_mb(tooks["settle"]),
        "repeats": repeats,
        **engine.work_done(),
    }


def in_turns(store: Store, repeats: int, step: Step) -> dict[str, list[Took]]:
    """Return what the floor and the settlement of a month took, each in processes of its own."""
    works = {
        "floor": partial(timing.apart, _floor, str(store.path)),
        "settle": partial(timing.apart, _settle, str(store.path)),
    }
    return timing.in_turns(repeats, works, step)


def _floor(workspace: str) -> Took:
    imports, engine = Store(Path(workspace)).imports("charges"), DuckDB()

    def scan() -> None:
        load_charges(engine, "charges", imports)
        engine.query(_FLOOR)

    return timing.timed(scan)[0]


def _settle(workspace: str) -> Took:
    store = Store(Path(workspace))
    with tempfile.TemporaryDirectory(prefix="fenrun-settled-") as scratch:
        return timing.timed(
            lambda: worlds.settled_anew(facts_as_of(store, worlds.KNOWN), Path(scratch))
        )[0]
