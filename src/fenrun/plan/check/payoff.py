"""Payoffs: what a component pays as a function of what it measures, and what is proven about it.

Proofs that splitting, merging or moving business in time never pays more, by z3 over exact
numbers; a refutation comes with the smallest example in whole cents.

The function is exact, before rounding. Where a table reads a target or a comparison, both are taken
as 100. Baselines, multipliers and gates on other numbers are taken as met.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import z3

from fenrun.plan.rows import Band, Component, Gate, Plan
from fenrun.plan.vocabulary import RATIO_READINGS, TierKind

REFERENCE = 100
_CENT = Fraction(1, 100)


@dataclass(frozen=True)
class Piece:
    """Between two bounds the component pays slope * x + fixed (+ curve * x * x)."""

    lower: Fraction | None
    lower_in: bool
    upper: Fraction | None
    upper_in: bool
    slope: Fraction
    fixed: Fraction
    curve: Fraction = Fraction(0)


@dataclass(frozen=True)
class Payoff:
    """The pay of one unit of a component in a period, under one version and column of its table."""

    component: Component
    band: Band
    """The first band: where it stands."""
    pieces: tuple[Piece, ...]
    up_to: Fraction | None
    cap: Fraction | None
    cap_rate: Fraction | None
    gates: tuple[Gate, ...]

    def at(self, x: Fraction) -> Fraction:
        """Return what x earns."""
        x = x if self.up_to is None else min(x, self.up_to)
        if not all(_inside(g.lower, g.lower_in, g.upper, g.upper_in, x) for g in self.gates):
            return Fraction(0)
        paid = next(
            (
                p.curve * x * x + p.slope * x + p.fixed
                for p in self.pieces
                if _inside(p.lower, p.lower_in, p.upper, p.upper_in, x)
            ),
            Fraction(0),
        )
        bounds = [
            b
            for b in (self.cap, self.cap_rate * x if self.cap_rate is not None and x >= 0 else None)
            if b is not None
        ]
        return min([paid, *bounds])

    def formula(self, x: Any) -> Any:
        """The same as a z3 expression."""
        x = x if self.up_to is None else z3.If(x < _real(self.up_to), x, _real(self.up_to))
        paid = z3.RealVal(0)
        for p in reversed(self.pieces):
            straight = _real(p.slope) * x + _real(p.fixed)
            paid = z3.If(
                _bounded(p.lower, p.lower_in, p.upper, p.upper_in, x),
                straight + _real(p.curve) * x * x if p.curve else straight,
                paid,
            )
        for bound in (
            [_real(self.cap)]
            if self.cap is not None
            else [_real(self.cap_rate) * x]
            if self.cap_rate is not None
            else []
        ):
            paid = z3.If(paid > bound, bound, paid)
        for g in self.gates:
            paid = z3.If(_bounded(g.lower, g.lower_in, g.upper, g.upper_in, x), paid, z3.RealVal(0))
        return paid

    @property
    def step(self) -> Fraction:
        """The least by which what is measured can differ: a cent, or one customer."""
        return _CENT if self.component.counts == "amount" else Fraction(1)

    @property
    def bounds(self) -> list[Fraction]:
        """Points above zero at which the function may change, in order."""
        found: set[Decimal | Fraction | None] = {self.up_to}
        for piece in self.pieces:
            found |= {piece.lower, piece.upper}
        for gate in self.gates:
            found |= {gate.lower, gate.upper}
        return sorted(Fraction(b) for b in found if b is not None and b > 0)


def _inside(lower: Any, lower_in: bool, upper: Any, upper_in: bool, x: Fraction) -> bool:
    return (lower is None or x > lower or (lower_in and x == lower)) and (
        upper is None or x < upper or (upper_in and x == upper)
    )


def _bounded(lower: Any, lower_in: bool, upper: Any, upper_in: bool, x: Any) -> Any:
    low = z3.BoolVal(True) if lower is None else x >= _real(lower) if lower_in else x > _real(lower)
    high = (
        z3.BoolVal(True) if upper is None else x <= _real(upper) if upper_in else x < _real(upper)
    )
    return z3.And(low, high)


def _real(value: Any) -> Any:
    exact = Fraction(value)
    return z3.Q(exact.numerator, exact.denominator)


def payoffs(plan: Plan) -> list[Payoff]:
    """The payoffs of components that pay by what they measure, by version and column of table."""
    found = []
    for c in plan.components:
        if (
            c.pays_on == "earned"
            or c.reads_by in ("figure", "amount to date")
            or (c.times_by and c.times_by != "figure" and c.times_table)
        ):
            continue
        mine = [b for b in plan.bands if b.table_id == c.table_id]
        for key in sorted({(b.valid_from, b.published, b.column_no) for b in mine}):
            bands = sorted(
                (b for b in mine if (b.valid_from, b.published, b.column_no) == key),
                key=lambda b: b.band_no,
            )
            gates = tuple(
                g for g in plan.gates if g.component == c.rule_id and g.subject == "amount"
            )
            cap, rate = (None if v is None else Fraction(v) for v in (c.cap, c.cap_rate))
            found.append(
                Payoff(
                    c,
                    bands[0],
                    tuple(_pieces(c, bands)),
                    None if c.up_to is None else Fraction(c.up_to),
                    cap,
                    rate,
                    gates,
                )
            )
    return found


@dataclass(frozen=True)
class _Step:
    """A band on the scale of what is measured, paying the component's portion."""

    band: Band
    lower: Fraction | None
    upper: Fraction | None
    rate: Fraction
    rate_to: Fraction
    flat: Fraction

    def piece(self, slope: Fraction, fixed: Fraction, curve: Fraction = Fraction(0)) -> Piece:
        """Return the band's piece of the payoff."""
        lower_in, upper_in = self.band.lower_in, self.band.upper_in
        return Piece(self.lower, lower_in, self.upper, upper_in, slope, fixed, curve)


