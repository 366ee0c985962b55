"""Payoffs: what a component pays for what one unit brings, as the engine computes it.

One function says it both for exact numbers and for the unknowns of z3, so that what is proven is
what examples are counted by. It knows gates, comparisons, columns, multipliers, portions, bounds
and caps; a unit without a charge in a period earns nothing there. What it does not know of a plan
is in `limits.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import z3

from fenrun.base.when import period_of
from fenrun.plan.rows import Band, Component, Gate, Plan
from fenrun.plan.vocabulary import RATIO_READINGS, TierKind

REFERENCE = 100
"""The target or comparison by which a ratio is shown in amounts."""
MOST_PERIODS = 3
"""The longest history that examples have."""
_CENT = Fraction(1, 100)

Number = Any
"""A Fraction, or an expression of z3."""
Test = Any
"""A bool, or a formula of z3."""
Figure = tuple[str, str]
"""A figure of the book: its name, and whose it is (`payee` or `customer`)."""


def choose(test: Test, one: Number, other: Number) -> Number:
    """Return `one` where the test holds, else `other`."""
    if isinstance(test, bool):
        return one if test else other
    return z3.If(test, _expression(one), _expression(other))


def every(*tests: Test) -> Test:
    """Return whether all tests hold."""
    if any(test is False for test in tests):
        return False
    unknown = [test for test in tests if test is not True]
    return z3.And(unknown) if unknown else True


def some(*tests: Test) -> Test:
    """Return whether a test holds."""
    if any(test is True for test in tests):
        return True
    unknown = [test for test in tests if test is not False]
    return z3.Or(unknown) if unknown else False


def lesser(one: Number, other: Number | None) -> Number:
    """Return the lesser of two numbers; the first, where there is no other."""
    return one if other is None else choose(one < other, one, other)


def part_of(c: Component) -> Fraction:
    """Return the part of the outcome that a component pays."""
    return Fraction(c.portion) / c.portion_per


def _expression(value: Number) -> Any:
    return z3.RealVal(str(value)) if isinstance(value, int | Fraction) else value


def _fraction(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)


@dataclass(frozen=True)
class Bounds:
    """The range in which a gate is open or a tier holds; None where it has no bound."""

    lower: Fraction | None
    lower_in: bool
    upper: Fraction | None
    upper_in: bool

    @classmethod
    def of(cls, row: Band | Gate) -> Bounds:
        """Return the bounds of a row."""
        return cls(_fraction(row.lower), row.lower_in, _fraction(row.upper), row.upper_in)

    def hold(self, measure: Number, reference: Number = 1) -> Test:
        """Return whether a measure lies within, where bounds are parts of the reference."""
        return every(self.begun(measure, reference), self._not_passed(measure, reference))

    def begun(self, measure: Number, reference: Number = 1) -> Test:
        """Return whether a measure reaches the lower bound."""
        if self.lower is None:
            return True
        bound = self.lower * reference
        return measure >= bound if self.lower_in else measure > bound

    def _not_passed(self, measure: Number, reference: Number) -> Test:
        if self.upper is None:
            return True
        bound = self.upper * reference
        return measure <= bound if self.upper_in else measure < bound


@dataclass(frozen=True)
class Tier(Bounds):
    """A band of a table: where it holds, and what it pays."""

    kind: TierKind
    rate: Fraction
    rate_to: Fraction
    flat: Fraction

    @classmethod
    def of_band(cls, band: Band) -> Tier:
        """Return the tier of a band."""
        pays = (Fraction(value or 0) for value in (band.rate, band.rate_to, band.flat))
        of = Bounds.of(band)
        bounds = (of.lower, of.lower_in, of.upper, of.upper_in)
        return cls(*bounds, band.kind, *pays)


@dataclass(frozen=True)
class Slice:
    """The base of a rate, with the measure that picks the tier and the reference of its bounds."""

    base: Number
    measure: Number
    reference: Number
    in_proportion: bool = False
    """Whether the base is another number than the measure, and is cut as the reference is."""


def _all_units(tiers: Sequence[Tier], part: Slice) -> Number:
    """The whole at the reached tier's rate."""
    paid: Number = Fraction(0)
    for tier in tiers:
        held = tier.hold(part.measure, part.reference)
        paid = choose(held, tier.rate * part.base + tier.flat, paid)
    return paid


