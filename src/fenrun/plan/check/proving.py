"""Proofs that splitting, merging or moving business never pays more, by z3 over exact numbers.

A proof is over the payoff before rounding, for all amounts and figures from zero up. A refutation
comes with worlds in whole cents, before and after, in which the rounded pay differs by just what it
says; where none is found, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import islice, product
from typing import Any

import z3

from fenrun.base.money import show
from fenrun.base.words import Message
from fenrun.plan.check.limits import QUESTIONS, cannot, never_two
from fenrun.plan.check.payoff import (
    NO_PAST,
    REFERENCE,
    Business,
    Facts,
    History,
    Past,
    Payoff,
    lesser,
    part_of,
    some,
)

_PATIENCE = 2000
"""Milliseconds for one question to z3."""
_FEW = 5
"""How many amounts are tried in each period of a history, and how many sets of figures."""


@dataclass(frozen=True)
class Counterexample:
    """Two worlds of the same business, of which the second earns more."""

    facts: Facts
    before: tuple[History, ...]
    """The business of each unit, by period."""
    after: tuple[History, ...]
    more: Fraction
    """How much more, rounded as the plan rounds."""


@dataclass(frozen=True)
class Verdict:
    """An answer to whether something never pays more.

    Proven, refuted with an example, or not known (`proven` is None) with the reason.
    """

    what: str
    """`split`, `merge` or `timing`."""
    proven: bool | None
    example: dict[str, Fraction | int | str] = field(default_factory=dict)
    """split: parts, part, whole, more; or one, other, whole, more. merge: one, other, more. timing:
    one, other, moved, more; or, by period, before, then, more."""
    world: Counterexample | None = None
    why: Message | None = None


def verdicts(payoff: Payoff, unexamined: Mapping[str, Message] | None = None) -> list[Verdict]:
    """The three proofs of a payoff; without those that are not examined for a reason."""
    why = cannot(payoff)
    reasons = dict.fromkeys(QUESTIONS, why) if why else unexamined or {}
    return [
        Verdict(what, None, why=reasons[what]) if what in reasons else _verdict(what, payoff)
        for what in QUESTIONS
    ]


def _verdict(what: str, payoff: Payoff) -> Verdict:
    if what == "timing" and payoff.periods < 2:
        return Verdict(what, None, why=never_two(payoff, payoff.start))
    if what == "timing" and payoff.looks_back:
        found = next(_moved_histories(payoff), None)
        return _refuted(what, payoff, found) if found else _unknown(what, "past")
    return _over_baseline(what, payoff) if payoff.component.baseline else _asked(what, payoff)


def _over_baseline(what: str, payoff: Payoff) -> Verdict:
    """Return the answer where only what exceeds a baseline counts.

    One customer's parts exceed it by less than the whole does, so a whole may count by any more. An
    example is one of customers whose baseline is nothing.
    """
    adds_up = payoff.component.each in ("payee", "customer") and not payoff.looks_back
    if (
        what == "split"
        and adds_up
        and _solve(_Question(what, payoff, [payoff.column], extra=True)) == z3.unsat
    ):
        verdict = _asked(what, payoff, extra=True)
    else:
        verdict = _asked(what, payoff)
        if verdict.proven:
            name = payoff.component.baseline
            return Verdict(what, None, why=Message("unexamined-baseline", {"name": name}))
    return verdict


def _asked(what: str, payoff: Payoff, *, extra: bool = False) -> Verdict:
    answer = _solve(_Question(what, payoff, [payoff.column], extra=extra))
    if answer == z3.unsat:
        if len(payoff.columns) == 1:
            return Verdict(what, True)
        if payoff.component.pays_on != "amount":
            return _unknown(what, "columns")
        columns = range(len(payoff.columns))
        together = _solve(_Question(what, payoff, columns, extra=extra))
        return Verdict(what, True) if together == z3.unsat else _unknown(what, "together")
    found = _smallest(what, payoff) or (_in_cents(what, payoff) if answer == z3.sat else None)
    if found:
        return _refuted(what, payoff, found)
    return _unknown(what, "cents" if answer == z3.sat else "prover")


def _unknown(what: str, why: str) -> Verdict:
    return Verdict(what, None, why=Message(f"unexamined-{why}"))


def _refuted(what: str, payoff: Payoff, found: Counterexample) -> Verdict:
    return Verdict(what, False, _example(what, payoff, found), found)


# --- questions to z3 ----------------------------------------------------------------------------


class _Question:
    """A question to z3: can dividing, merging or moving business of some columns earn more?"""

    def __init__(
        self,
        what: str,
        payoff: Payoff,
        columns: Sequence[int],
        *,
        cents: bool = False,
        extra: bool = False,
    ) -> None:
        self.payoff, self.columns, self.cents, self.extra = payoff, columns, cents, extra
        self.given: list[Any] = []
        self.facts = self._facts()
        self.units: list[Business] = []
        self.moved: Business | None = None
        gain = self._moving() if what == "timing" else self._dividing(what)
        least = 2 * payoff.rounding.step if cents else Fraction(0)
        self.claim = gain > z3.RealVal(str(least))

    def _number(self, name: str) -> Any:
        if self.payoff.component.counts != "amount" and name[0] != "f":
            unknown = z3.ToReal(z3.Int(name))
        else:
            unknown = z3.ToReal(z3.Int(name)) / 100 if self.cents else z3.Real(name)
        self.given.append(unknown >= 0)
        return unknown

    def _facts(self) -> dict[tuple[str, str], Any]:
        tiers = [tier for column in self.payoff.columns for tier in column]
        if any(tier.kind == "interpolated" for tier in tiers):
            return {figure: Fraction(REFERENCE) for figure in self.payoff.figures}
        return {figure: self._number(f"f{n}") for n, figure in enumerate(self.payoff.figures)}

    def _business(self, name: str) -> Business:
        amounts, there = [], []
        for place in range(len(self.payoff.columns)):
            if place in self.columns:
                amount, is_there = self._number(f"{name}{place}"), z3.Bool(f"{name}{place} there")
                self.given.append(z3.Or(is_there, amount == 0))
                amounts.append(amount)
                there.append(is_there)
            else:
                amounts.append(Fraction(0))
                there.append(False)
        return Business(tuple(amounts), tuple(there))

    def _pay(self, business: Business, past: Past = NO_PAST) -> Any:
        return self.payoff.pay(business, past, self.facts)

    def _past(self, name: str) -> Past:
        if not self.payoff.looks_back:
            return NO_PAST
        spend, to_date = self._number(f"{name} before"), self._number(f"{name} to date")
        is_there = z3.Bool(f"{name} before there")
        self.given.append(z3.Or(is_there, spend == 0))
        return Past(spend, to_date, self._bounded(spend), is_there)

    def _bounded(self, amount: Any) -> Any:
        up_to = self.payoff.component.up_to
        return lesser(amount, None if up_to is None else Fraction(up_to))

    def _dividing(self, what: str) -> Any:
        self.units = [self._business("a"), self._business("b")]
        pasts = [self._past("a"), self._past("b")]
        one, other = pasts
        spend = one.spend + other.spend
        whole_past = Past(
            spend,
            one.to_date + other.to_date,
            self._bounded(spend),
            some(one.is_compared, other.is_compared),
        )
        apart = [self._pay(*unit) for unit in zip(self.units, pasts, strict=True)]
        both = self.units[0] + self.units[1]
        if self.extra:
            both = both + Business(self._business("e").amounts, both.there)
        whole = self._pay(both, whole_past)
        return sum(apart) - whole if what == "split" else whole - sum(apart)

    def _moving(self) -> Any:
        one, other, moved = (self._business(name) for name in "abm")
        kept = self._business("k")
        self.units, self.moved = [one, other], moved
        for place in self.columns:
            self.given += [
                kept.amounts[place] == other.amounts[place] - moved.amounts[place],
                z3.Or(kept.there[place], moved.there[place]) == other.there[place],
            ]
        before = self._pay(one) + self._pay(other)
        return self._pay(one + moved) + self._pay(kept) - before


def _solve(question: _Question) -> Any:
    solver = z3.Solver()
    solver.set("timeout", _PATIENCE)
    solver.add(question.claim, *question.given)
    return solver.check()


def _in_cents(what: str, payoff: Payoff) -> Counterexample | None:
    """Return an example in whole cents that z3 names, if it is one once rounded."""
    question = _Question(what, payoff, [payoff.column], cents=True)
    solver = z3.Solver()
    solver.set("timeout", _PATIENCE)
    solver.add(question.claim, *question.given)
    if solver.check() != z3.sat:
        return None
    model = solver.model()

    def number(value: Any) -> Fraction:
        if isinstance(value, Fraction):
            return value
        exact = model.eval(value, model_completion=True)
        return Fraction(exact.numerator_as_long(), exact.denominator_as_long())

    def found(business: Business) -> Business | None:
        place = payoff.column
        is_there = z3.is_true(model.eval(business.there[place], model_completion=True))
        return payoff.only(number(business.amounts[place])) if is_there else None

    facts = {figure: number(value) for figure, value in question.facts.items()}
    units = [found(unit) for unit in question.units]
    moved = found(question.moved) if question.moved else None
    return _tried(what, payoff, facts, [*units, moved])


# --- examples -----------------------------------------------------------------------------------


def _gain(
    payoff: Payoff, facts: Facts, before: Sequence[History], after: Sequence[History]
) -> Counterexample | None:
    """Return two worlds as an example, if the second earns more by a step, rounded or not."""
    for how in (payoff.unrounded, payoff):
        more = sum((how.earned(history, facts) for history in after), Fraction(0))
        more -= sum((how.earned(history, facts) for history in before), Fraction(0))
        if more < payoff.rounding.step:
            return None
    return Counterexample(facts, tuple(before), tuple(after), more)


def _tried(
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
    return _gain(payoff, facts, [(one, other)], [(to, kept)])


def _divided(
    what: str, payoff: Payoff, facts: Facts, one: Business, other: Business
) -> Counterexample | None:
    apart: list[History] = [(one,), (other,)]
    whole: list[History] = [(one + other,)]
    return (
        _gain(payoff, facts, whole, apart)
        if what == "split"
        else _gain(payoff, facts, apart, whole)
    )


def _points(payoff: Payoff, most: int = 36) -> list[Fraction]:
    """Return amounts in whole steps at and beside every point where the payoff bends, and halves.

    There the smallest examples lie.
    """
    c, step = payoff.component, payoff.step
    bends = list(payoff.bounds)
    rates = {tier.rate * part_of(c) for tier in payoff.columns[payoff.column]}
    for amount in (c.cap, c.floor, c.minimum):
        if amount is not None:
            bends += [Fraction(amount) / rate for rate in rates if rate > 0]
    whole = {
        round(bend * part / step) * step
        for bend in bends
        if bend < 10**12
        for part in (Fraction(1), Fraction(1, 2), Fraction(2))
    }
    near = {amount + beside for amount in whole for beside in (-step, Fraction(0), step)}
    near |= {Fraction(0), step, Fraction(1), Fraction(REFERENCE)}
    return sorted(amount for amount in near if amount >= 0)[:most]


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


def _smallest(what: str, payoff: Payoff) -> Counterexample | None:
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
    worth: dict[Fraction, Fraction] = {}

    def pay(amount: Fraction) -> Fraction:
        if amount not in worth:
            worth[amount] = payoff.unrounded.earned((payoff.only(amount),), facts)
        return worth[amount]

    points = _points(payoff)
    tried = [
        (one + other, -more, one != other, abs(2 * moved - other), one, other, moved)
        for one, other in product(points if what == "timing" else points[1:], points[1:])
        for moved, more in _gains(what, pay, points, one, other)
        if more >= payoff.rounding.step
    ]
    for *_, one, other, moved in sorted(tried)[:_FEW]:
        units = [payoff.only(one), payoff.only(other), payoff.only(moved)]
        found = _tried(what, payoff, facts, [None, *units[1:]] if moved and not one else units)
        if found:
            return found
    return None


def _gains(
    what: str, pay: Any, points: Sequence[Fraction], one: Fraction, other: Fraction
) -> Iterator[tuple[Fraction, Fraction]]:
    """Yield what is moved, and what two amounts then earn more; for a split, or a merger, once."""
    if what != "timing":
        apart = pay(one) + pay(other) - pay(one + other)
        yield Fraction(0), apart if what == "split" else -apart
        return

    def earns(amount: Fraction) -> Fraction:
        return pay(amount) if amount else Fraction(0)

    for moved in {other, other / 2, *(p - one for p in points if one < p <= one + other)}:
        if moved > 0 and (moved / Fraction(1, 100)).denominator == 1:
            yield (
                moved,
                earns(one + moved) + earns(other - moved) - earns(one) - earns(other),
            )


def _few(payoff: Payoff) -> list[Business | None]:
    points = [Fraction(1), *payoff.bounds[:2], Fraction(1000), Fraction(REFERENCE)]
    whole = dict.fromkeys(round(point / payoff.step) * payoff.step for point in points)
    return [None, *(payoff.only(point) for point in list(whole)[: _FEW - 1])]


def _divided_histories(what: str, payoff: Payoff, facts: Facts) -> Iterator[Counterexample]:
    """Yield examples of two units over one period, then over two."""
    for length in range(1, min(payoff.slots, 2) + 1):
        histories = [tuple(history) for history in product(_few(payoff), repeat=length)]
        for one, other in product(histories, histories):
            whole = tuple(
                a if b is None else b if a is None else a + b
                for a, b in zip(one, other, strict=True)
            )
            apart: list[History] = [one, other]
            worlds = ([whole], apart) if what == "split" else (apart, [whole])
            found = _gain(payoff, facts, *worlds)
            if found:
                yield found


def _moved_histories(payoff: Payoff) -> Iterator[Counterexample]:
    """Yield examples of a unit of which something is moved from one period to another."""
    for facts in islice(_figures(payoff), _FEW):
        for length in range(2, payoff.slots + 1):
            for history in product(_few(payoff), repeat=length):
                for source, target in product(range(length), repeat=2):
                    if source != target and history[source] is not None:
                        yield from _moves(payoff, facts, history, source, target)


def _moves(
    payoff: Payoff, facts: Facts, history: History, source: int, target: int
) -> Iterator[Counterexample]:
    """Yield what is gained by moving all of a period, all but 1, or a half to another."""
    given, taking = history[source], history[target]
    if given is None:
        return
    for moved in (given.spend, given.spend - 1, given.spend / 2):
        if moved > 0 and (moved / payoff.step).denominator == 1:
            after = list(history)
            rest = given.spend - moved
            after[source] = payoff.only(rest) if rest else None
            after[target] = payoff.only(moved + (taking.spend if taking else 0))
            found = _gain(payoff, facts, [history], [tuple(after)])
            if found:
                yield found


def _example(what: str, payoff: Payoff, found: Counterexample) -> dict[str, Fraction | int | str]:
    """Return the numbers by which an example is said."""
    said = _said(what, payoff, found)
    figures = {f"figure {name}": found.facts[name, of] for name, of in payoff.figures}
    return said | {"more": found.more} | figures


def _said(what: str, payoff: Payoff, found: Counterexample) -> dict[str, Fraction | int | str]:
    worlds = [[_amounts(h) for h in world] for world in (found.before, found.after)]
    if what == "timing":
        return _said_move(worlds[0][0], worlds[1][0])
    apart, whole = (worlds[1], worlds[0]) if what == "split" else (worlds[0], worlds[1])
    if any(len(history) > 1 for history in apart):
        said: dict[str, Fraction | int | str] = {"one": _shown(apart[0]), "other": _shown(apart[1])}
        return said if what == "merge" else said | {"whole": _shown(whole[0])}
    one, other = (amounts[0] or Fraction(0) for amounts in apart)
    if what == "merge":
        return {"one": one, "other": other}
    parts: dict[str, Fraction | int | str] = (
        {"parts": 2, "part": one} if one == other else {"one": one, "other": other}
    )
    return parts | {"whole": whole[0][0] or Fraction(0)}


def _said_move(
    before: Sequence[Fraction | None], then: Sequence[Fraction | None]
) -> dict[str, Fraction | int | str]:
    changes = [(b or Fraction(0)) - (a or Fraction(0)) for a, b in zip(before, then, strict=True)]
    target, source = changes.index(max(changes)), changes.index(min(changes))
    one, other = (before[place] or Fraction(0) for place in (target, source))
    said: dict[str, Fraction | int | str] = {"one": one, "other": other, "moved": max(changes)}
    if len(before) > 2 or source < target:
        said |= {"before": _shown(before), "then": _shown(then)}
    return said


def _amounts(history: History) -> list[Fraction | None]:
    return [None if business is None else business.spend for business in history]


def _shown(amounts: Sequence[Fraction | None]) -> str:
    """Return the amounts of a history, period by period: `1 / 1,000 / -`."""
    said = (
        "-" if a is None else show(Decimal(a.numerator) / a.denominator).removesuffix(".00")
        for a in amounts
    )
    return " / ".join(said)


def strongest(
    payoff: Payoff, wholes: Sequence[Fraction] | None = None, most: int = 10
) -> dict[str, Fraction | int]:
    """Find the split into equal parts of whole cents that pays most; empty where none pays.

    What is split are the table's bounds, or `wholes`; figures are 100.
    """
    best: dict[str, Fraction | int] = {}
    for whole in wholes if wholes is not None else payoff.bounds:
        for parts in range(2, most + 1):
            part = whole / parts
            more = parts * payoff.at(part) - payoff.at(whole)
            if (
                (part / payoff.step).denominator == 1
                and more > 0
                and (not best or more > best["more"])
            ):
                best = {"parts": parts, "part": part, "whole": whole, "more": more}
    return best
