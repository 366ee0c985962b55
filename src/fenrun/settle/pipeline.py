"""Settling: plans and facts to a run, by the steps of the stages and their checks.

A small world is settled in thousandths of a second, by the same steps as a large one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from fenrun.base.problem import Place, Problem, in_order, refused
from fenrun.base.when import AsOf, Period
from fenrun.book import checks as book_checks
from fenrun.book.as_codes import Book, book_of, named_subjects
from fenrun.book.as_of import Sources
from fenrun.credit import checks as credit_checks
from fenrun.credit.charges_as_codes import Charge, Coded, basis_of, billed_between, cost_scale
from fenrun.credit.crediting import bases_of
from fenrun.credit.stored_charges import Source, StoredCharges
from fenrun.earn import checks as earn_checks
from fenrun.earn.calendar import charged
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.payout import checks as payout_checks
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.decoded import load_results
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.months import Months
from fenrun.settle.results import KEPT
from fenrun.settle.settling import (
    FOR_READERS,
    Result,
    Settlement,
    Settling,
    fitting,
    refuse_broken,
)
from fenrun.statement import checks as statement_checks
from fenrun.statement.run import Run

Inspect = Callable[[Settling, StoredCharges], None]
_SMALL = 50_000
"""The most charges and links that SQLite takes."""
_IN_COMMON = (
    "currency",
    "timezone",
    "as_of",
    "registration_days",
    "open_registrations",
    "first_come",
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
    inspect: Inspect = lambda settling, charges: None,
    by_customer: bool = False,
    figures: Sources = (),
) -> Run:
    """Settle the period over charges and a book, in an engine that keeps the results.

    `as_of` says up to which moment the facts were known, `sources` from which file each import
    of charges came; `progress` is told the name of each stage. SQLite runs what is small and DuckDB
    the rest, or both the runner that `make` gives. Months that are `kept` are not measured again,
    unless that is quicker. `inspect` is shown the settlement while its tables are there.
    `by_customer`, the engine also keeps what lines measure of each customer. `figures` are those
    that are counted: a part of the book on which no measure rests. Raises Refused where the plans
    cannot be settled as one, where exact arithmetic does not fit, or where an invariant breaks.
    """
    plans = _as_known(plans, as_of)
    stored = StoredCharges(engine, charges, plans, bases_of(plans), charged(plans, period))
    whole = [*book, *figures]
    facts = book_of(whole)

    def settle_by(runner: Runner) -> list[Problem]:
        progress("credit")
        settling = Settling(runner, plans, period, facts, stored.scale, by_customer)
        problems = settling.load_book()
        problems += book_checks.find(runner, settling.codes, settling.shares)
        settling.load_plans()
        if kept and (make or not _is_small(stored, facts)):
            Months(settling, kept, stored, book).measure()
        else:
            settling.measure(stored)
        settling.earn()
        settling.pay()
        settling.run_statements()
        _refuse_broken(settling)
        problems += _problems(settling, stored)
        inspect(settling, stored)
        load_results(settling.settled(problems), engine, *KEPT, *settling.asked)
        return problems

    problems = tuple(in_order(_in_schema(stored, facts, settle_by, make)))
    return Run(engine, tuple(plans), period, as_of, problems, charges, lambda: whole, sources or {})


def earn(
    engine: DuckDB,
    charges: Source,
    book: Sources,
    plans: Sequence[Plan],
    period: Period,
    as_of: AsOf,
    kept: KeptMonths | None = None,
    result: str = "earnings",
    figures: Sources = (),
) -> Run:
    """Settle as `settle` does, up to a `result` of earning: the engine keeps that table alone.

    For who asks how far lines have come, or what many plans earn: nothing is paid, and no problem
    is looked for. Raises Refused where the plans cannot be settled as one, or exact arithmetic does
    not fit.
    """
    plans = _as_known(plans, as_of)
    stored = StoredCharges(engine, charges, plans, bases_of(plans), charged(plans, period))
    whole = [*book, *figures]
    facts = book_of(whole)

    def settle_by(runner: Runner) -> None:
        settling = Settling(runner, plans, period, facts, stored.scale)
        settling.asked.add(result)
        problems = settling.load_book()
        settling.load_plans()
        if kept and not _is_small(stored, facts):
            Months(settling, kept, stored, book).measure()
        else:
            settling.group(stored)
            settling.credit(FOR_READERS | {"groups", "credited_sums"})
        settling.earn(without=FOR_READERS | {"credited", "not_counted"})
        load_results(settling.settled(problems), engine, result)

    _in_schema(stored, facts, settle_by, None)
    return Run(engine, tuple(plans), period, as_of, (), charges, lambda: whole)


def settle_in_memory(
    plans: Sequence[Plan],
    sources: Sources,
    charges: Sequence[Charge],
    period: Period,
    known: date,
    make: Callable[[], Runner] | None = None,
) -> Settlement:
    """Settle a period over charges and books in memory, as known on a day.

    SQLite runs it where no number can pass 62 bits, DuckDB else, or the runner that is asked for.
    No statements are made. Raises Refused where exact arithmetic does not fit.
    """
    plans = [plan_as_of(plan, known) for plan in plans]
    charges = list(billed_between(charges, *charged(plans, period)))
    bases, book = bases_of(plans), book_of(sources)
    costs = (basis_of(charge, basis) for charge in charges for basis in bases)
    total = sum((abs(cost) for cost in costs if cost is not None), Decimal(0))

    def settle_by(runner: Runner) -> Settlement:
        settling = Settling(runner, plans, period, book, cost_scale(charges, bases))
        settling.refuse_large([total])
        problems = settling.load_book()
        crediting = settling.crediting
        named = {(kind, code) for kind, _, _, code in named_subjects(book, crediting.codes)}
        Coded(crediting, named, settling.cost_scale).load(runner, charges)
        settling.load_plans()
        settling.credit(FOR_READERS)
        settling.earn(without=FOR_READERS | {"not_counted"})
        settling.pay()
        return settling.settled(problems)

    return fitting([make] if make else [SQLite, Bulk], settle_by)


def spend(
    engine: DuckDB, charges: Source, book: Sources, plan: Plan, months: Period
) -> dict[str, Decimal]:
    """Return what is charged to each customer in some months, in a plan's basis and currency.

    Raises Refused where exact arithmetic does not fit.
    """
    days, bases = (months.span.start, months.span.end), bases_of([plan])
    stored = StoredCharges(engine, charges, [plan], bases, days)

    def ask(runner: Runner) -> dict[str, Decimal]:
        settling = Settling(runner, [plan], months, book_of(book), stored.scale)
        settling.load_book()
        settling.group(stored)
        return settling.spend()

    return _in_schema(stored, book_of(book), ask, None)


def spend_in_memory(
    sources: Sources, charges: Sequence[Charge], plan: Plan, months: Period
) -> dict[str, Decimal]:
    """Return the same of charges in memory."""
    bases, book = bases_of([plan]), book_of(sources)
    some = list(billed_between(charges, months.span.start, months.span.end))
    scale = cost_scale(some, bases)

    def ask(runner: Runner) -> dict[str, Decimal]:
        settling = Settling(runner, [plan], months, book, scale)
        settling.load_book()
        codes = settling.crediting.codes
        named = {(kind, code) for kind, _, _, code in named_subjects(book, codes)}
        Coded(settling.crediting, named, scale).load(runner, some)
        return settling.spend(with_groups=True)

    return fitting([SQLite, Bulk], ask)


def _as_known(plans: Sequence[Plan], as_of: AsOf) -> list[Plan]:
    """Return the plans as they were known. Raises Refused where they cannot be settled as one."""
    for name in _IN_COMMON:
        found = {plan.id: getattr(plan.terms[0], name) for plan in plans}
        if len(set(found.values())) > 1:
            detail = ", ".join(f"{plan}: {value}" for plan, value in found.items())
            raise refused("plans-differ", Place(name), detail=detail)
    return [plan_as_of(plan, as_of.known.date()) for plan in plans]


def _in_schema(
    charges: StoredCharges,
    book: Book,
    settle_by: Callable[[Runner], Result],
    make: Callable[[], Runner] | None,
) -> Result:
    """Settle in a temporary schema of the charges' engine, and in SQLite what is small."""
    engine = charges.engine
    with engine.temporary_schema("settling"):
        # SQLite may refuse what it then has read.
        twice = _is_small(charges, book) and not engine.is_far
        makes = [make] if make else [engine.small, engine.bulk] if twice else [engine.bulk]
        return fitting(makes, settle_by)


def _is_small(charges: StoredCharges, book: Book) -> bool:
    """Return whether there is little to settle."""
    return bool(charges.rows() + book.links.num_rows <= _SMALL)


def _refuse_broken(settling: Settling) -> None:
    """Raise Refused where an invariant of earnings, payouts or statements breaks."""
    runner = settling.runner
    refuse_broken(
        {
            "earn": earn_checks.broken(runner, settling.earning),
            "payout": payout_checks.broken(runner, settling.paying),
            "statement": statement_checks.broken(runner),
        }
    )


def _problems(settling: Settling, charges: StoredCharges) -> list[Problem]:
    scales = (settling.cost_scale, settling.scales.credit)
    runner, crediting = settling.runner, settling.crediting
    return [
        *credit_checks.find(runner, crediting, scales, charges.present),
        *earn_checks.find(runner, settling.earning),
        *payout_checks.find(runner, settling.paying),
    ]
