"""Rate variants: variants of one plan, settled in one pass and, to compare, one by one."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench import timing, worlds
from bench.timing import Step, no_step
from fenrun.base.when import parse_period
from fenrun.plan.rows import Plan
from fenrun.settle.facts import kept_months, knowledge_time, plans_as_of
from fenrun.statement.run import Run
from fenrun.whatif.compare import as_other, earned_by, settle_plans
from fenrun.world.people import YEAR, Size

_EARNED = "SELECT plan_id, sum(earned) AS earned FROM earnings GROUP BY plan_id"
_LINES = "SELECT count(*) AS lines FROM statement_lines"


def run(rows: int, count: int, repeats: int = 1, step: Step = no_step) -> dict[str, Any]:
    """Settle a year of a world of so many charges under `count` variants of its plan.

    A variant alone and all in one pass take turns, both with no month kept; then comes a pass over
    the months that the pass before kept. All lines are made there; a last pass makes none, but the
    sum of each payee. Each variant that was settled alone must earn the same in all passes, and no
    two variants the same.
    """
    year = parse_period(str(YEAR))
    alone, passes, again, sums = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="fenrun-variants-") as scratch:
        store = worlds.import_year(Path(scratch), rows)
        plan = plans_as_of(store, knowledge_time(store, None))[0].plan
        many = [variant(plan, number) for number in range(count)]
        step(1)
        for number in range(repeats):
            one = many[number % count]
            kept_months(store).clear()
            took, single = timing.timed(partial(settle_plans, store, [one], year))
            alone.append(took)
            kept_months(store).clear()
            took, together = timing.timed(partial(settle_plans, store, many, year))
            passes.append(took)
            took, over_kept = timing.timed(partial(settle_plans, store, many, year))
            again.append(took)
            took, found = timing.timed(partial(earned_by, store, many, year))
            sums.append(took)
            _refuse_other(_earned(single), _earned(together), _earned(over_kept), count)
            if _summed(found) != _earned(together):
                raise AssertionError("payees' sums are not those of their lines")
            step(1)
    return {
        "rows": rows,
        "customers": Size.of(rows).customers,
        "variants": count,
        "lines": together.engine.rows(_LINES)[0]["lines"],
        **timing.medians("one_run", alone),
        **timing.medians("one_pass", passes),
        **timing.medians("pass_over_kept", again),
        **timing.medians("pass_of_sums", sums),
        "runs_it_costs": timing.ratio(passes, alone),
        "times_cheaper": round(count / timing.ratio(passes, alone), 1),
        "variants_per_minute": round(60 * count / timing.median(passes)),
        "variants_per_minute_over_kept": round(60 * count / timing.median(again)),
        "variants_per_minute_as_sums": round(60 * count / timing.median(sums)),
    }


def variant(plan: Plan, number: int) -> Plan:
    """Return the plan with every rate of its tables raised by some hundredths of a percent."""
    other = as_other(plan, f"{plan.id}-{number:04}")
    more = Decimal(number) / 10000
    bands = (replace(b, rate=b.rate + more if b.rate else b.rate) for b in other.bands)
    return replace(other, bands=tuple(bands))


def _earned(run: Run) -> dict[str, Decimal]:
    """Return what each plan earns."""
    return {row["plan_id"]: row["earned"] for row in run.engine.rows(_EARNED)}


def _summed(table: pa.Table) -> dict[str, Decimal]:
    """Return what each plan earns, by the sums of its payees."""
    sums = table.group_by("plan_id").aggregate([("earned", "sum")])
    return {row["plan_id"]: row["earned_sum"] for row in sums.to_pylist()}


def _refuse_other(
    alone: dict[str, Decimal], together: dict[str, Decimal], again: dict[str, Decimal], count: int
) -> None:
    """Raise AssertionError where a variant earns otherwise alone, or another as much as it."""
    if alone.items() - together.items() or together != again:
        raise AssertionError("a variant earns otherwise alone than together")
    if len(set(together.values())) < count:
        raise AssertionError("two variants earn the same")
