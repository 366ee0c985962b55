"""The stages as one tuple. Settling runs them; explaining reads what they left, and runs the first view again for single charges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fenrun.base.problem import Place, Problem, Refused, in_order
from fenrun.base.when import AsOf, Period
from fenrun.book import checks as book_checks
from fenrun.credit import checks as credit_checks
from fenrun.credit import from_charges
from fenrun.earn import checks as earn_checks
from fenrun.earn import from_credits
from fenrun.engine.port import Engine
from fenrun.engine.steps import Step
from fenrun.plan.rows import Plan
from fenrun.statement import checks as statement_checks
from fenrun.statement import from_earnings
from fenrun.statement.run import Run


@dataclass(frozen=True)
class Stage:
    """A room of the house: its steps, and what must be true after them."""

    name: str
    steps: tuple[Step, ...]
    broken: Callable[[Engine], list[str]]
    """Invariants that do not hold; any stops the run."""
    find: Callable[[Engine], list[Problem]] = lambda engine: []
    """Problems in the data."""


STAGES = (
    Stage("credit", from_charges.STEPS, credit_checks.broken, credit_checks.find),
    Stage("earn", from_credits.STEPS, earn_checks.broken),
    Stage("statement", from_earnings.STEPS, statement_checks.broken),
)


def settle(engine: Engine, plans: Sequence[Plan], period: Period, as_of: AsOf, progress: Callable[[str], None] = lambda name: None,
           sources: Mapping[str, str] | None = None) -> Run:
    """Settle the period over the charges (table `charges`) and the book (put_book) that the engine holds.

    `as_of` says up to which moment the facts in the engine were known, `sources` which file each import of charges came from. Raises Refused where the plans cannot be settled
    as one, where exact arithmetic does not fit, or where an invariant breaks.
    """
    _alike(plans)
    from_charges.put_plans(engine, plans)
    years = list(range(period.span.start.year - 1, period.last_day.year + 1))
    from_credits.put_periods(engine, years)
    start = period.span.start.replace(year=years[0], month=1)
    filled = from_charges.fragments(engine, plans, start, period.span.end)
    filled |= from_credits.fragments(engine, plans, period, int(filled["credit"]))
    problems = book_checks.find(engine)
    for stage in STAGES:
        progress(stage.name)
        for step in stage.steps:
            engine.run(step, filled)
        broken = stage.broken(engine)
        if broken:
            raise Refused([Problem("invariant-broken", Place(stage.name), {"stage": stage.name, "detail": detail}) for detail in broken])
        problems += stage.find(engine)
    return Run(engine, tuple(plans), period, as_of, tuple(in_order(problems)), sources or {})


def _alike(plans: Sequence[Plan]) -> None:
    for what in ("currency", "basis", "timezone"):
        found = {p.id: getattr(p.terms[0], what) for p in plans}
        if len(set(found.values())) > 1:
            detail = ", ".join(f"{plan}: {value}" for plan, value in found.items())
            raise Refused([Problem("plans-differ", Place(what), {"detail": detail})])
