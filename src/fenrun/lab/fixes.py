"""Changes of a plan that could take the gain out of an exploit, each a patch of the plan's text.

They are typed, and few: one rate for all sizes, tiers that pay each part at its own rate, both at
the same cost as now; a cap where the best paid is now; one credit instead of two. What each leaves
of the gain, and what it changes for those who did nothing, the engine settles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.lab.answers import component_earned
from fenrun.lab.moves import component_of
from fenrun.lab.optimum import curve_of
from fenrun.lab.patched import Lab
from fenrun.plan.rows import Band
from fenrun.statement.run import Run

_NOTHING = Decimal(0)
_RATE = Decimal("0.0001")
ONE_RATE, MARGINAL, CAP, ONCE = "one-rate", "marginal", "cap", "once"
"""The kinds of fixes."""


@dataclass(frozen=True)
class Fix:
    """A change of a plan, settled: alone, and with the exploit."""

    kind: str
    says: str
    """The rate, or the cap, that it writes; empty for none."""
    change: Mapping[str, Any]
    """What it sets, as a scenario's patch of the plan does."""
    removed: Decimal
    """How much of the gain it takes away: all of it, where the exploit would lose."""
    left: Decimal
    """What the exploit still gains under it."""
    honest: Decimal
    """By how much the pay of all changes where nobody does anything: raised and cut together."""


@dataclass(frozen=True)
class Proposed:
    """A change of a plan that is not settled yet."""

    kind: str
    says: str
    change: Mapping[str, Any]


def proposed_fixes(lab: Lab, before: Run, plan_id: str, component: str) -> Iterator[Proposed]:
    """Yield the changes that a component and its plan can take; some may fit no text."""
    plan, c = component_of(lab, plan_id, component)
    bands = [band for band in plan.bands if band.table_id == c.table_id]
    rows = [
        row
        for row in component_earned(before)
        if (row["plan_id"], row["component"]) == (plan_id, component)
    ]
    earned = sum((row["earned"] for row in rows), _NOTHING)
    table = f"tables.{c.table_id}"
    is_plain = not any(b.column_no or b.rate is None for b in bands)
    is_one = len(bands) == 1 and not c.cap and not c.baseline
    if c.pays_on == "amount" and is_plain and not is_one:
        measured = sum((row["measured"] or _NOTHING for row in rows), _NOTHING)
        if measured > 0:
            rate = (earned / measured).quantize(_RATE)
            yield Proposed(ONE_RATE, plain(rate), {f"{table}.bands": [_pays(rate)]})
    if (
        c.reads_by == c.pays_on == "amount"
        and is_plain
        and {b.kind for b in bands} == {"all units"}
    ):
        said = _at_their_own_rates(bands, [row["measured"] or _NOTHING for row in rows], earned)
        if said:
            yield Proposed(MARGINAL, "", {f"{table}.kind": "marginal", f"{table}.bands": said})
    most = max((row["earned"] for row in rows), default=_NOTHING)
    if c.cap is None and c.cap_rate is None and most > 0:
        yield Proposed(CAP, plain(most), {f"earn.sum.{component}.cap": plain(most)})
    twice = [clause.rule_id for clause in plan.credit_clauses if clause.mode == "double"]
    if twice:
        modes = {f"credit.first match.{clause}.mode": "single" for clause in twice}
        yield Proposed(ONCE, "", modes)


def ranked(fixes: Sequence[Fix]) -> list[Fix]:
    """Return fixes, first those that take most of the gain for what they change of others' pay.

    What changes nothing for others comes before what does; what takes nothing away comes last.
    """

    def rank(one: Fix) -> tuple[bool, bool, Decimal, Decimal, Decimal]:
        worth = one.removed / one.honest if one.honest else _NOTHING
        return one.removed <= 0, bool(one.honest), -worth, -one.removed, abs(one.left)

    return sorted(fixes, key=rank)


def _pays(rate: Decimal) -> str:
    return f"pays {plain(rate.scaleb(2), 0)} %"


def _at_their_own_rates(
    bands: Sequence[Band], amounts: Sequence[Decimal], earned: Decimal
) -> list[str]:
    """Return bands that pay each part of an amount at a rate of its own, and cost as much in all.

    All rates change by one factor. Empty where the parts cost nothing.
    """
    curve = curve_of(bands)
    if curve is None:
        return []
    in_parts = replace(curve, is_marginal=True)
    cost = sum((in_parts.earned(amount) for amount in amounts), _NOTHING)
    steps = sorted(bands, key=lambda band: band.band_no)
    if len(steps) < 2 or cost <= 0:
        return []
    return [
        f"{band.words.rpartition('pays')[0]}"
        f"{_pays(((band.rate or _NOTHING) * earned / cost).quantize(_RATE))}"
        for band in steps
    ]
