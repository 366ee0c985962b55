"""Sweep: every variant of a scenario over a month, from its text to who gains and loses.

Other than in `variants`, each variant's plan is read and checked, as `fenrun sweep` does.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.timing import Step, no_step
from fenrun.lab import sweep
from fenrun.lab.scenario import read_scenario

_SCENARIO = """
scenario: bench
from: 2024-01-01
vary: {{rate: {{from: 0.01 %, to: {last} %, step: 0.01 %}}}}
plans:
  - plan: channel-2024
    set: {{tables.month-rates.2024-06-01.bands: [below 100 % pays 0 %, "from 100 % pays {{rate}}"]}}
"""


def run(
    rows: int,
    variants: int,
    repeats: int = 1,
    step: Step = no_step,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Sweep a month of so many charges over so many rates, so often.

    What is said of every variant must be the same each time. The month is that of a `folder`, or
    imported into it.
    """
    scenario = read_scenario(_SCENARIO.format(last=f"{variants / 100:.2f}"), "bench.yaml")
    with tempfile.TemporaryDirectory(prefix="fenrun-sweep-") as scratch:
        store = worlds.month_in(folder or Path(scratch), rows)
        work = partial(sweep, store, scenario, worlds.PERIOD, worlds.KNOWN)
        tooks, said = [], []
        for _ in range(repeats):
            took, found = timing.timed(work)
            tooks.append(took)
            said.append(found.variants)
            if said[0] != said[-1] or len(found.variants) < variants:
                raise AssertionError("a sweep says something else when it is repeated")
            step(1)
    return {
        "rows": rows,
        "variants": variants,
        **timing.medians("sweep", tooks),
        "variants_per_minute": round(60 * variants / timing.median(tooks)),
        "variants_per_cpu_per_minute": round(60 * variants / timing.median(tooks, "cpu")),
    }
