"""A settlement on whole numbers under way: the book, charges, then stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow.compute as pc

from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.when import Period
from fenrun.book.as_codes import Book, Shares, load_book, shares_of
from fenrun.book.limits import Limits
from fenrun.credit import checks as credit_checks
from fenrun.credit.crediting import Crediting
from fenrun.credit.stored_charges import Month, StoredCharges
from fenrun.earn import checks as earn_checks
from fenrun.earn.earning import Earning, Scales, scales_of
from fenrun.engine.codes import Codes, places_of, unscaled
from fenrun.engine.runner import Runner
from fenrun.engine.steps import read_steps
from fenrun.payout.paying import Paying
from fenrun.plan.rows import Plan
from fenrun.settle.results import EARNED_SUMS, LINE_CUSTOMERS, ON_REQUEST

Result = TypeVar("Result")
Way = Callable[[], Result]
_SAFE = 1 << 62
"""The bound of every number that SQLite may meet: half of what 64 bits hold."""
WORKING_DECIMALS = (15, 12, 9, 6)
"""The decimals of what is measured, then of costs, that are tried in turn where all do not fit."""
_SUMS = ("performance_measures", "credited_sums", "team_sums", "held_sums", "uncredited_sums")
"""The tables that hold amounts which are credited or left."""
_EARNED = ("performance_measures", "component_earnings", "earnings")
"""The tables that hold amounts which others are made of."""
_STATEMENT_STEPS = read_steps("fenrun.statement")
FOR_READERS = frozenset(
    (
        *("team_sums", "held_sums", "coverage", "uncredited_situations", "uncredited_sums"),
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
    """What the plan's limits refused of the book, and other problems that were found on the way."""

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


