"""From the text of a plan to its rows. Every problem is found at once and placed on its line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from fenrun.base.problem import Refused
from fenrun.base.when import OPEN_END
from fenrun.plan.check import clauses as checks
from fenrun.plan.compile import compile_plan
from fenrun.plan.draft import Draft
from fenrun.plan.refusals import content_of, read_keys
from fenrun.plan.rows import Plan
from fenrun.plan.source import Path_
from fenrun.plan.text import PlanText


@dataclass(frozen=True)
class PlanFile:
    """A plan as read from text."""

    plan: Plan
    text: PlanText
    source: str
    """File name."""
    content: str
    """The text itself."""
    lines: dict[Path_, int]
    """Line of each key and item, by its path."""


def load_plan(path: Path | str) -> PlanFile:
    """Read a plan file. Raises Refused with every problem, sorted by line."""
    path = Path(path)
    return read_plan(content_of(path), path.name)


def read_plan(content: str, source: str) -> PlanFile:
    """Read a plan's text. Raises Refused with every problem, sorted by line."""
    text, written = read_keys(content, source, "plan", PlanText)
    plan = compile_plan(Draft(text, written))
    problems = written.problems + checks.find(plan, source)
    if problems:
        raise Refused(problems)
    return PlanFile(plan, text, source, content, written.lines)


def plan_as_of(plan: Plan, known: date) -> Plan:
    """Return the plan with those versions of its tables that were published by a day.

    Each is in force until the next.
    """
    versions = sorted(
        {(b.table_id, b.valid_from, b.published) for b in plan.bands if b.published <= known}
    )
    last = {(table, start): published for table, start, published in versions}
    ends = {}
    for table, start in last:
        later = [s for t, s in last if t == table and s > start]
        ends[table, start] = min(later, default=OPEN_END)
    bands = [
        replace(band, valid_to=ends[band.table_id, band.valid_from])
        for band in plan.bands
        if last.get((band.table_id, band.valid_from)) == band.published
    ]
    columns = [c for c in plan.columns if last.get((c.table_id, c.version)) == c.published]
    return replace(plan, bands=tuple(bands), columns=tuple(columns))
