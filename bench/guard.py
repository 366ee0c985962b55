"""The guard: what each job asks of the engine, against what it is expected to take."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import change, month, plans
from bench.work import MORE, Counted
from fenrun.settle.explain import explain
from fenrun.settle.facts import facts_as_of
from fenrun.store.facts import Store

_VARIANTS = 20


def run(
    rows: int, repeats: int = 0, progress: Callable[[int], Any] = lambda n: None
) -> dict[str, dict[str, float]]:
    """The counted work of each job over a month of so many charges.

    `month` settles it, `change` moves one customer, `explain` asks why a line is what it is, and
    `plans` settles 20 variants of the plan in one pass. With `repeats`, the month's ratio to the
    floor, too, in seconds that are measured so often.
    """
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="fenrun-guard-") as scratch:
        folder = Path(scratch)
        month.build(folder, rows)
        facts, engine = facts_as_of(Store(folder / "workspace"), month.KNOWN), Counted(folder)
        settled = facts.settle(month.period(), month.KNOWN, engine=engine)
        found["month"] = {"rows": rows, **engine.work_done()}
        line = engine.query(
            "SELECT line_id FROM statement_lines WHERE earned <> 0 ORDER BY line_id LIMIT 1"
        ).to_pylist()[0]["line_id"]
        engine.work_done()
        explain(settled, line)
        found["explain"] = {"rows": rows, **engine.work_done()}
        progress(1)
        world = month.people_of(rows)
        number = change.movable(world)[0]
        engine = Counted(folder)
        moved = replace(facts, book=[*facts.book, change.moved(world, number, 0, month.MONTH)])
        moved.settle(month.period(), month.KNOWN, engine=engine)
        found["change"] = {"rows": rows, **engine.work_done()}
        progress(1)
        many = Counted(folder)
        replace(
            facts, plans=tuple(plans.variant(facts.plans[0], n) for n in range(_VARIANTS))
        ).settle(month.period(), month.KNOWN, engine=many)
        found["plans"] = {"rows": rows, **many.work_done()}
        progress(1)
        if repeats:
            floor, settle, _ = month.timed(folder, repeats, progress)
            found["month"]["ratio_to_floor"] = round(settle / floor, 2)
    return {
        job: {k: v for k, v in measures.items() if k in ("rows", *MORE)}
        for job, measures in found.items()
    }