_SPEND = """
SELECT o.customer, sum(g.a{basis} * o.customer_share)
FROM owned AS o
JOIN situated AS g ON g.situation = o.situation
WHERE o.customer IS NOT NULL
GROUP BY o.customer"""


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
        like: Settling | None = None,
        measured: int | None = None,
        codes: Codes | None = None,
    ):
        """Begin. Codes and decimals are new ones, or those of another, whose book holds this.

        Or the codes alone are given, to which those of this book are added.

        `by_customer`, what lines measure is told apart by customer. With `measured`, it is rounded
        to so many decimals.
        """
        self.asked = {LINE_CUSTOMERS.name} if by_customer else set[str]()
        """The tables that are made because they are asked for."""
        self.runner, self.plans, self.period, self.book = runner, plans, period, book
        self.months: Sequence[Month] = ()
        self.cost_scale, codes = cost_scale, like.codes if like else codes or Codes()
        converts = bool(plans[0].converts)
        exchanges = any(plan.pays_in_another for plan in plans)
        self.shares: Shares = (
            like.shares if like else shares_of(book, converts or exchanges, converts)
        )
        self.scales: Scales = (
            like.scales if like else _scales(plans, book, self.shares, cost_scale, measured)
        )
        lift = self.scales.measure - self.scales.credit
        self.crediting = Crediting(plans, period, codes, self.shares, lift, by_customer)
        self.earning = Earning(plans, period, codes, self.scales)
        tests, rate = self.earning.tests, self.shares.of_rates
        self.paying = Paying(plans, period, codes, self.scales, book, tests, rate)

    @property
    def codes(self) -> Codes:
        """The texts that codes stand for."""
        return self.crediting.codes

    def refuse_large(self, sizes: Sequence[Decimal]) -> None:
        """Raise Refused where SQLite would meet a number that it may not hold exactly.

        `sizes` are the sums of costs without their signs.
        """
        if not self.runner.is_narrow:
            return
        total = sum(sizes, Decimal(0)) * max([Decimal(1), *self._rates()])
        ends = pc.min_max(self.book.figures["amount"]).as_py().values()
        figures = [abs(amount) for amount in ends if amount is not None]
        if not _is_small(self.plans, max([total, *figures]), self.scales):
            raise refused("amount-too-large", Place("sqlite"))

    def _rates(self) -> list[Decimal]:
        """Return the rates by which something can be converted."""
        found: list[Decimal] = self.book.rates["rate"].unique().to_pylist()
        return found if self.crediting.converts else []

    def group(self, charges: StoredCharges, for_rows: bool = False) -> None:
        """Make groups of charges. Raises Refused where SQLite may not hold what they give."""

        def check(months: Sequence[Month]) -> None:
            self.months = months
            self.refuse_large([size for month in months for size in month.sizes])

        charges.groups(self.crediting, self.book, self.runner, check, for_rows)

    def load_book(self) -> list[Problem]:
        """Load the book; return what the plans' limits refuse of it."""
        terms, codes = self.plans[0].terms[0], self.crediting.codes
        limits = Limits(
            terms.registration_days,
            terms.open_registrations,
            terms.cooldown_months,
            terms.first_come,
        )
        with_tenures = self.crediting.reads_holders()
        scale = self.scales.measure
        return load_book(self.runner, self.book, codes, self.shares, limits, scale, with_tenures)

    def load_plans(self) -> None:
        """Load what the plans say."""
        self.crediting.load(self.runner)
        self.earning.load(self.runner)
        self.paying.load(self.runner)

    def credit(self, without: Set[str] = frozenset()) -> None:
        """Run the steps from groups, or charges, to the sums of months."""
        self.crediting.measure(self.runner, without)
        self.runner.refuse_floats(name for name in _SUMS if name not in without)

    def qualify(self) -> None:
        """Run the steps from groups to what counts."""
        self.load_plans()
        self.credit(FOR_READERS | {"groups", "credited_sums"})
        self.earning.run(self.runner, last="qualifying_amounts")

    def spend(self, with_groups: bool = False) -> dict[str, Decimal]:
        """Return what is charged to each customer, in the basis of the first plan.

        The table `groups` is there, or made `with_groups` of `charges`.
        """
        self.load_plans()
        self.credit(
            FOR_READERS | ({"credited_sums"} if with_groups else {"groups", "credited_sums"})
        )
        crediting, texts = self.crediting, self.codes.texts
        basis = crediting.bases.index(self.plans[0].terms[0].basis)
        scale = self.cost_scale + self.shares.customer
        return {
            texts[customer]: unscaled(int(amount), scale) or Decimal(0)
            for customer, amount in self.runner.rows(_SPEND.format(basis=basis))
        }

    def measure(self, charges: StoredCharges) -> None:
        """Run the steps from charges to the sums of months. Raises Refused where these are broken.

        The book and the plans are loaded.
        """
        self.group(charges)
        self.measure_groups()

    def measure_groups(self) -> None:
        """Run the steps from groups to sums of months. Raises Refused where these are broken."""
        self.credit({"groups"})
        credited = credit_checks.broken(self.runner, self.crediting) + _lost(self)
        measured = earn_checks.broken_measures(self.runner, self.crediting)
        refuse_broken({"credit": credited, "earn": measured})

    def rounded_measures(self) -> list[Problem]:
        """Return by how much what is measured was rounded, where it was."""
        return earn_checks.rounded_measures(self.runner, self.crediting, self.scales)

    def earn(self, without: frozenset[str] = frozenset()) -> None:
        """Run the steps from the sums of months to earnings."""
        without |= {table.name for table in ON_REQUEST} - self.asked
        self.crediting.tell(self.runner, without)
        self.earning.run(self.runner, without, for_sums=EARNED_SUMS.name in self.asked)
        self.runner.refuse_floats(_EARNED)

    def pay(self) -> None:
        """Run the steps from earnings to payments."""
        self.paying.run(self.runner)
        self.runner.refuse_floats(["payments"])

    def run_statements(self) -> None:
        """Run the steps of statements."""
        filled = self.crediting.fragments()
        are_lines = self.earning.rows_are_lines()
        for step in _STATEMENT_STEPS:
            if step.name != "statement_lines" or step.view == are_lines:
                self.runner.run(step, filled)

    def settled(self, problems: list[Problem]) -> Settlement:
        """Return what was settled."""
        parts = (self.crediting, self.earning, self.paying, self.cost_scale)
        return Settlement(self.runner, *parts, tuple(problems))


