"""The stages as one tuple.

Settling runs them; explaining reads what they left, and runs the first view again for single
charges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fenrun.base.problem import Place, Problem, Refused, in_order, refused
from fenrun.base.when import AsOf, Period
from fenrun.book import checks as book_checks
from fenrun.book.limits import refuse_over_limits
from fenrun.credit import checks as credit_checks
from fenrun.credit import from_charges
from fenrun.earn import checks as earn_checks
from fenrun.earn import from_credits
from fenrun.engine.port import Engine
from fenrun.engine.steps import Step
from fenrun.payout import checks as payout_checks
from fenrun.payout import from_earnings
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.statement import checks as statement_checks
from fenrun.statement import from_payments
from fenrun.statement.run import Run


@dataclass(frozen=True)
class Stage:
    """A room of the house: its steps, and what must be true after them."""

    name: str
    steps: tuple[Step, ...]
    broken: Callable[[Engine, Sequence[Plan]], list[str]]
    """Invariants that do not hold; any stops the run."""
    find: Callable[[Engine, Sequence[Plan]], list[Problem]] = lambda engine, plans: []
    """Problems in the data."""


STAGES = (
    Stage("credit", from_charges.STEPS, credit_checks.broken, credit_checks.find),
    Stage("earn", from_credits.STEPS, earn_checks.broken, earn_checks.find),
    Stage("payout", from_earnings.STEPS, payout_checks.broken),
    Stage("statement", from_payments.STEPS, statement_checks.broken),
)

_IN_COMMON = (
    "currency",
    "timezone",
    "as_of",
    "registration_days",
    "open_registrations",
    "cooldown_months",
)
"""The terms in which plans that are settled together agree."""


def settle(
    engine: Engine,
    plans: Sequence[Plan],
    period: Period,
    as_of: AsOf,
    progress: Callable[[str], None] = lambda name: None,
    sources: Mapping[str, str] | None = None,
) -> Run:
    """Settle the period over the charges and the book (see load_book) that the engine holds.

    `as_of` says up to which moment the facts in the engine were known, `sources` which file each
    import of charges came from; `progress` is told the name of each stage. Raises Refused where the
    plans cannot be settled as one, where exact arithmetic does not fit, or where an invariant
    breaks.
    """
    _refuse_different(plans)
    plans = [plan_as_of(plan, as_of.known.date()) for plan in plans]
    problems = _load(engine, plans, period)
    filled = fragments(engine, plans, period)
    problems += book_checks.find(engine)
    for stage in STAGES:
        progress(stage.name)
        problems += _run(engine, stage, plans, filled)
    return Run(engine, tuple(plans), period, as_of, tuple(in_order(problems)), sources or {})


def _load(engine: Engine, plans: Sequence[Plan], period: Period) -> list[Problem]:
    """Load the plans and periods, and apply their limits to the book. Returns what is refused."""
    terms = plans[0].terms[0]
    problems = refuse_over_limits(
        engine, terms.registration_days, terms.open_registrations, terms.cooldown_months
    )
    from_charges.load_plan_rows(engine, plans)
    from_charges.load_extent(engine)
    first_charged = from_credits.first_charged(plans, period)
    from_credits.load_periods(engine, plans, first_charged, period.span.end)
    return problems


def fragments(engine: Engine, plans: Sequence[Plan], period: Period) -> dict[str, str]:
    """Return what fills the steps of all stages, for the facts that the engine holds."""
    filled = from_charges.fragments(engine, plans, *from_credits.charged(plans, period))
    filled |= from_credits.fragments(engine, plans, period, int(filled["credit"]))
    return filled | from_earnings.fragments(engine, plans, period)


def _run(
    engine: Engine, stage: Stage, plans: Sequence[Plan], filled: dict[str, str]
) -> list[Problem]:
    """Run a stage and return its problems. Raises Refused where one of its invariants breaks."""
    for step in stage.steps:
        engine.run(step, filled)
    broken = stage.broken(engine, plans)
    if broken:
        place = Place(stage.name)
        raise Refused(
            Problem("invariant-broken", place, {"stage": stage.name, "detail": detail})
            for detail in broken
        )
    return stage.find(engine, plans)


def _refuse_different(plans: Sequence[Plan]) -> None:
    """Raise Refused where plans differ in what plans that are settled together have in common."""
    for name in _IN_COMMON:
        found = {plan.id: getattr(plan.terms[0], name) for plan in plans}
        if len(set(found.values())) > 1:
            detail = ", ".join(f"{plan}: {value}" for plan, value in found.items())
            raise refused("plans-differ", Place(name), detail=detail)