def _marginal(tiers: Sequence[Tier], part: Slice) -> Number:
    """Each slice at its own tier's rate; nothing more above the last bound."""
    paid: Number = Fraction(0)
    for tier in tiers:
        start = 0 if tier.lower is None else tier.lower * part.reference
        end = None if tier.upper is None else tier.upper * part.reference
        slice_ = lesser(part.measure, end) - start
        if part.in_proportion:
            slice_ = slice_ * part.base / choose(part.reference > 0, part.reference, Fraction(1))
        own = tier.rate * slice_ + tier.flat
        paid = paid + choose(tier.begun(part.measure, part.reference), own, Fraction(0))
    return paid


def _interpolated(tiers: Sequence[Tier], part: Slice) -> Number:
    """The whole at a rate on the straight line between two points; beyond the last, at its rate."""
    paid: Number = Fraction(0)
    for tier in tiers:
        rate: Number = tier.rate
        if tier.upper is not None and tier.lower is not None:
            width = tier.upper - tier.lower
            over = part.measure - tier.lower * part.reference
            is_met = part.reference > 0
            beside = over / choose(is_met, part.reference, Fraction(1)) / width
            rate = tier.rate + (tier.rate_to - tier.rate) * beside
        held = tier.hold(part.measure, part.reference)
        paid = choose(held, rate * part.base + tier.flat, paid)
    return paid


CURVES: dict[TierKind, Callable[[Sequence[Tier], Slice], Number]] = {
    "all units": _all_units,
    "marginal": _marginal,
    "interpolated": _interpolated,
}
"""The payoff of each tier kind."""


@dataclass(frozen=True)
class Business:
    """The business of one unit in one period, by column of the table."""

    amounts: tuple[Number, ...]
    there: tuple[Test, ...]
    """Whether any charge of a column is there: one of nothing makes a line, no charge makes none.
    """

    @property
    def spend(self) -> Number:
        """The sum of all columns."""
        return sum(self.amounts[1:], self.amounts[0])

    def __add__(self, other: Business) -> Business:
        amounts = zip(self.amounts, other.amounts, strict=True)
        there = zip(self.there, other.there, strict=True)
        return Business(tuple(a + b for a, b in amounts), tuple(some(a, b) for a, b in there))


@dataclass(frozen=True)
class Past:
    """The business of a unit in earlier periods."""

    spend: Number
    """In the period before."""
    to_date: Number
    """What was measured in all of them."""
    compared: Number
    """What was measured in the period that this one is compared with."""
    is_compared: Test
    """Whether there was a charge in that one."""


NO_PAST = Past(Fraction(0), Fraction(0), Fraction(0), False)
Facts = Mapping[Figure, Number]
"""The figures that the book holds of every unit, in every period."""
History = tuple[Business | None, ...]
"""The business of one unit by period; None: no charge at all."""


@dataclass(frozen=True)
class Rounding:
    """The rounding of an earning: to whole steps, once."""

    step: Fraction
    mode: str

    def __call__(self, exact: Fraction) -> Fraction:
        """Return a number of whole steps; the number itself, where steps are of nothing."""
        if not self.step:
            return exact
        size = abs(exact) / self.step
        whole, rest = divmod(size.numerator, size.denominator)
        twice = 2 * rest - size.denominator
        if self.mode != "down" and (twice > 0 or (twice == 0 and _ties_up(whole, self.mode))):
            whole += 1
        return (whole if exact >= 0 else -whole) * self.step


def _ties_up(whole: int, mode: str) -> bool:
    return mode == "half up" or whole % 2 == 1