def _step(band: Band, scale: int, portion: Fraction) -> _Step:
    return _Step(
        band=band,
        lower=None if band.lower is None else Fraction(band.lower) * scale,
        upper=None if band.upper is None else Fraction(band.upper) * scale,
        rate=Fraction(band.rate or 0) * portion,
        rate_to=Fraction(band.rate_to or 0) * portion,
        flat=Fraction(band.flat or 0) * portion,
    )


def _pieces(c: Component, bands: Sequence[Band]) -> list[Piece]:
    scale = REFERENCE if bands[0].ratio or c.reads_by in RATIO_READINGS else 1
    in_order = sorted(bands, key=lambda b: (b.lower is not None, b.lower or 0))
    steps = [_step(band, scale, Fraction(c.portion)) for band in in_order]
    if c.pays_on == "figure":
        return [step.piece(Fraction(0), step.rate * REFERENCE + step.flat) for step in steps]
    return CURVES[bands[0].kind](steps)


def _all_units(steps: Sequence[_Step]) -> list[Piece]:
    """The whole at the reached band's rate."""
    return [step.piece(step.rate, step.flat) for step in steps]


def _marginal(steps: Sequence[_Step]) -> list[Piece]:
    """Each slice at its own band's rate; nothing more above the last bound."""
    found, below = [], Fraction(0)
    for step in steps:
        start = step.lower or Fraction(0)
        found.append(step.piece(step.rate, below + step.flat - step.rate * start))
        below += step.flat
        if step.upper is not None:
            below += step.rate * (step.upper - start)
    last = found[-1]
    if last.upper is not None:
        found.append(Piece(last.upper, not last.upper_in, None, False, Fraction(0), below))
    return found


def _interpolated(steps: Sequence[_Step]) -> list[Piece]:
    """The whole at a rate on the straight line between two points; beyond the last, at its rate."""
    found = []
    for step in steps:
        if step.lower is None or step.upper is None:
            found.append(step.piece(step.rate, step.flat))
            continue
        tilt = (step.rate_to - step.rate) / (step.upper - step.lower)
        found.append(step.piece(step.rate - tilt * step.lower, step.flat, tilt))
    return found


CURVES: dict[TierKind, Callable[[Sequence[_Step]], list[Piece]]] = {
    "all units": _all_units,
    "marginal": _marginal,
    "interpolated": _interpolated,
}
"""The payoff of each tier kind."""


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


@dataclass(frozen=True)
class Verdict:
    """An answer to whether something never pays more.

    Proven, refuted with an example, or not known (`proven` is None).
    """

    what: str
    """`split`, `merge` or `timing`."""
    proven: bool | None
    example: dict[str, Fraction | int]
    """split: parts, part, whole, more. merge: one, other, more. timing: one, other, moved, more."""


