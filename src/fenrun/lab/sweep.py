"""Sweeps: every variant of a scenario settled in few passes, each beside what is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from fenrun.base.problem import Problem, Refused, in_order, refused
from fenrun.base.table import natural_type
from fenrun.base.when import Period
from fenrun.engine.duckdb import DuckDB
from fenrun.lab.patched import Lab, Patched, SomeMonths
from fenrun.lab.plan_patch import patched_plan
from fenrun.lab.scenario import Scenario, load_scenario
from fenrun.lab.scenario_text import UsageText
from fenrun.lab.variants import Values, place_of_vary, variants_of, with_values
from fenrun.plan.read import PlanFile, plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.facts import Facts, in_force
from fenrun.settle.results import EARNED_SUMS
from fenrun.store.facts import Store
from fenrun.whatif.compare import as_other

_NOTHING = Decimal(0)
_MORE = "+1 %"
"""By how much sales rise where it is asked what more of them pays."""
_FOURTH = Decimal("0.0001")
_AT_ONCE = 200
"""The most plans that are settled in one pass."""
_BESIDE_NOW = """
WITH earned AS (
  SELECT v.variant, e.payee, e.currency, e.earned AS after, 0 AS before
  FROM earned_sums AS e JOIN swept AS v USING (plan_id)
  UNION ALL
  SELECT n.variant, e.payee, e.currency, e.earned, 0
  FROM earned_sums AS e CROSS JOIN (SELECT DISTINCT variant FROM swept) AS n
  WHERE e.plan_id NOT IN (SELECT plan_id FROM swept)
  UNION ALL
  SELECT n.variant, e.payee, e.currency, 0, e.earned
  FROM earned_now AS e CROSS JOIN (SELECT DISTINCT variant FROM swept) AS n),
of_payee AS (
  SELECT variant, payee, currency, sum(after) AS earned, sum(after) - sum(before) AS more
  FROM earned GROUP BY variant, payee, currency)
SELECT variant, currency, sum(earned) AS earned, sum(more) AS earned_more,
       count(*) FILTER (more > 0) AS winners,
       coalesce(sum(more) FILTER (more > 0), 0) AS gained,
       count(*) FILTER (more < 0) AS losers,
       coalesce(sum(more) FILTER (more < 0), 0) AS lost,
       least(min(more), 0) AS most_lost
FROM of_payee GROUP BY variant, currency ORDER BY variant, currency"""


@dataclass(frozen=True)
class Variant:
    """The pay of one variant in one currency, beside what is."""

    number: int
    """From 1, in the order of the values."""
    values: Values
    currency: str
    earned: Decimal
    """What all payees earn: what it costs the vendor."""
    earned_more: Decimal
    winners: int
    gained: Decimal
    losers: int
    lost: Decimal
    most_lost: Decimal
    """What the one who loses most loses: below zero, or nothing."""
    strength: Decimal | None = None
    """What is paid of each unit that is sold more, to 4 decimals, where that was asked for."""


@dataclass(frozen=True)
class Sweep:
    """A period as it is, and under every variant of a scenario."""

    scenario: Scenario
    period: Period
    known: datetime
    now: dict[str, Decimal]
    """What all payees earn as it is, by currency."""
    variants: tuple[Variant, ...]
    """Grain: variant, currency."""
    problems: tuple[Problem, ...]
    """What patches besides the plans' change nothing."""

    @property
    def frontier(self) -> list[Variant]:
        """The variants that no other beats: none costs less without more payees who lose.

        The cheapest first; of those that cost as much and have as many who lose, the first.
        """
        found: list[Variant] = []
        for one in sorted(self.variants, key=lambda v: (v.currency, v.earned, v.losers, v.number)):
            if not found or found[-1].currency != one.currency or one.losers < found[-1].losers:
                found.append(one)
        return found

    @property
    def same_cost(self) -> list[Variant]:
        """For each choice of the other values, the dearest of the last that costs no more than now.

        Those with the fewest payees who lose come first, then those with the least that is lost.
        """
        best: dict[tuple[str, ...], Variant] = {}
        for one in self.variants:
            key = (one.currency, *list(one.values.values())[:-1])
            if one.earned_more <= 0 and (key not in best or one.earned > best[key].earned):
                best[key] = one
        return sorted(best.values(), key=lambda v: (v.currency, v.losers, -v.lost, v.number))

    def table(self) -> pa.Table:
        """Return the variants as a table, a column for each name that varies; amounts exact."""
        names = ["currency", "earned", "earned_more", "winners", "gained", "losers", "lost"]
        names += ["most_lost", "strength"]
        columns: dict[str, Sequence[Any]]
        columns = {"variant": [one.number for one in self.variants]}
        columns |= {n: [one.values[n] for one in self.variants] for n in self.scenario.text.vary}
        columns |= {n: [getattr(one, n) for one in self.variants] for n in names}
        return pa.table({name: _column(values) for name, values in columns.items()})


def _column(values: Sequence[object]) -> pa.Array:
    amounts = [value for value in values if isinstance(value, Decimal)]
    return pa.array(values, natural_type(amounts)) if amounts else pa.array(values)


def sweep(
    store: Store | Path | str,
    scenario: Scenario | Path | str,
    period: Period,
    known: datetime | None = None,
    progress: Callable[[str], None] = lambda name: None,
    with_strength: bool = False,
) -> Sweep:
    """Settle a period as it is, and under every variant of a scenario. Raises Refused.

    Facts are those known at a moment, by default all; what is earned is said before anything is
    held back. `with_strength`, all is settled again with more sales. Nothing is kept.
    """
    store = store if isinstance(store, Store) else Store(Path(store))
    read = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    variants = variants_of(read.text)
    if not variants:
        raise refused("scenario-varies-nothing", place_of_vary(read.written))
    lab = Lab(store, period, known)
    with TemporaryDirectory(prefix="fenrun-sweep-") as scratch:
        months = SomeMonths(Path(scratch), lab.facts.kept)
        swept = _Swept(lab, read, variants, months, progress)
        found, problems = swept.settled(with_strength)
    return Sweep(read, period, lab.known, swept.now_in_all(), tuple(found), problems)