@dataclass(frozen=True)
class Payoff:
    """The pay of one unit of a component in a period, under one version of its tables."""

    component: Component
    band: Band
    """The first band of the column that is looked at: where it stands."""
    columns: tuple[tuple[Tier, ...], ...]
    """The tiers of each column, in the order in which columns are used up; without any: none of
    the table's columns."""
    column: int
    """The place of the column that is looked at."""
    times: tuple[Tier, ...]
    gates: tuple[Gate, ...]
    rounding: Rounding
    start: date
    """The first day of this version of its tables, within the plan ..."""
    end: date
    """... and the first day after it."""

    @cached_property
    def periods(self) -> int:
        """The number of periods that follow each other under this version; at most 3.

        Where last year is compared, they are the same ones of years that follow each other.
        """
        months, year_starts = map(int, self.component.calendar.split("@"))
        found, stride = 0, 12 // months if self.component.compare == "last year" else 1
        period = period_of(self.start, months, year_starts)
        if period.span.start < self.start:
            period = period_of(period.span.end, months, year_starts)
        while found < MOST_PERIODS and period.span.start < self.end:
            found += 1
            for _ in range(stride):
                period = period_of(period.span.end, months, year_starts)
        return found

    def pay(self, business: Business, past: Past, facts: Facts) -> Number:
        """Return what is earned, before rounding."""
        c = self.component
        spend = business.spend
        amount = lesser(spend, _fraction(c.up_to))
        seen = _Seen(c, facts, past, spend, amount)
        tests = [some(*business.there), seen.is_compared(self.gates)]
        tests += [seen.gate_open(gate) for gate in self.gates]
        paid = self._tiers(business, seen) * part_of(c)
        if c.times_table:
            paid = self._multiplied(paid, seen)
        if c.cap is not None:
            paid = lesser(paid, Fraction(c.cap))
        elif c.cap_rate is not None:
            paid = choose(amount >= 0, lesser(paid, Fraction(c.cap_rate) * amount), paid)
        if c.floor is not None:
            paid = choose(paid < Fraction(c.floor), Fraction(c.floor), paid)
        if c.minimum is not None:
            too_little = every(paid > 0, paid < Fraction(c.minimum))
            paid = choose(too_little, Fraction(0), paid)
        return choose(every(*tests, seen.is_read()), paid, Fraction(0))

    def _tiers(self, business: Business, seen: _Seen) -> Number:
        """Return what the tiers of every column pay together."""
        paid: Number = Fraction(0)
        reached: Number = Fraction(0)
        measure, reference = seen.read(self.component.reads_by, seen.by)
        up_to = _fraction(self.component.up_to)
        for place, tiers in enumerate(self.columns):
            amount, there = business.amounts[place], business.there[place]
            alone = not_any(*(t for n, t in enumerate(business.there) if n != place))
            share = lesser(reached + amount, up_to) - lesser(reached, up_to)
            reached = reached + amount
            if tiers:
                base = choose(alone, seen.base, share)
                cut = Slice(base, measure, reference, self.component.pays_on == "figure")
                own = CURVES[tiers[0].kind](tiers, cut)
                is_paid = every(there, some(alone, self.component.pays_on == "amount"))
                paid = paid + choose(is_paid, own, Fraction(0))
        return paid

    def _multiplied(self, paid: Number, seen: _Seen) -> Number:
        measure, reference = seen.read(self.component.times_by, seen.times)
        found: Number = Fraction(0)
        for tier in self.times:
            found = choose(tier.hold(measure, reference), tier.rate * paid, found)
        return found

    def earned(self, history: History, facts: Facts) -> Fraction:
        """Return what a unit earns over all periods, rounded period by period."""
        return sum(self.by_period(history, facts), Fraction(0))

    def by_period(self, history: History, facts: Facts) -> Iterator[Fraction]:
        """Yield what a unit earns in each period, rounded."""
        up_to = _fraction(self.component.up_to)
        before: Business | None = None
        to_date = Fraction(0)
        for business in history:
            if business is not None:
                spend = before.spend if before else Fraction(0)
                is_there = self.has_past(before is not None)
                past = Past(spend, to_date, lesser(spend, up_to), is_there)
                yield self.rounding(self.pay(business, past, facts))
                to_date += lesser(business.spend, up_to)
            before = business

    @cached_property
    def unrounded(self) -> Payoff:
        """The same payoff, which rounds nothing."""
        return replace(self, rounding=Rounding(Fraction(0), "down"))

    @cached_property
    def figures(self) -> list[Figure]:
        """The figures that it reads."""
        c = self.component
        said = [(c.target, c.target_of), (c.compare_name, c.compare_of), (c.on_name, c.on_of)]
        said += [(c.by_name, c.by_of), (c.times_name, c.times_of)]
        said += [(gate.name, gate.of) for gate in self.gates if gate.subject == "figure"]
        return sorted({(name, of) for name, of in said if name})

    @cached_property
    def subjects(self) -> set[str]:
        """All that picks a tier, opens a gate or is paid on."""
        c = self.component
        return {c.reads_by, c.pays_on, c.times_by, *(gate.subject for gate in self.gates)} - {""}

    @property
    def compares(self) -> bool:
        """True if it compares with anything."""
        return bool(self.subjects & {"increment", "growth"})

    def has_past(self, is_charged: Test) -> Test:
        """Return whether a period before can be compared with, by whether it has any charge.

        Where the plan takes what is absent as zero, it always can.
        """
        return True if self.component.absent_period is not None else is_charged

    @property
    def looks_back(self) -> bool:
        """True if what a period pays depends on earlier ones."""
        compared = self.compares and self.component.compare != "figure"
        return compared or bool(self.subjects & {"amount to date", "spend before"})

    @property
    def slots(self) -> int:
        """The most periods of a history: the one that the first is compared with is there too."""
        return min(self.periods + self.begins_before, MOST_PERIODS)

    @property
    def begins_before(self) -> bool:
        """True if a history begins with a period that is there to be compared with alone.

        Without one before it, that one earns nothing, whatever held then; but where what is absent
        is zero, it would.
        """
        compared = self.compares and self.component.compare != "figure"
        return compared and self.component.absent_period is None

    @property
    def step(self) -> Fraction:
        """The least by which what is measured can differ: a cent, or one customer."""
        return _CENT if self.component.counts == "amount" else Fraction(1)

    def only(self, amount: Number, there: Test = True) -> Business:
        """Return business of the column that is looked at."""
        places = range(len(self.columns))
        return Business(
            tuple(amount if n == self.column else Fraction(0) for n in places),
            tuple(there if n == self.column else False for n in places),
        )

    # --- as a chart over one amount -----------------------------------------------------------

    @property
    def charted(self) -> bool:
        """True if the pay is a function of the amount alone, all else taken as met."""
        c = self.component
        times = c.times_by in ("", "figure")
        return c.reads_by in ("amount", "attainment", "increment", "growth") and times

    @cached_property
    def _chart(self) -> Payoff:
        gates = tuple(g for g in self.gates if g.subject in ("amount", self.component.reads_by))
        return replace(self, gates=gates, component=replace(self.component, times_table=""))

    def reference_facts(self) -> dict[Figure, Fraction]:
        """Return figures of 100; of nothing to compare an increment with."""
        facts = dict.fromkeys(self.figures, Fraction(REFERENCE))
        if self.component.reads_by == "increment" and self.component.compare == "figure":
            facts[self.component.compare_name, self.component.compare_of] = Fraction(0)
        return facts

    def at(self, amount: Fraction) -> Fraction:
        """Return what an amount earns in a period before rounding, multiplied with nothing.

        A target, and what growth is compared with, is 100; an increment is over nothing.
        """
        known = Fraction(0 if self.component.reads_by == "increment" else REFERENCE)
        past = Past(Fraction(0), Fraction(0), known, True)
        paid: Fraction = self._chart.pay(self.only(amount), past, self.reference_facts())
        return paid

    @cached_property
    def bounds(self) -> list[Fraction]:
        """Amounts above zero at which the chart may change, in order."""
        reading = self.component.reads_by
        found = {_fraction(self.component.up_to)}
        for tier in self.columns[self.column]:
            found |= {_amount_at(reading, bound) for bound in (tier.lower, tier.upper)}
        for gate in self.gates:
            if gate.subject in ("amount", "attainment", "increment", "growth", "spend"):
                bounds = (_fraction(gate.lower), _fraction(gate.upper))
                found |= {_amount_at(gate.subject, bound) for bound in bounds}
        return sorted(bound for bound in found if bound is not None and bound > 0)


