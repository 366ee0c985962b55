"""Examples: worlds before and after, in whole cents, of which the second earns more.

They are looked for where a payoff bends: at thresholds, caps and bounds, and a step beside them.
Nothing is proven here; every example is counted exactly, rounded as the plan rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, product

from fenrun.plan.check.payoff import REFERENCE, Business, Facts, History, Past, Payoff

_FEW = 5
"""How many amounts are tried in each period of a history, and how many sets of figures."""
_MOST = 36
"""How many amounts are tried in one period."""
_FINE = 10**9
"""Parts of 1 in which pay is compared before it is counted exactly."""


@dataclass(frozen=True)
class Counterexample:
    """Two worlds of the same business, of which the second earns more."""

    facts: Facts
    before: tuple[History, ...]
    """The business of each unit, by period."""
    after: tuple[History, ...]
    more: Fraction
    """How much more, rounded as the plan rounds."""


@dataclass
class _Worth:
    """The pay of a unit by amounts in whole steps, each counted once."""

    payoff: Payoff
    facts: Facts
    once: dict[int, int] = field(default_factory=dict)
    """In parts of _FINE, cut: at most one part less than what is paid before rounding."""
    periods: dict[tuple[int, int | None, int], Fraction] = field(default_factory=dict)
    """Before rounding, by the amount, that of the period before and that of all before."""

    def of(self, amount: int) -> int:
        """Return the pay of an amount in one period, where nothing looks back."""
        if amount not in self.once:
            exact = self.payoff.unrounded.earned((self.business(amount),), self.facts)
            self.once[amount] = exact.numerator * _FINE // exact.denominator
        return self.once[amount]

    def business(self, amount: int) -> Business:
        """Return business of so many steps, in the column that is looked at."""
        return self.payoff.only(amount * self.payoff.step)

    def over(self, history: Sequence[int | None]) -> Fraction:
        """Return the pay over all periods, before rounding; None: no charge at all."""
        total, before, to_date = Fraction(0), None, 0
        for amount in history:
            if amount is not None:
                key = (amount, before, to_date)
                if key not in self.periods:
                    self.periods[key] = self._period(*key)
                total += self.periods[key]
                to_date += amount
            before = amount
        return total

    def _period(self, amount: int, before: int | None, to_date: int) -> Fraction:
        c, step = self.payoff.component, self.payoff.step
        spend = (before or 0) * step
        bounded = spend if c.up_to is None else min(spend, Fraction(c.up_to))
        past = Past(spend, to_date * step, bounded, self.payoff.has_past(before is not None))
        paid: Fraction = self.payoff.pay(self.business(amount), past, self.facts)
        return paid


def gain(
    payoff: Payoff, facts: Facts, before: Sequence[History], after: Sequence[History]
) -> Counterexample | None:
    """Return two worlds as an example, if the second earns more by a step, rounded or not."""
    for how in (payoff.unrounded, payoff):
        more = sum((how.earned(history, facts) for history in after), Fraction(0))
        more -= sum((how.earned(history, facts) for history in before), Fraction(0))
        if more < payoff.rounding.step:
            return None
    return Counterexample(facts, tuple(before), tuple(after), more)


def of_units(
    what: str, payoff: Payoff, facts: Facts, units: Sequence[Business | None]
) -> Counterexample | None:
    """Return the worlds of a period's two parts, or of one that is moved to another period."""
    one, other, moved = units
    if what != "timing":
        return None if one is None or other is None else _divided(what, payoff, facts, one, other)
    if other is None or moved is None:
        return None
    rest = other.spend - moved.spend
    kept = payoff.only(rest) if rest else None
    to = one + moved if one else moved
    return gain(payoff, facts, [(one, other)], [(to, kept)])


def _divided(
    what: str, payoff: Payoff, facts: Facts, one: Business, other: Business
) -> Counterexample | None:
    apart: list[History] = [(one,), (other,)]
    whole: list[History] = [(one + other,)]
    worlds = (whole, apart) if what == "split" else (apart, whole)
    return gain(payoff, facts, *worlds)


def points(payoff: Payoff) -> list[int]:
    """Return amounts in whole steps at and beside every point where the payoff bends, and halves.

    There the smallest examples lie.
    """
    c, step = payoff.component, payoff.step
    bends = list(payoff.bounds)
    if c.cap is not None:
        rates = {tier.rate * Fraction(c.portion) for tier in payoff.columns[payoff.column]}
        bends += [Fraction(c.cap) / rate for rate in rates if rate > 0]
    whole = {
        round(bend * part / step)
        for bend in bends
        if bend < 10**12
        for part in (Fraction(1), Fraction(1, 2), Fraction(2))
    }
    near = {amount + beside for amount in whole for beside in (-1, 0, 1)}
    near |= {0, 1, int(1 / step), int(REFERENCE / step)}
    return sorted(amount for amount in near if amount >= 0)[:_MOST]