def fitting(makes: Sequence[Callable[[], Runner]], settle: Callable[[Runner], Result]) -> Result:
    """Settle in the first of some runners in which exact arithmetic fits. Raises Refused."""
    return _first_that_fits([_way(make, settle) for make in makes])


def fitting_or_rounded(
    makes: Sequence[Callable[[], Runner]],
    settle: Callable[[Runner, int | None], Result],
    most: int | None = None,
) -> Result:
    """Settle exactly, or else with what is measured rounded to as many decimals as fit.

    `settle` is given a runner, and that number or None. A part of what was settled so has at most
    as many decimals as the whole had, though more would fit. Raises Refused.
    """
    fewer = [n for n in WORKING_DECIMALS if most is None or n < most]
    ways = [(make, most) for make in makes] + [(makes[-1], n) for n in fewer]
    return _first_that_fits([_way(make, settle, decimals) for make, decimals in ways])


def is_too_large(refusal: Refused) -> bool:
    """Return whether all that is wrong is that an amount does not fit."""
    return {problem.code for problem in refusal.problems} == {"amount-too-large"}


def _way(make: Callable[[], Runner], settle: Callable[..., Result], *given: Any) -> Way[Result]:
    return lambda: settle(make(), *given)


def _first_that_fits(ways: Sequence[Way[Result]]) -> Result:
    """Return what the first way gives that does not refuse an amount as too large."""
    *tried, last = ways
    for way in tried:
        try:
            return way()
        except Refused as refusal:
            if not is_too_large(refusal):
                raise
    return last()


def refuse_broken(found: Mapping[str, Sequence[str]]) -> None:
    """Raise Refused where an invariant of some stage breaks."""
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


def _scales(
    plans: Sequence[Plan], book: Book, shares: Shares, cost_scale: int, measured: int | None
) -> Scales:
    depth = max((len(plan.roll_ups) for plan in plans), default=0)
    share = shares.customer + shares.role + shares.party * depth
    credit = cost_scale + shares.of_conversion + share
    return scales_of(plans, places_of(book.figures["amount"]), credit, shares.party, measured)


def _is_small(plans: Sequence[Plan], largest: Decimal, scales: Scales) -> bool:
    """Return whether no sum of the settlement can pass what SQLite holds exactly.

    `largest` is the most that can be measured, or that a figure says. The largest sums are of
    measured amounts, of what plans name, and of steps: amounts in units of their last decimal.
    Products are wide amounts there (see runner.py), whatever their size.
    """
    most = max((one.weight for plan in plans for one in plan.weights), default=Decimal(1))
    finest = max(scales.measure, scales.credit)
    measured = max(Decimal(1), largest * max(Decimal(1), most)) * 10**finest
    named = max([Decimal(1), *_amounts(plans)]) * 10**scales.limit
    return bool(max(measured, named) * 8 < _SAFE)


def _amounts(plans: Sequence[Plan]) -> list[Decimal]:
    """Return the amounts that the plans themselves name."""
    found: list[Decimal | None] = [band.flat for plan in plans for band in plan.bands]
    for plan in plans:
        for c in plan.components:
            found += [c.cap, c.floor, c.minimum, c.up_to, c.counts_from, c.cap_rate]
            found.append(Decimal(c.portion_per))
        found += [group.cap for group in plan.groups]
        found += [amount for pay in plan.pay_terms for amount in (pay.draw, pay.minimum)]
    return [abs(amount) for amount in found if amount is not None]
