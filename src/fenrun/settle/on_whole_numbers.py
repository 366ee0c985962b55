"""Settle on whole numbers: a small world in thousandths of a second, by the same steps as a large
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.when import Period
from fenrun.book import checks as book_checks
from fenrun.book.as_codes import Book, Shares, book_of, load_book, named_subjects, shares_of
from fenrun.book.as_of import Sources
from fenrun.credit import checks as credit_checks
from fenrun.credit.charges_as_codes import Charge, Coded, basis_of, billed_between, cost_scale
from fenrun.credit.on_whole_numbers import Crediting, bases_of
from fenrun.credit.stored_charges import Month, Source, StoredCharges
from fenrun.earn import checks as earn_checks
from fenrun.earn.from_credits import charged
from fenrun.earn.on_whole_numbers import Earning, Scales, scales_of
from fenrun.engine.codes import Codes, unscaled
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.engine.steps import read_steps
from fenrun.payout import checks as payout_checks
from fenrun.payout.on_whole_numbers import Paying
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.statement import checks as statement_checks

Result = TypeVar("Result")
_SAFE = 1 << 62
"""The bound of every number that SQLite may meet: half of what 64 bits hold."""
_SMALL = 50_000
"""The most charges and links that SQLite takes."""
_EARNED = ("credits", "performance_measures", "component_earnings", "earnings")
_RESULTS = (*_EARNED, "payments")
"""The tables that hold amounts which others are made of."""
_STATEMENT_STEPS = read_steps("fenrun.statement", "whole.sql")
_FOR_READERS = frozenset(
    (
        *("team_sums", "held_sums", "coverage", "uncredited_groups", "uncredited_sums"),
        *("charged_sums", "foreign_sums", "lacking_sums"),
        *("team_credits", "held_spend", "uncredited", "ledger"),
    )
)
"""Steps of crediting that only statements and their readers ask for."""


@dataclass(frozen=True)
class Settlement:
    """The tables of codes that a settlement on whole numbers leaves, and how they are read."""

    runner: Runner
    crediting: Crediting
    earning: Earning
    paying: Paying
    cost_scale: int
    """Decimals of the costs."""
    problems: tuple[Problem, ...]
    """What the plan's limits refused of the book."""

    @property
    def codes(self) -> Codes:
        """The texts that codes stand for."""
        return self.crediting.codes

    @property
    def scales(self) -> Scales:
        """The decimals of each kind of amount."""
        return self.earning.scales

    def amount(self, sql: str, values: Sequence[int], scale: int) -> Decimal:
        """Return the amount that a query of one row finds."""
        found = self.runner.rows(sql, values)[0][0]
        return unscaled(int(found), scale) or Decimal(0)


class Settling:
    """A settlement under way: first the book, then charges, then stage by stage."""

    def __init__(
        self,
        runner: Runner,
        plans: Sequence[Plan],
        period: Period,
        book: Book,
        cost_scale: int,
        by_customer: bool = False,
    ):
        self.runner, self.plans, self.period, self.book = runner, plans, period, book
        self.months: Sequence[Month] = ()
        self.cost_scale, self.shares, codes = cost_scale, shares_of(book), Codes()
        self.scales = _scales(plans, book, self.shares, cost_scale)
        lift = self.scales.measure - self.scales.credit
        self.crediting = Crediting(plans, period, codes, self.shares, lift, by_customer)
        self.earning = Earning(plans, period, codes, self.scales)
        self.paying = Paying(plans, period, codes, self.scales, book)

    @property
    def codes(self) -> Codes:
        """The texts that codes stand for."""
        return self.crediting.codes

    def refuse_large(self, sizes: Sequence[Decimal]) -> None:
        """Raise Refused where SQLite would meet a number that it may not hold exactly.

        `sizes` are the sums of costs without their signs.
        """
        total = sum(sizes, Decimal(0))
        figures = _figures(self.book)
        is_fine = not isinstance(self.runner, SQLite)
        if not is_fine and not _is_small(self.plans, total, figures, self.scales):
            raise refused("amount-too-large", Place("sqlite"))

    def group(self, charges: StoredCharges, for_rows: bool = False) -> None:
        """Make groups of charges. Raises Refused where SQLite may not hold what they give."""

        def check(months: Sequence[Month]) -> None:
            self.months = months
            self.refuse_large([size for month in months for size in month.sizes])

        charges.groups(self.crediting, self.book, self.runner, check, for_rows)

    def load_book(self) -> list[Problem]:
        """Load the book; return what the plans' limits refuse of it."""
        terms, codes = self.plans[0].terms[0], self.crediting.codes
        limits = (terms.registration_days, terms.open_registrations, terms.cooldown_months)
        with_tenures = self.crediting.reads_holders()
        scale = self.scales.measure
        return load_book(self.runner, self.book, codes, self.shares, limits, scale, with_tenures)

    def measure(self) -> None:
        """Run the steps from groups to what counts."""
        self.crediting.load(self.runner)
        self.earning.load(self.runner)
        self.crediting.measure(self.runner, _FOR_READERS | {"groups", "credited_sums"})
        self.earning.run(self.runner, last="qualifying_amounts")

    def run(self, without: frozenset[str]) -> None:
        """Run all steps from groups, or charges, to payments."""
        self.earn(without)
        self.paying.load(self.runner)
        self.paying.run(self.runner)
        self.runner.refuse_floats(_RESULTS)

    def earn(self, without: frozenset[str]) -> None:
        """Run all steps from groups, or charges, to earnings."""
        self.crediting.load(self.runner)
        self.earning.load(self.runner)
        self.crediting.measure(self.runner, without)
        self.crediting.tell(self.runner, without)
        self.earning.run(self.runner, without)

    def run_statements(self) -> None:
        """Run the steps of statements."""
        filled = self.crediting.fragments()
        for step in _STATEMENT_STEPS:
            self.runner.run(step, filled)

    def settled(self, problems: list[Problem]) -> Settlement:
        """Return what was settled."""
        parts = (self.crediting, self.earning, self.paying, self.cost_scale)
        return Settlement(self.runner, *parts, tuple(problems))


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
        settling.run(without=_FOR_READERS | {"not_counted"})
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
) -> tuple[Problem, ...]:
    """Settle a period over charges of a workspace, under plans as they were known.

    The tables are there for `finish`, and gone when it has returned. Returns the problems of book
    and charges. Raises Refused where exact arithmetic does not fit or an invariant breaks.
    """
    charges = StoredCharges(engine, source, plans, bases_of(plans), charged(plans, period))
    book = book_of(sources)

    def settle(runner: Runner) -> tuple[Problem, ...]:
        progress("credit")
        settling = Settling(runner, plans, period, book, charges.scale)
        problems = settling.load_book()
        problems += book_checks.find(runner, settling.codes, settling.shares)
        settling.group(charges)
        settling.run(without=frozenset(("groups",)))
        settling.run_statements()
        _refuse_broken(settling)
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
        settling.group(charges)
        settling.earn(without=_FOR_READERS | {"groups", "not_counted"})
        runner.refuse_floats(_EARNED)
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
        is_small = charges.rows() + book.links.num_rows <= _SMALL
        twice = is_small and not engine.is_far  # SQLite may refuse what it then has read
        makes = [make] if make else [SQLite, bulk] if twice else [bulk]
        return fitting(makes, settle)


