"""The case job: the cases of every plan of programmes/, run as `fenrun plan test` runs them."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing
from bench.timing import Step, Took, no_step
from fenrun.plan.read import PlanFile, load_plan
from fenrun.whatif.cases import run_cases

PROGRAMMES = Path(__file__).parent.parent / "programmes"


def run(repeats: int = 3, step: Step = no_step) -> dict[str, Any]:
    """Run all cases of all plans, and in turns with that, read the plans: their floor.

    Returns milliseconds of one case (median over the plans, and the slowest plan's), and seconds
    of all. Raises AssertionError where a case does not come out as promised.
    """
    paths = sorted(PROGRAMMES.glob("*.yaml"))
    files = [load_plan(path) for path in paths]
    expectations = sum(_promised(file) for file in files)  # the first run loads what all need
    cases: list[list[Took]] = [[] for _ in files]

    def run_all() -> Took:
        for file, tooks in zip(files, cases, strict=True):
            tooks.append(timing.timed(partial(run_cases, file))[0])
        return sum((tooks[-1] for tooks in cases[1:]), cases[0][-1])

    def read_all() -> Took:
        return timing.timed(lambda: [load_plan(path) for path in paths])[0]

    tooks = timing.in_turns(repeats, {"read": read_all, "all": run_all}, step)
    each = {
        file.plan.id: timing.median(tooks) * 1000 / len(file.text.cases)
        for file, tooks in zip(files, cases, strict=True)
    }
    slowest = max(each, key=lambda plan: each[plan])
    return {
        "plans": len(files),
        "cases": sum(len(file.text.cases) for file in files),
        "expectations": expectations,
        "case_median_ms": round(statistics.median(each.values()), 2),
        "case_slowest_ms": round(each[slowest], 2),
        "slowest_plan": slowest,
        **timing.medians("all", tooks["all"]),
        **timing.medians("read", tooks["read"]),
    }


def _promised(file: PlanFile) -> int:
    """Return how many expectations a plan has. Raises AssertionError where any is not met."""
    outcomes, problems = run_cases(file)
    if problems or not outcomes:
        raise AssertionError(f"{file.source}: {[problem.code for problem in problems]}")
    return len(outcomes)