def not_any(*tests: Test) -> Test:
    """Return whether no test holds."""
    held = some(*tests)
    return not held if isinstance(held, bool) else z3.Not(held)


def _amount_at(reading: str, bound: Fraction | None) -> Fraction | None:
    """Return the amount at which a reading reaches a bound, over references of 100."""
    if bound is None or reading not in RATIO_READINGS:
        return bound
    return bound * REFERENCE + (REFERENCE if reading == "growth" else 0)


@dataclass(frozen=True)
class _Seen:
    """The numbers that a component reads of a unit in a period."""

    component: Component
    facts: Facts
    past: Past
    spend: Number
    amount: Number

    def _figure(self, name: str, of: str) -> Number:
        return self.facts[name, of]

    @property
    def compared(self) -> Number:
        """The amount that an increment is over."""
        c = self.component
        if c.compare == "figure":
            return self._figure(c.compare_name, c.compare_of)
        return self.past.compared

    def is_compared(self, gates: Sequence[Gate]) -> Test:
        """Return whether there is something to compare with, where anything is compared."""
        c = self.component
        subjects = {c.reads_by, c.pays_on, c.times_by, *(gate.subject for gate in gates)}
        if c.compare == "figure" or not subjects & {"increment", "growth"}:
            return True
        return self.past.is_compared

    def is_read(self) -> Test:
        """Return whether the references of bands are above zero."""
        readings = {self.component.reads_by, self.component.times_by}
        return every(*(self.read(r, "")[1] > 0 for r in readings & set(RATIO_READINGS)))

    @property
    def base(self) -> Number:
        """The amount that a rate is applied to."""
        c = self.component
        if c.pays_on == "figure":
            return self._figure(c.on_name, c.on_of)
        return self.amount - self.compared if c.pays_on == "increment" else self.amount

    @property
    def by(self) -> Number:
        """The figure that picks the tier, or nothing."""
        c = self.component
        return self._figure(c.by_name, c.by_of) if c.by_name else Fraction(0)

    @property
    def times(self) -> Number:
        """The figure that picks the multiplier, or nothing."""
        c = self.component
        return self._figure(c.times_name, c.times_of) if c.times_name else Fraction(0)

    def read(self, subject: str, figure: Number) -> tuple[Number, Number]:
        """Return a measure, and the reference of its bounds."""
        c = self.component
        if subject == "attainment":
            return self.amount, self._figure(c.target, c.target_of)
        if subject == "growth":
            return self.amount - self.compared, self.compared
        measures: dict[str, Callable[[], Number]] = {
            "amount": lambda: self.amount,
            "increment": lambda: self.amount - self.compared,
            "amount to date": lambda: self.past.to_date + self.amount,
            "spend": lambda: self.spend,
            "spend before": lambda: self.past.spend,
            "figure": lambda: figure,
        }
        if subject not in measures:  # limits.py names it, and nothing is said of it
            return self.amount, Fraction(1)
        return measures[subject](), Fraction(1)

    def gate_open(self, gate: Gate) -> Test:
        """Return whether a gate is open."""
        figure = self._figure(gate.name, gate.of) if gate.subject == "figure" else None
        measure, reference = self.read(gate.subject, figure)
        return every(reference > 0, Bounds.of(gate).hold(measure, reference))