def fitting(makes: Sequence[Callable[[], Runner]], settle: Callable[[Runner], Result]) -> Result:
    """Settle in the first of some runners in which exact arithmetic fits. Raises Refused."""
    *tried, last = makes
    for make in tried:
        try:
            return settle(make())
        except Refused as refusal:
            if {problem.code for problem in refusal.problems} != {"amount-too-large"}:
                raise
    return settle(last())


def _problems(settling: Settling, charges: StoredCharges) -> list[Problem]:
    scales = (settling.cost_scale, settling.scales.credit)
    runner, crediting = settling.runner, settling.crediting
    return [
        *credit_checks.find(runner, crediting, scales, charges.present),
        *earn_checks.find(runner, settling.earning),
    ]


def _refuse_broken(settling: Settling) -> None:
    """Raise Refused where an invariant of some stage breaks."""
    runner, crediting, earning = settling.runner, settling.crediting, settling.earning
    found = {
        "credit": credit_checks.broken(runner, crediting) + _lost(settling),
        "earn": earn_checks.broken(runner, crediting, earning),
        "payout": payout_checks.broken(runner, settling.paying),
        "statement": statement_checks.broken(runner),
    }
    problems = [
        Problem("invariant-broken", Place(stage), {"stage": stage, "detail": detail})
        for stage, broken in found.items()
        for detail in broken
    ]
    if problems:
        raise Refused(problems)


def _lost(settling: Settling) -> list[str]:
    """Return what is broken where groups do not sum to the charges that they were made of."""
    names = settling.crediting.amount_names()
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
    found = settling.runner.rows(f"SELECT {sums} FROM groups")[0]
    totals = [unscaled(int(value), settling.cost_scale) for value in found]
    charged = [
        sum((month.totals[n] for month in settling.months), Decimal(0)) for n in range(len(names))
    ]
    return [] if totals == charged else ["groups do not sum to the charges"]


def _scales(plans: Sequence[Plan], book: Book, shares: Shares, cost_scale: int) -> Scales:
    depth = max((len(plan.roll_ups) for plan in plans), default=0)
    credit = cost_scale + shares.customer + shares.role + shares.party * depth
    return scales_of(plans, _figures(book), credit, shares.party)


def _figures(book: Book) -> list[Decimal]:
    """Return the distinct amounts of the book's figures."""
    found: list[Decimal] = book.figures["amount"].unique().to_pylist()
    return found


def _is_small(
    plans: Sequence[Plan], total: Decimal, figures: Sequence[Decimal], scales: Scales
) -> bool:
    """Return whether no sum of the settlement can pass what SQLite holds exactly.

    The largest are of measured amounts, of what plans name, and of steps: amounts in units of their
    last decimal. Products are wide amounts there (see runner.py), whatever their size.
    """
    measured = max([Decimal(1), total, *map(abs, figures)]) * 10**scales.measure
    named = max([Decimal(1), *_amounts(plans)]) * 10**scales.limit
    return bool(max(measured, named) * 8 < _SAFE)


def _amounts(plans: Sequence[Plan]) -> list[Decimal]:
    """Return the amounts that the plans themselves name."""
    found: list[Decimal | None] = [band.flat for plan in plans for band in plan.bands]
    for plan in plans:
        for c in plan.components:
            found += [c.cap, c.up_to, c.counts_from, c.cap_rate]
        found += [group.cap for group in plan.groups]
        found += [amount for pay in plan.pay for amount in (pay.draw, pay.minimum)]
    return [abs(amount) for amount in found if amount is not None]
