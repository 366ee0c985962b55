"""The best dealing of customers among partners by HiGHS, and a bound that no dealing passes.

HiGHS counts in floats, so it only chooses: what its choice gains, the engine settles. The bound is
exact: business that could be divided at will earns at most what the Lagrangian dual says, by any
multiplier; the best of those where two sizes pay alike is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from fenrun.plan.rows import Band

MOST_CUSTOMERS = 150
"""So many of the largest customers are dealt anew; all others stay where they are."""
_NOTHING = Decimal(0)
_SECONDS = 20.0
_KINDS = ("all units", "marginal")


@dataclass(frozen=True)
class Curve:
    """What an amount earns, by bands of amounts that each pay a rate."""

    is_marginal: bool
    bands: tuple[tuple[Decimal, Decimal | None, Decimal], ...]
    """From, below (None: no end), rate."""

    def earned(self, amount: Decimal) -> Decimal:
        """Return what an amount earns."""
        found = _NOTHING
        for start, end, rate in self.bands:
            if self.is_marginal:
                top = amount if end is None else min(amount, end)
                found += rate * max(top - start, _NOTHING)
            elif start <= amount and (end is None or amount < end):
                found = rate * amount
        return found

    def corners(self, whole: Decimal) -> list[tuple[Decimal, Decimal]]:
        """Return amounts up to a whole with what they earn, or nearly do from below.

        Between two of them it is straight.
        """
        found = [(_NOTHING, self.earned(_NOTHING)), (whole, self.earned(whole))]
        for start, end, rate in self.bands:
            if start <= whole:
                found.append((start, self.earned(start)))
            if end is not None and end <= whole:
                found.append((end, self.earned(end) if self.is_marginal else rate * end))
        return found


def curve_of(bands: Sequence[Band]) -> Curve | None:
    """Return the curve of a table; None where it is none of rates by amounts alone."""
    odd = (b for b in bands if b.ratio or b.column_no or b.rate is None or b.rate_to is not None)
    kinds = {band.kind for band in bands}
    if not bands or any(True for _ in odd) or len(kinds) > 1 or not kinds <= set(_KINDS):
        return None
    ranked = sorted(bands, key=lambda band: band.band_no)
    steps = [(b.lower or _NOTHING, b.upper, b.rate) for b in ranked if b.rate is not None]
    return Curve(kinds == {"marginal"}, tuple(steps))


def most_earned(curve: Curve, whole: Decimal, holders: int) -> Decimal:
    """Return what no dealing of a whole among so many holders can earn more than. Exact."""
    corners = curve.corners(whole)
    slopes = [
        (other[1] - one[1]) / (other[0] - one[0])
        for one, other in combinations(corners, 2)
        if one[0] != other[0]
    ]
    return min(
        (
            holders * max(earned - slope * amount for amount, earned in corners) + slope * whole
            for slope in [_NOTHING, *slopes]
        ),
    )


def best_dealing(
    curve: Curve, spent: Mapping[str, Decimal], fixed: Mapping[str, Decimal]
) -> dict[str, str]:
    """Return who holds each customer where most is earned; nothing where HiGHS finds none.

    `spent` is what each customer spends, `fixed` what each holder has besides.
    """
    import highspy

    model = highspy.Highs()
    model.silent()
    for name, value in (("time_limit", _SECONDS), ("threads", 1)):
        model.setOptionValue(name, value)
    whole = float(sum(spent.values(), _NOTHING) + sum(fixed.values(), _NOTHING))
    holds = {(k, p): model.addBinary() for k in spent for p in fixed}
    for k in spent:
        model.addConstr(sum(holds[k, p] for p in fixed) == 1)
    earned = 0
    for p, more in fixed.items():
        volume = sum(float(spent[k]) * holds[k, p] for k in spent) + float(more)
        reached, base = [], _NOTHING
        for start, end, rate in curve.bands:
            is_in, amount = model.addBinary(), model.addVariable(0, whole)
            model.addConstr(amount >= float(start) * is_in)
            model.addConstr(amount <= (whole if end is None else float(end)) * is_in)
            off = base - rate * start if curve.is_marginal else _NOTHING
            earned += float(rate) * amount + float(off) * is_in
            base += rate * ((end or start) - start)
            reached.append((is_in, amount))
        model.addConstr(sum(is_in for is_in, _ in reached) == 1)
        model.addConstr(sum(amount for _, amount in reached) - volume == 0)
    model.maximize(earned)
    if model.getInfo().primal_solution_status != 2:  # a solution that is feasible
        return {}
    return {k: p for (k, p), one in holds.items() if model.val(one) > 0.5}
