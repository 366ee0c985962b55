"""Settle on whole numbers: a small world in thousandths of a second, by the same steps as a large
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

from fenrun.base.problem import Problem
from fenrun.base.when import Period
from fenrun.book import checks as book_checks
from fenrun.book.as_codes import Book, book_of, named_subjects
from fenrun.book.as_of import Sources
from fenrun.credit import checks as credit_checks
from fenrun.credit.charges_as_codes import Charge, Coded, basis_of, billed_between, cost_scale
from fenrun.credit.on_whole_numbers import bases_of
from fenrun.credit.stored_charges import Source, StoredCharges
from fenrun.earn import checks as earn_checks
from fenrun.earn.from_credits import charged
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.payout import checks as payout_checks
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.months import Months
from fenrun.settle.settling import (
    FOR_READERS,
    Result,
    Settlement,
    Settling,
    fitting,
    refuse_broken,
)
from fenrun.statement import checks as statement_checks

_SMALL = 50_000
"""The most charges and links that SQLite takes."""


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

    def settle(runner: Runner) -> Settlement:
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

    return fitting([make] if make else [SQLite, Bulk], settle)


def settle_stored(
    engine: DuckDB,
    source: Source,
    plans: Sequence[Plan],
    sources: Sources,
    period: Period,
    progress: Callable[[str], None],
    finish: Callable[[Settlement], None],
    make: Callable[[], Runner] | None = None,
    kept: KeptMonths | None = None,
) -> tuple[Problem, ...]:
    """Settle a period over charges of a workspace, under plans as they were known.

    The tables are there for `finish`, and gone when it has returned. Months that are `kept` are not
    measured again, unless that is quicker. Returns the problems of book and charges. Raises Refused
    where exact arithmetic does not fit or an invariant breaks.
    """
    charges = StoredCharges(engine, source, plans, bases_of(plans), charged(plans, period))
    book = book_of(sources)

    def settle(runner: Runner) -> tuple[Problem, ...]:
        progress("credit")
        settling = Settling(runner, plans, period, book, charges.scale)
        problems = settling.load_book()
        problems += book_checks.find(runner, settling.codes, settling.shares)
        settling.load_plans()
        if kept and (make or not _is_small(charges, book)):
            Months(settling, kept, charges, sources).measure()
        else:
            settling.measure(charges)
        settling.earn()
        settling.pay()
        settling.run_statements()
        refuse_broken(
            {
                "earn": earn_checks.broken(runner, settling.earning),
                "payout": payout_checks.broken(runner, settling.paying),
                "statement": statement_checks.broken(runner),
            }
        )
        problems += _problems(settling, charges)
        finish(settling.settled(problems))
        return tuple(problems)

    return _in_schema(charges, book, settle, make)


def earn_stored(
    engine: DuckDB,
    source: Source,
    plans: Sequence[Plan],
    sources: Sources,
    period: Period,
    finish: Callable[[Settlement], None],
) -> None:
    """Run the steps up to earnings alone over charges of a workspace, as settle_stored does.

    For who asks how far lines have come: nothing is paid, and no problem is looked for.
    """
    charges = StoredCharges(engine, source, plans, bases_of(plans), charged(plans, period))
    book = book_of(sources)

    def settle(runner: Runner) -> None:
        settling = Settling(runner, plans, period, book, charges.scale)
        problems = settling.load_book()
        settling.load_plans()
        settling.group(charges)
        settling.credit(FOR_READERS | {"groups", "credited_sums"})
        settling.earn(without=FOR_READERS | {"credited", "not_counted"})
        finish(settling.settled(problems))

    _in_schema(charges, book, settle, None)


def _in_schema(
    charges: StoredCharges,
    book: Book,
    settle: Callable[[Runner], Result],
    make: Callable[[], Runner] | None,
) -> Result:
    """Settle in a temporary schema of the charges' engine, and in SQLite what is small."""
    engine = charges.engine

    def bulk() -> Runner:
        return Bulk(engine.connection)

    with engine.temporary_schema("settling"):
        # SQLite may refuse what it then has read.
        twice = _is_small(charges, book) and not engine.is_far
        makes = [make] if make else [SQLite, bulk] if twice else [bulk]
        return fitting(makes, settle)


def _is_small(charges: StoredCharges, book: Book) -> bool:
    """Return whether there is little to settle."""
    return bool(charges.rows() + book.links.num_rows <= _SMALL)


def _problems(settling: Settling, charges: StoredCharges) -> list[Problem]:
    scales = (settling.cost_scale, settling.scales.credit)
    runner, crediting = settling.runner, settling.crediting
    return [
        *credit_checks.find(runner, crediting, scales, charges.present),
        *earn_checks.find(runner, settling.earning),
    ]
