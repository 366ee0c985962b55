"""The guard: what each job asks of the engine, against what it is expected to take."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import case, month, rate_variants, timing, worlds
from bench.timing import Step, no_step
from bench.work import MORE, Counted, CountedSQLite
from fenrun.base.when import OPEN_END, parse_period
from fenrun.book.as_of import sources_from
from fenrun.plan.read import load_plan
from fenrun.settle.explain import explain
from fenrun.settle.facts import Facts, facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.pipeline import settle_in_memory
from fenrun.whatif.cases import facts_of_case

_VARIANTS = 20
_LATE = 1_000
_CASE = "p04-cap-and-extra.yaml"
_LINE = "SELECT line_id FROM statement_lines WHERE earned <> 0 ORDER BY line_id LIMIT 1"


def run(rows: int, repeats: int = 0, step: Step = no_step) -> dict[str, dict[str, float]]:
    """Return the counted work of each job over a month of so many charges.

    `month` settles it, `explain` asks why a line is what it is, `change` moves one customer, `late`
    settles with a late file of 1,000 charges, and `variants` has 20 variants of the plan in one
    pass. `case` is one case of a plan. With `repeats`, the month's ratio to the floor, too, in
    seconds that are measured so often.
    """
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="fenrun-guard-") as scratch:
        folder = Path(scratch)
        store, _ = worlds.import_month(folder, rows)
        world = worlds.people_of_month(rows)
        facts, engine = facts_as_of(store, worlds.KNOWN), Counted(folder)
        settled = facts.settle(worlds.PERIOD, worlds.KNOWN, engine=engine)
        found["month"] = engine.work_done()
        line = engine.rows(_LINE)[0]["line_id"]
        engine.work_done()
        explain(settled, line)
        found["explain"] = engine.work_done()
        step(1)
        moved = worlds.moved(world, worlds.movable(world)[0])
        found["change"] = _settled(replace(facts, book=[*facts.book, moved]), folder)
        step(1)
        many = tuple(rate_variants.variant(facts.plans[0], number) for number in range(_VARIANTS))
        found["variants"] = _settled(replace(facts, plans=many), folder)
        step(1)
        if repeats:
            tooks = month.in_turns(store, repeats, step)
            found["month"]["ratio_to_floor"] = timing.ratio(tooks["settle"], tooks["floor"])
            facts.settle(worlds.PERIOD, worlds.KNOWN)  # what is kept was cleared
        import_file(store, worlds.write_late(folder, world, _LATE, 1), worlds.KNOWN)
        found["late"] = _settled(facts_as_of(store, worlds.KNOWN), folder)
    counted = {
        job: {"rows": rows} | {name: value for name, value in work.items() if name in MORE}
        for job, work in found.items()
    }
    return counted | {"case": {"statements": _case()}}


def _settled(facts: Facts, folder: Path) -> dict[str, Any]:
    """Return the work of settling the month."""
    engine = Counted(folder)
    facts.settle(worlds.PERIOD, worlds.KNOWN, engine=engine)
    return engine.work_done()


def _case() -> int:
    """Return the statements of a plan's case, the rows that are loaded among them."""
    file = load_plan(case.PROGRAMMES / _CASE)
    book, charges = facts_of_case(file, file.text.cases[0], 1)
    year = parse_period(file.text.cases[0].expect[0].period[:4])
    runner = CountedSQLite()
    sources = sources_from(book, file.source, worlds.KNOWN)
    settle_in_memory([file.plan], sources, charges, year, OPEN_END, lambda: runner)
    return runner.work.statements
