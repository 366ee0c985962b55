"""Many plans at once: variants of one plan, settled in one pass and, to compare, one by one."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fenrun.base.when import parse_period
from fenrun.plan.rows import Plan
from fenrun.settle.facts import plans_as_of
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from fenrun.whatif.compare import as_other, settle_plans
from fenrun.world.make import make_world

_KNOWN = datetime(2026, 1, 1)
_SINGLE = 3


def run(
    rows: int, variants: int, progress: Callable[[int], Any] = lambda n: None
) -> dict[str, Any]:
    """Settle a year of a world of so many charges under so many variants of its plan.

    Returns the seconds of the one pass, the median of single runs, and how many single runs the
    pass costs. Every variant's sum is checked against its own run where that was made.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-plans-") as scratch:
        store = Store(Path(scratch) / "workspace")
        for path, _ in make_world(Path(scratch) / "world", rows, 1).files:
            import_file(store, path, _KNOWN)
        progress(1)
        plan, period = plans_as_of(store, _KNOWN)[0].plan, parse_period("2024")
        many = [variant(plan, n) for n in range(variants)]
        single, sums = [], {}
        for one in many[:_SINGLE]:
            start = time.perf_counter()
            sums[one.id] = _earned(settle_plans(store, [one], period))[one.id]
            single.append(time.perf_counter() - start)
            progress(1)
        start = time.perf_counter()
        together = _earned(settle_plans(store, many, period))
        passed = time.perf_counter() - start
        progress(1)
    if any(together[plan_id] != earned for plan_id, earned in sums.items()) or len(
        set(together.values())
    ) < len(many):
        raise AssertionError("a variant earns otherwise alone than together")
    each = statistics.median(single)
    return {
        "rows": rows,
        "variants": variants,
        "one_run_s": round(each, 3),
        "one_pass_s": round(passed, 3),
        "runs_it_costs": round(passed / each, 2),
        "times_cheaper": round(each * variants / passed, 1),
    }


def variant(plan: Plan, number: int) -> Plan:
    """The plan with every rate of its tables raised by some hundredths of a percent."""
    other = as_other(plan, f"{plan.id}-{number:04}")
    return replace(
        other,
        bands=tuple(
            replace(b, rate=b.rate + Decimal(number) / 10000 if b.rate else b.rate)
            for b in other.bands
        ),
    )


def _earned(settled: Any) -> dict[str, Decimal]:
    return {
        r["plan_id"]: r["earned"]
        for r in settled.engine.query(
            "SELECT plan_id, sum(earned) AS earned FROM earnings GROUP BY plan_id"
        ).to_pylist()
    }
