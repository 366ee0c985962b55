"""The month job: a month's charges, scanned as fast as can be, and settled, in one run."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from bench.work import Counted
from fenrun.base.when import Period, parse_period
from fenrun.charges.stored import load_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.facts import facts_as_of, kept_months
from fenrun.settle.imports import import_file, import_files
from fenrun.store.facts import Store
from fenrun.world.charges import write_month
from fenrun.world.people import YEAR, People, Size, people, write_book

KNOWN = datetime(2026, 1, 1)
MONTH = 9
_FLOOR = """
SELECT BillingAccountId, sum(BilledCost) AS billed, sum(ContractedCost) AS contracted,
       sum(EffectiveCost) AS effective, sum(ListCost) AS list,
       count(ServiceName) AS services, count(x_OrderId) AS orders, max(ChargePeriodStart) AS last
FROM charges GROUP BY BillingAccountId"""


def run(
    rows: int, repeats: int = 3, progress: Callable[[int], Any] = lambda n: None
) -> dict[str, Any]:
    """Settle one month of so many charges, a quarter's last.

    The floor is one grouped sum over the columns that the plan needs, from the same files.

    Returns medians in seconds, their ratio, the peak memory of a process that only settles, in MB,
    and the counted work of one settlement.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-month-") as scratch:
        folder = Path(scratch)
        imported = build(folder, rows)
        progress(1)
        floor, settle, most = timed(folder, repeats, progress)
        engine = Counted(folder)
        kept_months(Store(folder / "workspace")).clear()
        facts_as_of(Store(folder / "workspace"), KNOWN).settle(period(), KNOWN, engine=engine)
        progress(1)
    return {
        "rows": rows,
        "import_s": round(imported, 3),
        "import_rows_per_s": round(rows / imported),
        "floor_s": round(floor, 3),
        "settle_s": round(settle, 3),
        "ratio_to_floor": round(settle / floor, 2),
        "rows_per_s": round(rows / settle),
        "peak_mb": most,
        "repeats": repeats,
        **engine.work_done(),
    }


def timed(
    folder: Path, repeats: int, progress: Callable[[int], Any] = lambda n: None
) -> tuple[float, float, int]:
    """Measure the floor and the settlement over what was built, alternating, each in a process.

    Returns median seconds of both, and the settlement's largest peak memory in MB.
    """
    floors, settles, peaks = [], [], []
    for _ in range(repeats):
        for task, into in ((_floor, floors), (_settle, settles)):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, most = pool.apply(task, (str(folder / "workspace"),))
            into.append(seconds)
            if task is _settle:
                peaks.append(most)
        progress(1)
    return statistics.median(floors), statistics.median(settles), max(peaks)


def people_of(rows: int) -> People:
    """Who is there where a month has so many charges."""
    size = Size.of(rows)
    return people(Size(rows * 12, size.customers, size.partners, size.reps), 1)


def build(folder: Path, rows: int) -> float:
    """Write the month and its book, and import them.

    Returns the seconds that importing the charges took.
    """
    world = people_of(rows)
    charges = write_month(folder / "charges", world, 1, MONTH, lambda n: None)
    plan = folder / "plan.yaml"
    plan.write_text(
        resources.files("fenrun.world").joinpath("plan.yaml").read_text("utf-8"), "utf-8"
    )
    store = Store(folder / "workspace")
    for path in [*(p for p, _ in write_book(folder / "book", world, 1)), plan]:
        import_file(store, path, KNOWN)
    start = time.perf_counter()
    for _ in import_files(store, charges, KNOWN):
        pass
    return time.perf_counter() - start


def period() -> Period:
    """The month that is settled, a quarter's last."""
    return parse_period(f"{YEAR}-{MONTH:02d}")


def _floor(workspace: str) -> tuple[float, int]:
    imports, engine = Store(Path(workspace)).imports("charges"), DuckDB()
    start = time.perf_counter()
    load_charges(engine, "charges", imports)
    engine.query(_FLOOR)
    return time.perf_counter() - start, peak()


def _settle(workspace: str) -> tuple[float, int]:
    store = Store(Path(workspace))
    kept_months(store).clear()
    start = time.perf_counter()
    facts_as_of(store, KNOWN).settle(period(), KNOWN)
    return time.perf_counter() - start, peak()


def peak() -> int:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
        1024 * 1024 if sys.platform == "darwin" else 1024
    )
