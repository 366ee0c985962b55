"""Settling: plans and facts to a run, by the steps of the stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fenrun.base.problem import Place, in_order, refused
from fenrun.base.when import AsOf, Period
from fenrun.book.as_of import Sources
from fenrun.credit.stored_charges import Source
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Runner
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.decoded import load_results
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.on_whole_numbers import earn_stored, settle_stored
from fenrun.statement.run import Run

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
    engine: DuckDB,
    charges: Source,
    book: Sources,
    plans: Sequence[Plan],
    period: Period,
    as_of: AsOf,
    progress: Callable[[str], None] = lambda name: None,
    sources: Mapping[str, str] | None = None,
    make: Callable[[], Runner] | None = None,
    kept: KeptMonths | None = None,
) -> Run:
    """Settle the period over charges and a book, in an engine that keeps the results.

    `as_of` says up to which moment the facts were known, `sources` which file each import of
    charges came from; `progress` is told the name of each stage. Raises Refused where the
    plans cannot be settled as one, where exact arithmetic does not fit, or where an invariant
    breaks.
    """
    _refuse_different(plans)
    plans = [plan_as_of(plan, as_of.known.date()) for plan in plans]
    problems = settle_stored(
        engine,
        charges,
        plans,
        book,
        period,
        progress,
        lambda done: load_results(done, engine),
        make,
        kept,
    )
    found = tuple(in_order(problems))
    return Run(engine, tuple(plans), period, as_of, found, charges, lambda: book, sources or {})


def earn(
    engine: DuckDB,
    charges: Source,
    book: Sources,
    plans: Sequence[Plan],
    period: Period,
    as_of: AsOf,
) -> Run:
    """Settle as `settle` does, up to `earnings`: the engine keeps that table alone.

    Raises Refused where the plans cannot be settled as one, or exact arithmetic does not fit.
    """
    _refuse_different(plans)
    plans = [plan_as_of(plan, as_of.known.date()) for plan in plans]
    earn_stored(
        engine, charges, plans, book, period, lambda done: load_results(done, engine, "earnings")
    )
    return Run(engine, tuple(plans), period, as_of, (), charges, lambda: book)


def _refuse_different(plans: Sequence[Plan]) -> None:
    """Raise Refused where plans differ in what plans that are settled together have in common."""
    for name in _IN_COMMON:
        found = {plan.id: getattr(plan.terms[0], name) for plan in plans}
        if len(set(found.values())) > 1:
            detail = ", ".join(f"{plan}: {value}" for plan, value in found.items())
            raise refused("plans-differ", Place(name), detail=detail)
