"""Settling: plans and facts to a run, by the steps of the stages and their checks.

A small world is settled in thousandths of a second, by the same steps as a large one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import TypeVar

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused, in_order
from fenrun.base.when import AsOf, Period
from fenrun.book import checks as book_checks
from fenrun.book.as_codes import Book, book_of, named_subjects
from fenrun.book.as_of import Sources
from fenrun.credit import checks as credit_checks
from fenrun.credit.charges_as_codes import Charge, Coded, basis_of, billed_between, cost_scale
from fenrun.credit.crediting import bases_of
from fenrun.credit.stored_charges import Source, StoredCharges
from fenrun.earn import checks as earn_checks
from fenrun.earn.calendar import charged, first_converted
from fenrun.engine.codes import month_number
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.payout import checks as payout_checks
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan, settled_together
from fenrun.settle.decoded import Results, load_results, results_of
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.months import Months
from fenrun.settle.results import KEPT
from fenrun.settle.settling import (
    FOR_READERS,
    WORKING_DECIMALS,
    Settlement,
    Settling,
    fitting,
    fitting_or_rounded,
    is_too_large,
    refuse_broken,
)
from fenrun.statement import checks as statement_checks
from fenrun.statement.run import ALL_DECIMALS, Rounding, Run

Found = TypeVar("Found")
Inspect = Callable[[Settling, StoredCharges], None]
_SMALL = 50_000
"""The most charges and links that SQLite takes."""


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
    rounding: Rounding = ALL_DECIMALS,
) -> Run:
    """Settle the period over charges and a book, in an engine that keeps the results.

    Plans of other currencies, time zones and the like are settled in groups, one after the other:
    nothing of one group is added to another's.

    `as_of` says up to which moment the facts were known, `sources` from which file each import
    of charges came; `progress` is told the name of each stage. SQLite runs what is small and DuckDB
    the rest, or both the runner that `make` gives. Months that are `kept` are not measured again,
    unless that is quicker. `inspect` is shown the settlement of each group while its tables are
    there. `by_customer`, the engine also keeps what lines measure of each customer. `figures` are
    those that are counted: a part of the book on which no measure rests. `rounding` says of plans
    on how many decimals the whole was settled of which this is a part. Raises Refused where exact
    arithmetic does not fit, or where an invariant breaks.
    """
    plans = _as_known(plans, as_of)
    counted = {c for plan in plans for c in (plan.currency, *plan.converts)}
    whole = [*book, *figures]
    facts = book_of(whole)
    problems: list[Problem] = []

    def settle_by(
        group: Sequence[Plan], stored: StoredCharges, runner: Runner, measured: int | None
    ) -> Results:
        progress("credit")
        settling = Settling(
            runner, group, period, facts, stored.scale, by_customer, measured=measured
        )
        found = settling.load_book()
        found += book_checks.find(runner, settling.codes, settling.shares)
        settling.load_plans()
        # What is rounded is not what its parts, rounded each, sum to.
        if (
            kept
            and not stored.rounds
            and not settling.crediting.rounds
            and (make or not _is_small(stored, facts))
        ):
            Months(settling, kept, stored, book).measure()
        else:
            settling.measure(stored)
        settling.earn()
        settling.pay()
        settling.run_statements()
        _refuse_broken(settling)
        found += _problems(settling, stored, counted)
        inspect(settling, stored)
        results = results_of(settling.settled(found), *KEPT, *settling.asked)
        problems.extend(problem for problem in found if not _is_said(problem, problems))
        return results

    _settle_groups(engine, charges, facts, plans, period, settle_by, make, rounding)
    said = tuple(in_order(problems))
    return Run(engine, tuple(plans), period, as_of, said, charges, lambda: whole, sources or {})


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
    is looked for. Raises Refused where exact arithmetic does not fit.
    """
    plans = _as_known(plans, as_of)
    whole = [*book, *figures]
    facts = book_of(whole)

    def settle_by(
        group: Sequence[Plan], stored: StoredCharges, runner: Runner, measured: int | None
    ) -> Results:
        settling = Settling(runner, group, period, facts, stored.scale, measured=measured)
        settling.asked.add(result)
        problems = settling.load_book()
        settling.load_plans()
        if (
            kept
            and not stored.rounds
            and not settling.crediting.rounds
            and not _is_small(stored, facts)
        ):
            Months(settling, kept, stored, book).measure()
        else:
            settling.group(stored)
            settling.credit(FOR_READERS | {"groups", "credited_sums"})
        settling.earn(without=FOR_READERS | {"credited", "not_counted"})
        return results_of(settling.settled(problems), result)

    _settle_groups(engine, charges, facts, plans, period, settle_by, None)
    return Run(engine, tuple(plans), period, as_of, (), charges, lambda: whole)