def payoffs(plan: Plan) -> list[Payoff]:
    """The payoffs of components that pay by what they measure, by version and column of table."""
    return [
        payoff
        for component in plan.components
        if component.pays_on != "earned"
        for payoff in _payoffs_of(plan, component)
    ]


def charts(plan: Plan) -> list[Payoff]:
    """The payoffs whose pay is a function of the amount alone."""
    return [payoff for payoff in payoffs(plan) if payoff.charted]


def _payoffs_of(plan: Plan, c: Component) -> Iterator[Payoff]:
    terms = plan.terms[0]
    rounding = Rounding(Fraction(1, terms.round_per), terms.round_mode)
    gates = tuple(g for g in plan.gates if g.component == c.rule_id and g.subject != "earned")
    for bands in _versions(plan, c.table_id):
        columns = _columns(plan, bands)
        for factors in _versions(plan, c.times_table) if c.times_table else [[]]:
            both = [bands[0], *factors[:1]]
            start, end = _span(plan, both)
            if factors and end <= start:
                continue
            tiers = tuple(tuple(map(Tier.of_band, column)) for column in columns)
            times = tuple(map(Tier.of_band, factors))
            for place, column in enumerate(columns):
                if column:
                    where = (c, column[0], tiers, place, times, gates, rounding)
                    yield Payoff(*where, start, end)