def verdicts(payoff: Payoff) -> list[Verdict]:
    """The three proofs of a payoff."""
    f = payoff.formula
    a, b, d = z3.Reals("a b d")
    found = [
        _verdict("split", payoff, [a, b], z3.And(a >= 0, b >= 0, f(a) + f(b) > f(a + b))),
        _verdict("merge", payoff, [a, b], z3.And(a >= 0, b >= 0, f(a + b) > f(a) + f(b))),
    ]
    if payoff.component.each in ("payee", "customer"):
        found.append(
            _verdict(
                "timing",
                payoff,
                [a, b, d],
                z3.And(a >= 0, b >= d, d > 0, f(a + d) + f(b - d) > f(a) + f(b)),
            )
        )
    else:
        found.append(Verdict("timing", True, {}))
    return found


def _verdict(what: str, payoff: Payoff, unknowns: list[Any], claim: Any) -> Verdict:
    solver = z3.Solver()
    solver.set("timeout", 3000)
    solver.add(claim)
    answer = solver.check()
    if answer == z3.unsat:
        return Verdict(what, True, {})
    if answer != z3.sat:
        return Verdict(what, None, {})
    values = [_exact(solver.model().eval(u, model_completion=True)) for u in unknowns]
    return Verdict(what, False, _example(what, payoff, _smallest(what, payoff) or values))


def _vertices(payoff: Payoff, most: int = 20) -> list[Fraction]:
    """Amounts in whole cents at and beside every point where the payoff bends, and their halves.

    There the smallest examples lie.
    """
    bends = [b for b in payoff.bounds if b < 10**12]
    for p in payoff.pieces:
        if payoff.cap is not None and p.slope > 0:
            bends.append((payoff.cap - p.fixed) / p.slope)
    whole = {
        round(b * k / payoff.step) * payoff.step
        for b in bends
        if b > 0
        for k in (Fraction(1), Fraction(1, 2), Fraction(2))
    }
    near = {c + step for c in whole for step in (-payoff.step, Fraction(0), payoff.step)} | {
        Fraction(0),
        payoff.step,
        Fraction(1),
        Fraction(100),
    }
    return sorted(v for v in near if v >= 0)[: 3 * most]


def _smallest(what: str, payoff: Payoff) -> list[Fraction] | None:
    """The example of least size among the vertices.

    Of equal ones it is the one that pays most, in equal parts if it can be.
    """
    f, points = payoff.at, _vertices(payoff)
    worth = {x: f(x) for x in points}
    tried: list[tuple[Fraction, Fraction, int, list[Fraction]]] = []
    for a in points:
        for b in points:
            if what == "timing":
                # all of b, or what lifts a to a bend
                for moved in {b, *(p - a for p in points if a < p <= a + b)} - {Fraction(0)}:
                    more = f(a + moved) + f(b - moved) - worth[a] - worth[b]
                    if more > 0:
                        tried.append((a + b, -more, 0, [a, b, moved]))
            else:
                more = (
                    worth[a] + worth[b] - f(a + b)
                    if what == "split"
                    else f(a + b) - worth[a] - worth[b]
                )
                if more >= _CENT:
                    tried.append((a + b, -more, a != b, [a, b]))
    return min(tried)[3] if tried else None


def _exact(value: Any) -> Fraction:
    if z3.is_algebraic_value(value):
        value = value.approx(10)
    return Fraction(value.numerator_as_long(), value.denominator_as_long())


def _example(what: str, payoff: Payoff, found: list[Fraction]) -> dict[str, Fraction | int]:
    f = payoff.at
    if what == "split":
        parts: dict[str, Fraction | int] = (
            {"parts": 2, "part": found[0]}
            if found[0] == found[1]
            else {"one": found[0], "other": found[1]}
        )
        return parts | {
            "whole": found[0] + found[1],
            "more": f(found[0]) + f(found[1]) - f(found[0] + found[1]),
        }
    if what == "merge":
        return {
            "one": found[0],
            "other": found[1],
            "more": f(found[0] + found[1]) - f(found[0]) - f(found[1]),
        }
    one, other, moved = found
    return {
        "one": one,
        "other": other,
        "moved": moved,
        "more": f(one + moved) + f(other - moved) - f(one) - f(other),
    }


def strongest(
    payoff: Payoff, wholes: Sequence[Fraction] | None = None, most: int = 10
) -> dict[str, Fraction | int]:
    """Find the split into equal parts of whole cents that pays most; empty where none pays.

    What is split are the table's bounds, or `wholes`.
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
