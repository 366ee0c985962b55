"""Proofs that splitting, merging or moving business never pays more, by z3 over exact numbers.

A proof is over the payoff before rounding, for all amounts and figures from zero up. A refutation
comes with worlds in whole cents, before and after, in which the rounded pay differs by just what it
says; where none is found, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import z3

from fenrun.base.money import show
from fenrun.base.words import Message
from fenrun.plan.check.effort import Effort
from fenrun.plan.check.examples import Counterexample, moved_histories, of_units, smallest
from fenrun.plan.check.limits import QUESTIONS, cannot, never_two
from fenrun.plan.check.payoff import (
    NO_PAST,
    REFERENCE,
    Business,
    History,
    Past,
    Payoff,
    lesser,
    some,
)


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


def verdicts(
    payoff: Payoff,
    unexamined: Mapping[str, Message] | None = None,
    effort: Effort | None = None,
) -> list[Verdict]:
    """The three proofs of a payoff; without those that are not examined for a reason."""
    asked = effort or Effort()
    why = cannot(payoff) or _of_scope(payoff, asked)
    reasons = dict.fromkeys(QUESTIONS, why) if why else unexamined or {}
    return [
        Verdict(what, None, why=reasons[what]) if what in reasons else _verdict(what, payoff, asked)
        for what in QUESTIONS
    ]


def _of_scope(payoff: Payoff, effort: Effort) -> Message | None:
    """Return that whoever is in scope may be paid for nothing: who has given all away still is."""
    if not payoff.component.scope:
        return None
    question = _Question("split", payoff, [])
    solver = z3.Solver()
    solver.add(question.of_nothing != 0, *question.given)
    return None if effort.check(solver) == z3.unsat else Message("unexamined-scope")


def _verdict(what: str, payoff: Payoff, effort: Effort) -> Verdict:
    if what == "timing" and payoff.periods < 2:
        return Verdict(what, None, why=never_two(payoff, payoff.start))
    if what == "timing" and payoff.looks_back:
        found = next(moved_histories(payoff), None)
        return _refuted(what, payoff, found) if found else _unknown(what, "past")
    if payoff.component.baseline:
        return _over_baseline(what, payoff, effort)
    return _asked(what, payoff, effort)


def _over_baseline(what: str, payoff: Payoff, effort: Effort) -> Verdict:
    """Return the answer where only what exceeds a baseline counts.

    One customer's parts exceed it by less than the whole does, so a whole may count by any more. An
    example is one of customers whose baseline is nothing.
    """
    adds_up = payoff.component.each in ("payee", "customer") and not payoff.looks_back
    if (
        what == "split"
        and adds_up
        and _solve(_Question(what, payoff, [payoff.column], extra=True), effort) == z3.unsat
    ):
        verdict = _asked(what, payoff, effort, extra=True)
    else:
        verdict = _asked(what, payoff, effort)
        if verdict.proven:
            name = payoff.component.baseline
            return Verdict(what, None, why=Message("unexamined-baseline", {"name": name}))
    return verdict


def _asked(what: str, payoff: Payoff, effort: Effort, *, extra: bool = False) -> Verdict:
    answer = _solve(_Question(what, payoff, [payoff.column], extra=extra), effort)
    if answer == z3.unsat:
        if len(payoff.columns) == 1:
            return Verdict(what, True)
        if payoff.component.pays_on != "amount":
            return _unknown(what, "columns")
        columns = range(len(payoff.columns))
        together = _solve(_Question(what, payoff, columns, extra=extra), effort)
        return Verdict(what, True) if together == z3.unsat else _unknown(what, "together")
    found = smallest(what, payoff) or (
        _in_cents(what, payoff, effort) if answer == z3.sat else None
    )
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
        return Past(spend, to_date, self._bounded(spend), self.payoff.has_past(is_there))

    @property
    def of_nothing(self) -> Any:
        """The pay of a unit that sells nothing."""
        return self._pay(self.payoff.only(Fraction(0)), self._past("n"))

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


def _solve(question: _Question, effort: Effort) -> Any:
    solver = z3.Solver()
    solver.add(question.claim, *question.given)
    return effort.check(solver)


def _in_cents(what: str, payoff: Payoff, effort: Effort) -> Counterexample | None:
    """Return an example in whole cents that z3 names, if it is one once rounded."""
    question = _Question(what, payoff, [payoff.column], cents=True)
    solver = z3.Solver()
    solver.add(question.claim, *question.given)
    if effort.check(solver) != z3.sat:
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
    return of_units(what, payoff, facts, [*units, moved])


# --- examples in words ----------------------------------------------------------------------------


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
