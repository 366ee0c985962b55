"""Settle on whole numbers: a small world in thousandths of a second, by the same steps as a large
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fenrun.base.money import decimals
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.when import Period
from fenrun.book.as_codes import Known, load_book, named_subjects, shares_of
from fenrun.credit.charges_as_codes import Charge, Coded, basis_of, billed_between, cost_scale
from fenrun.credit.on_whole_numbers import Crediting, bases_of
from fenrun.earn.from_credits import charged
from fenrun.earn.on_whole_numbers import Earning, Scales, scales_of
from fenrun.engine.codes import Codes, unscaled
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.payout.on_whole_numbers import Paying
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan

_SAFE = 1 << 62
"""The bound of every number that SQLite may meet: half of what 64 bits hold."""
_RESULTS = ("credited", "performance_measures", "component_earnings", "earnings", "payments")
"""The tables that hold amounts which others are made of."""


@dataclass(frozen=True)
class Settlement:
    """The tables of codes that a settlement on whole numbers leaves, and how they are read."""

    runner: Runner
    codes: Codes
    scales: Scales
    problems: tuple[Problem, ...]
    """What the plan's limits refused of the book."""

    def amount(self, sql: str, values: Sequence[int], scale: int) -> Decimal:
        """Return the amount that a query of one row finds."""
        found = self.runner.rows(sql, values)[0][0]
        return unscaled(int(found), scale) or Decimal(0)


def settle_on_whole_numbers(
    plans: Sequence[Plan],
    books: Known,
    charges: Sequence[Charge],
    period: Period,
    known: date,
    runner: Callable[[], Runner] | None = None,
    with_uncredited: bool = True,
) -> Settlement:
    """Settle a period over charges and books in memory, as known on a day.

    SQLite runs it where no number can pass 62 bits, DuckDB else. `with_uncredited` also finds what
    nobody is credited for. Raises Refused where exact arithmetic does not fit.
    """
    if runner is None:
        given = (plans, books, charges, period, known)
        try:
            return settle_on_whole_numbers(*given, SQLite, with_uncredited)
        except Refused as refusal:
            if {problem.code for problem in refusal.problems} != {"amount-too-large"}:
                raise
        return settle_on_whole_numbers(*given, Bulk, with_uncredited)
    plans = [plan_as_of(plan, known) for plan in plans]
    charges = list(billed_between(charges, *charged(plans, period)))
    cost, shares = cost_scale(charges, bases_of(plans)), shares_of(books)
    depth = max((len(plan.roll_ups) for plan in plans), default=0)
    credit = cost + shares.customer + shares.role + shares.party * depth
    figures = {row.amount for _, _, book in books for row in book.figures}
    scales = scales_of(plans, figures, credit, shares.party)
    if runner is SQLite and not _is_small(plans, charges, figures, scales):
        raise refused("amount-too-large", Place("sqlite"), detail="64 bits")
    engine, codes, terms = runner(), Codes(), plans[0].terms[0]
    limits = (terms.registration_days, terms.open_registrations, terms.cooldown_months)
    crediting = Crediting(plans, codes, shares, scales.measure - credit)
    with_tenures = crediting.reads_holders()
    problems = load_book(engine, books, codes, shares, limits, scales.measure, with_tenures)
    Coded(crediting, named_subjects(books, codes), cost).load(engine, charges)
    crediting.load(engine)
    earning = Earning(plans, period, codes, scales)
    earning.load(engine)
    crediting.run(engine, with_uncredited)
    earning.run(engine)
    paying = Paying(plans, period, codes, scales, books)
    paying.load(engine)
    paying.run(engine)
    engine.refuse_floats(_RESULTS)
    return Settlement(engine, codes, scales, tuple(problems))


def _is_small(
    plans: Sequence[Plan], charges: Sequence[Charge], figures: set[Decimal], scales: Scales
) -> bool:
    """Return whether no number of the settlement can pass what SQLite holds exactly.

    The largest are an outcome before rounding and a payment with its tax: amounts times all by
    which they are multiplied, in units of their last decimal, times the steps in one.
    """
    bases = bases_of(plans)
    costs = (basis_of(charge, basis) for charge in charges for basis in bases)
    total = sum((abs(cost) for cost in costs if cost is not None), Decimal(0))
    amount = max([Decimal(1), total, *map(abs, figures), *_amounts(plans)])
    bands = [band for plan in plans for band in plan.bands]
    rates = [rate for band in bands for rate in (band.rate, band.rate_to) if rate is not None]
    bounds = [b for band in bands for b in (band.lower, band.upper) if b is not None]
    rate, bound = (max([Decimal(1), *map(abs, found)]) for found in (rates, bounds))
    times = any(c.times_table for plan in plans for c in plan.components)
    steps = max(plan.terms[0].round_per for plan in plans)
    portion = max([Decimal(1), *(abs(c.portion) for plan in plans for c in plan.components)])
    outcome = amount * rate * portion * (rate if times else 1)
    outcome *= 10 ** max(scales.uncapped, scales.override)
    if scales.curved:
        outcome *= amount * bound
    tested = amount * bound * 10**scales.part
    paid = amount * rate * 10 ** (scales.money + max(map(decimals, _shares(plans)), default=0))
    taxed = paid * 10 ** max(map(decimals, (*figures, *_tax_rates(plans))), default=0)
    return bool(max(outcome * steps, tested, taxed * steps) * 8 < _SAFE)


def _shares(plans: Sequence[Plan]) -> list[Decimal]:
    """Return the shares of instalments and forms."""
    found = [row.share for plan in plans for row in plan.instalments]
    return found + [row.share for plan in plans for row in plan.forms]


def _tax_rates(plans: Sequence[Plan]) -> list[Decimal]:
    """Return the tax rates that the plans name."""
    pays = [pay for plan in plans for pay in plan.pay]
    return [rate for pay in pays for rate in (pay.tax_included, pay.tax_added)]


def _amounts(plans: Sequence[Plan]) -> list[Decimal]:
    """Return the amounts that the plans themselves name."""
    found: list[Decimal | None] = [band.flat for plan in plans for band in plan.bands]
    for plan in plans:
        for c in plan.components:
            found += [c.cap, c.up_to, c.counts_from, c.cap_rate]
        found += [group.cap for group in plan.groups]
        found += [amount for pay in plan.pay for amount in (pay.draw, pay.minimum)]
    return [abs(amount) for amount in found if amount is not None]