def settle_in_memory(
    plans: Sequence[Plan],
    sources: Sources,
    charges: Sequence[Charge],
    period: Period,
    known: date,
    make: Callable[[], Runner] | None = None,
    done: Settlement | None = None,
) -> Settlement:
    """Settle a period over charges and books in memory, as known on a day.

    SQLite runs it where no number can pass 62 bits, DuckDB else, or the runner that is asked for.
    No statements are made. `done` is one of the same plans that nobody reads any more: its database
    serves again, with all that is planned in it. Raises Refused where exact arithmetic does not
    fit.
    """
    plans = [plan_as_of(plan, known) for plan in plans]
    charges = list(billed_between(charges, *charged(plans, period)))
    bases, book = bases_of(plans), book_of(sources)
    costs = (basis_of(charge, basis) for charge in charges for basis in bases)
    total = sum((abs(cost) for cost in costs if cost is not None), Decimal(0))

    def settle_by(runner: Runner, measured: int | None) -> Settlement:
        scale = cost_scale(charges, plans)
        codes = done.codes if done else None
        settling = Settling(runner, plans, period, book, scale, measured=measured, codes=codes)
        settling.refuse_large([total])
        problems = settling.load_book()
        crediting = settling.crediting
        named = {(kind, code) for kind, _, _, code in named_subjects(book, crediting.codes)}
        Coded(crediting, named, settling.cost_scale).load(runner, charges)
        settling.load_plans()
        settling.credit(FOR_READERS - {"foreign_sums"})
        settling.earn(without=FOR_READERS | {"not_counted"})
        settling.pay()
        since = month_number(first_converted(plans, period))
        problems += credit_checks.without_rate(runner, crediting, settling.cost_scale, since)
        return settling.settled(problems + settling.rounded_measures())

    def small() -> Runner:
        return done.runner if done and done.runner.is_narrow else SQLite()

    return fitting_or_rounded([make] if make else [small, Bulk], settle_by)


def spend(
    engine: DuckDB, charges: Source, book: Sources, plan: Plan, months: Period
) -> dict[str, Decimal]:
    """Return what is charged to each customer in some months, in a plan's basis and currency.

    Raises Refused where exact arithmetic does not fit.
    """
    days, bases = (months.span.start, months.span.end), bases_of([plan])
    stored = StoredCharges(engine, charges, [plan], bases, days)

    def ask(runner: Runner, measured: int | None) -> dict[str, Decimal]:
        settling = Settling(runner, [plan], months, book_of(book), stored.scale, measured=measured)
        settling.load_book()
        settling.group(stored)
        return settling.spend()

    return _in_schema(stored, book_of(book), ask)


def spend_in_memory(
    sources: Sources, charges: Sequence[Charge], plan: Plan, months: Period
) -> dict[str, Decimal]:
    """Return the same of charges in memory."""
    book = book_of(sources)
    some = list(billed_between(charges, months.span.start, months.span.end))
    scale = cost_scale(some, [plan])

    def ask(runner: Runner) -> dict[str, Decimal]:
        settling = Settling(runner, [plan], months, book, scale)
        settling.load_book()
        codes = settling.crediting.codes
        named = {(kind, code) for kind, _, _, code in named_subjects(book, codes)}
        Coded(settling.crediting, named, scale).load(runner, some)
        return settling.spend(with_groups=True)

    return fitting([SQLite, Bulk], ask)