class _Swept:
    """A scenario whose variants are settled over one lab."""

    def __init__(
        self,
        lab: Lab,
        scenario: Scenario,
        variants: Sequence[Values],
        months: SomeMonths,
        progress: Callable[[str], None],
    ):
        self.lab, self.scenario, self.variants = lab, scenario, variants
        self.months, self.progress = months, progress
        self.now = self._earned(lab.facts, in_force(lab.facts.plans, lab.period))

    def now_in_all(self) -> dict[str, Decimal]:
        """Return what all payees earn as it is, by currency."""
        sums = self.now.group_by("currency").aggregate([("earned", "sum")]).to_pylist()
        return {row["currency"]: row["earned_sum"] for row in sums}

    def settled(self, with_strength: bool) -> tuple[list[Variant], tuple[Problem, ...]]:
        """Return what each variant pays, perhaps with what it pays of a unit that is sold more."""
        with self._patched(self.scenario) as patched:
            found = self._variants(patched)
            if with_strength:
                found = self._with_strength(patched, found)
        return found, tuple(in_order(patched.problems))

    def _patched(self, read: Scenario) -> AbstractContextManager[Patched]:
        """Return the facts of a scenario, whose plans are those of each variant."""
        return self.lab.patched(read, [path for path in read.paths if path[0] != "plans"])

    def _variants(self, patched: Patched) -> list[Variant]:
        return [one for some in self._passes() for one in self._pass(patched, some)]

    def _passes(self) -> Iterator[list[int]]:
        """Yield the numbers of the variants that are settled in one pass."""
        changed = len({one.plan for one in self.scenario.text.plans})
        size = max(1, _AT_ONCE // changed)
        for start in range(0, len(self.variants), size):
            yield list(range(start, min(start + size, len(self.variants))))

    def _pass(self, patched: Patched, numbers: Sequence[int]) -> Iterator[Variant]:
        """Yield what some variants pay."""
        swept: list[dict[str, object]] = []
        plans: list[Plan] = []
        changed: set[str] = set()
        for number in numbers:
            for plan in self._plans(self.variants[number]):
                other = f"{plan.id} #{number + 1}"  # no plan's id has a blank
                swept.append({"variant": number + 1, "plan_id": other})
                plans.append(as_other(plan, other))
                changed.add(plan.id)
            self.progress(str(number + 1))
        kept = [plan for plan in patched.facts.plans if plan.id not in changed]
        run_plans = in_force([*kept, *plans], self.lab.period)
        engine = self._run(patched.facts, run_plans)
        engine.load("swept", pa.Table.from_pylist(swept))
        engine.load("earned_now", self.now)
        for row in engine.rows(_BESIDE_NOW):
            number = row.pop("variant")
            yield Variant(number, self.variants[number - 1], **row)

    def _plans(self, values: Values) -> list[Plan]:
        """Return the plans that a variant changes. Raises Refused where one cannot be read."""
        read = replace(self.scenario, text=with_values(self.scenario.text, values))
        found: dict[str, PlanFile] = {}
        try:
            for path in (path for path in read.paths if path[0] == "plans"):
                plan_id = read.text.plans[int(path[1])].plan
                file = found.get(plan_id) or self.lab.file(read, path)
                found[plan_id] = patched_plan(file, read, path)
        except Refused as refusal:
            said = ", ".join(f"{name} = {value}" for name, value in values.items())
            place = place_of_vary(self.scenario.written)
            raise Refused(
                [Problem("scenario-variant", place, {"values": said}), *refusal.problems]
            ) from refusal
        day = self.lab.known.date()
        return [plan_as_of(file.plan, day) for file in found.values()]

    def _run(self, facts: Facts, plans: Sequence[Plan]) -> DuckDB:
        facts = replace(facts, plans=tuple(plans), kept=self.months)
        return facts.earn(self.lab.period, self.lab.known, EARNED_SUMS.name).engine

    def _earned(self, facts: Facts, plans: Sequence[Plan]) -> pa.Table:
        """Return what plans earn. Grain: payee, currency."""
        found = self._run(facts, plans).table(EARNED_SUMS.name)
        sums = found.group_by(["payee", "currency"]).aggregate([("earned", "sum")])
        return sums.rename_columns(["payee", "currency", "earned"])

    # --- more sales ---------------------------------------------------------------------------

    def _with_more_sales(self) -> Scenario:
        text = self.scenario.text
        more = UsageText.model_validate({"by": _MORE})
        return replace(self.scenario, text=text.model_copy(update={"usage": [*text.usage, more]}))

    def _with_strength(self, patched: Patched, found: Sequence[Variant]) -> list[Variant]:
        """Return variants with what each pays of a unit that is sold more."""
        with self._patched(self._with_more_sales()) as more:
            sold = sum(self.lab.spent(more.facts)) - sum(self.lab.spent(patched.facts))
            after = {(one.number, one.currency): one.earned for one in self._variants(more)}
        return [
            replace(one, strength=_share(after[one.number, one.currency] - one.earned, sold))
            for one in found
        ]


def _share(part: Decimal, whole: Decimal | int) -> Decimal | None:
    return (part / whole).quantize(_FOURTH) if whole else None