def _versions(plan: Plan, table: str) -> list[list[Band]]:
    """Return the bands of each version of a table, in order."""
    mine = [band for band in plan.bands if band.table_id == table]
    keys = sorted({(band.valid_from, band.published) for band in mine})
    return [[b for b in mine if (b.valid_from, b.published) == key] for key in keys]


def _columns(plan: Plan, bands: Sequence[Band]) -> list[list[Band]]:
    """Return the bands of each column; first those of no column, where a charge can be in none."""
    numbers = sorted({band.column_no for band in bands})
    found = [
        sorted((b for b in bands if b.column_no == number), key=lambda b: b.band_no)
        for number in numbers
    ]
    first = bands[0]
    conditions = {c.rule_id for c in plan.conditions}
    own = [
        c
        for c in plan.columns
        if (c.table_id, c.version, c.published)
        == (first.table_id, first.valid_from, first.published)
    ]
    return [[], *found] if own and all(c.rule_id in conditions for c in own) else found


def _span(plan: Plan, bands: Sequence[Band]) -> tuple[date, date]:
    """Return from when to when a plan is paid by all these bands."""
    terms = plan.terms[0]
    start = max(terms.valid_from, *(band.valid_from for band in bands))
    return start, min(terms.valid_to, *(band.valid_to for band in bands))


@dataclass(frozen=True)
class Cliff:
    """A point at which more business pays less.

    With what is paid just before it, and at it (or just after it).
    """

    at: Fraction
    before: Fraction
    after: Fraction


def cliffs(payoff: Payoff) -> list[Cliff]:
    """Every point at which the pay falls by at least a cent."""
    found = []
    for point in payoff.bounds:
        near = min((b - point for b in payoff.bounds if b > point), default=Fraction(1)) / 1_000_000
        inside, before, after = (
            payoff.at(point),
            _limit(payoff, point, -near),
            _limit(payoff, point, near),
        )
        low, high = min(inside, after), max(before, inside)
        if high - low >= _CENT:
            found.append(Cliff(point, high, low))
    return found


def _limit(payoff: Payoff, point: Fraction, step: Fraction) -> Fraction:
    """The pay right beside a point: straight lines are drawn on to it."""
    one, two = payoff.at(point + step), payoff.at(point + step / 2)
    return two + (two - one)


def falls(
    one: Callable[[Fraction], Fraction],
    other: Callable[[Fraction], Fraction],
    points: Sequence[Fraction],
) -> Fraction | None:
    """Find the smallest point at which `other` pays less than `one`.

    Tried are the points, what lies a cent beside them, and between them.
    """
    near = sorted(
        {
            max(p + step, Fraction(0))
            for p in (Fraction(0), *points)
            for step in (-_CENT, Fraction(0), _CENT)
        }
        | {(p + q) / 2 for p, q in pairwise(points)}
        | {p * 2 for p in points[-1:]}
        | {Fraction(100)}
    )
    return next((x for x in near if other(x) < one(x)), None)
