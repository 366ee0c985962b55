"""The stages as one tuple.

Settling runs them; explaining reads what they left, and runs the first view again for single
charges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fenrun.base.problem import Place, Problem, in_order, refused
from fenrun.base.when import AsOf, Period
from fenrun.book.limits import refuse_over_limits
from fenrun.credit import from_charges
from fenrun.earn import from_credits
from fenrun.engine.port import Engine
from fenrun.payout import from_earnings
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.statement import from_payments
from fenrun.statement.run import Run

STAGES = (
    ("credit", from_charges.STEPS),
    ("earn", from_credits.STEPS),
    ("payout", from_earnings.STEPS),
    ("statement", from_payments.STEPS),
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
    for name, steps in STAGES:
        progress(name)
        for step in steps:
            engine.run(step, filled)
    return Run(engine, tuple(plans), period, as_of, tuple(in_order(problems)))


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


def _refuse_different(plans: Sequence[Plan]) -> None:
    """Raise Refused where plans differ in what plans that are settled together have in common."""
    for name in _IN_COMMON:
        found = {plan.id: getattr(plan.terms[0], name) for plan in plans}
        if len(set(found.values())) > 1:
            detail = ", ".join(f"{plan}: {value}" for plan, value in found.items())
            raise refused("plans-differ", Place(name), detail=detail)