def _as_known(plans: Sequence[Plan], as_of: AsOf) -> list[Plan]:
    """Return the plans as they were known."""
    return [plan_as_of(plan, as_of.known.date()) for plan in plans]


def _settle_groups(
    engine: DuckDB,
    charges: Source,
    book: Book,
    plans: Sequence[Plan],
    period: Period,
    settle_by: Callable[[Sequence[Plan], StoredCharges, Runner, int | None], Results],
    make: Callable[[], Runner] | None,
    rounding: Rounding = ALL_DECIMALS,
) -> None:
    """Settle each group of plans, and load the results of all into the engine.

    Where what is credited does not fit, costs are rounded, each charge's by itself.
    """
    found = []
    for group in settled_together(plans):
        costs, measures = rounding.most(group)
        source = (engine, charges, group, bases_of(group), charged(group, period))
        by = partial(settle_by, group)
        found.append(_settle_group(StoredCharges(*source, costs), book, by, make, measures))
    load_results(found, engine)


def _settle_group(
    charges: StoredCharges,
    book: Book,
    settle_by: Callable[[StoredCharges, Runner, int | None], Results],
    make: Callable[[], Runner] | None,
    most: int | None,
) -> Results:
    """Settle plans over charges, or over their costs on fewer decimals where these are too many."""
    scales = [charges.scale, *(n for n in WORKING_DECIMALS if n < charges.scale)]
    for scale in scales:
        some = charges.with_scale(scale)
        try:
            return _in_schema(some, book, partial(settle_by, some), make, most)
        except Refused as refusal:
            if scale == scales[-1] or not is_too_large(refusal):
                raise
    raise AssertionError("the last way returns or raises")


def _in_schema(
    charges: StoredCharges,
    book: Book,
    settle_by: Callable[[Runner, int | None], Found],
    make: Callable[[], Runner] | None = None,
    most: int | None = None,
) -> Found:
    """Settle in a temporary schema of the charges' engine, and in SQLite what is small."""
    engine = charges.engine
    with engine.temporary_schema("settling"):
        # SQLite may refuse what it then has read.
        twice = _is_small(charges, book) and not engine.is_far
        makes = [make] if make else [engine.small, engine.bulk] if twice else [engine.bulk]
        return fitting_or_rounded(makes, settle_by, most)


def _is_said(problem: Problem, said: Sequence[Problem]) -> bool:
    """Return whether a problem is said already: what another group of plans met, too.

    Of charges that no plan counts each group says how many it looked at: the first is enough.
    """
    if problem.code == credit_checks.UNCOUNTED:
        return any((one.code, one.place) == (problem.code, problem.place) for one in said)
    return problem in said


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


def _rounded_costs(settling: Settling, charges: StoredCharges) -> list[Problem]:
    """Return by how much costs were rounded, plan by plan, where they were."""
    if not charges.rounds:
        return []
    count, difference = charges.rounded()
    said = {"decimals": charges.scale, "count": count, "difference": plain(difference)}
    return [Problem("costs-rounded", Place(plan.id), said) for plan in settling.plans]


def _problems(
    settling: Settling, charges: StoredCharges, counted: Collection[str]
) -> list[Problem]:
    """Return the problems of a group of plans; `counted` are the currencies of all groups."""
    scales = (settling.cost_scale, settling.scales.credit)
    since = month_number(first_converted(settling.plans, settling.period))
    first = month_number(settling.period.span.start)
    runner, crediting = settling.runner, settling.crediting
    return [
        *credit_checks.find(runner, crediting, scales, charges.present, counted, since, first),
        *_rounded_costs(settling, charges),
        *settling.rounded_measures(),
        *earn_checks.find(runner, settling.earning),
        *payout_checks.find(runner, settling.paying),
    ]