def _figures(payoff: Payoff) -> Iterator[dict[tuple[str, str], Fraction]]:
    """Yield figures to try: of 100 first, then those at the bounds that figures are read by."""
    usual = payoff.reference_facts()
    yield usual
    bounds = {Fraction(0), Fraction(1), Fraction(1000)}
    for gate in payoff.gates:
        if gate.subject == "figure":
            bounds |= {Fraction(bound) for bound in (gate.lower, gate.upper) if bound is not None}
    for figure in payoff.figures:
        for bound in sorted(bounds):
            yield usual | {figure: bound}


def smallest(what: str, payoff: Payoff) -> Counterexample | None:
    """Return the example of least size among the points where the payoff bends.

    Of equal ones it is the one that pays most, in equal parts if it can be.
    """
    for facts in islice(_figures(payoff), _FEW):
        if payoff.looks_back:
            found = next(_divided_histories(what, payoff, facts), None)
        else:
            found = _smallest_of(what, payoff, facts)
        if found:
            return found
    return None


def _smallest_of(what: str, payoff: Payoff, facts: Facts) -> Counterexample | None:
    worth, tried = _Worth(payoff, facts), []
    least = int(payoff.rounding.step * _FINE) - 4
    near = points(payoff)
    for one, other in product(near if what == "timing" else near[1:], near[1:]):
        for moved, more in _gains(what, worth, near, one, other):
            if more >= least:
                tried.append(
                    (one + other, -more, one != other, abs(2 * moved - other), one, other, moved)
                )
    for *_, one, other, moved in sorted(tried)[:_FEW]:
        units = [worth.business(amount) for amount in (one, other, moved)]
        found = of_units(what, payoff, facts, [None, *units[1:]] if moved and not one else units)
        if found:
            return found
    return None


def _gains(
    what: str, worth: _Worth, near: Sequence[int], one: int, other: int
) -> Iterator[tuple[int, int]]:
    """Yield what is moved, and what two amounts then earn more; for a split, or a merger, once."""
    if what != "timing":
        apart = worth.of(one) + worth.of(other) - worth.of(one + other)
        yield 0, apart if what == "split" else -apart
        return

    def earns(amount: int) -> int:
        return worth.of(amount) if amount else 0

    before = earns(one) + earns(other)
    for moved in {other, other // 2, *(p - one for p in near if one < p <= one + other)}:
        if moved > 0:
            yield moved, earns(one + moved) + earns(other - moved) - before


# --- over several periods -------------------------------------------------------------------------


def _few(payoff: Payoff) -> list[int | None]:
    """Return no charge, and some amounts in whole steps."""
    near = [Fraction(1), *payoff.bounds[:2], Fraction(1000), Fraction(REFERENCE)]
    whole = dict.fromkeys(round(point / payoff.step) for point in near)
    return [None, *list(whole)[: _FEW - 1]]


def _divided_histories(what: str, payoff: Payoff, facts: Facts) -> Iterator[Counterexample]:
    """Yield examples of two units over one period, then over two."""
    worth = _Worth(payoff, facts)
    for length in range(1, min(payoff.slots, 2) + 1):
        histories = list(product(_few(payoff), repeat=length))
        for one, other in product(histories, histories):
            whole = tuple(_sum(a, b) for a, b in zip(one, other, strict=True))
            more = worth.over(one) + worth.over(other) - worth.over(whole)
            if (more if what == "split" else -more) < payoff.rounding.step:
                continue
            apart = [_history(worth, one), _history(worth, other)]
            both = [_history(worth, whole)]
            found = gain(payoff, facts, *((both, apart) if what == "split" else (apart, both)))
            if found:
                yield found


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _history(worth: _Worth, amounts: Sequence[int | None]) -> History:
    return tuple(None if amount is None else worth.business(amount) for amount in amounts)


def moved_histories(payoff: Payoff) -> Iterator[Counterexample]:
    """Yield examples of a unit of which something is moved from one period to another."""
    for facts in islice(_figures(payoff), _FEW):
        worth = _Worth(payoff, facts)
        for length in range(2, payoff.slots + 1):
            for history in product(_few(payoff), repeat=length):
                for after in _moves(payoff, history):
                    if worth.over(after) - worth.over(history) >= payoff.rounding.step:
                        worlds = [[_history(worth, own)] for own in (history, after)]
                        found = gain(payoff, facts, *worlds)
                        if found:
                            yield found


def _moves(payoff: Payoff, history: Sequence[int | None]) -> Iterator[tuple[int | None, ...]]:
    """Yield a history after all of a period, all but 1, or a half is moved to another."""
    one = int(1 / payoff.step)
    for source, target in product(range(len(history)), repeat=2):
        given = history[source]
        if source == target or given is None:
            continue
        for moved in dict.fromkeys((given, given - one, given // 2)):
            if moved > 0:
                after = list(history)
                after[source] = given - moved or None
                after[target] = _sum(history[target], moved)
                yield tuple(after)
