"""Places by attainment are exact and cost no comparison of each with each, in both databases."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from fenrun.earn.earning import STEPS
from fenrun.engine.runner import AMOUNT, NUMBER, TEXT, Bulk, Runner, SQLite

RANKED = next(step for step in STEPS if step.name == "ranked")
OF_PAYEE = ("plan", "component", "payee", "period", "qualifies", "in_scope", "period_from")


def _places(runner: Runner, rows: list[tuple[int, int]], ties: str) -> list[int]:
    """The places of payees by amount and target, in their order."""
    columns = {**dict.fromkeys(OF_PAYEE, NUMBER), "amount": AMOUNT, "target": AMOUNT}
    runner.load("referenced", columns, [(1, 1, n, 1, 1, 1, 0, *row) for n, row in enumerate(rows)])
    columns = dict.fromkeys(("plan", "component", "ranks_among"), NUMBER)
    columns |= {"ties": TEXT, "ranks_by": TEXT}
    runner.load("components", columns, [(1, 1, 0, ties, "attainment")])
    labels = ("party", "label", "value", "valid_from", "valid_to")
    runner.load("labels", dict.fromkeys(labels, NUMBER), [])
    runner.run(RANKED, {"digit": str(10**17), "one": "1"})
    return [int(place) for _, place in sorted(runner.rows("SELECT payee, place FROM ranked"))]


@pytest.mark.parametrize("make", [SQLite, Bulk])
@pytest.mark.parametrize("most", [10, 10**9, 4 * 10**18])
def test_places_are_those_of_exact_fractions(make: type[Runner], most: int) -> None:
    """All lie within one of their target: large ones differ after the eighteenth digit."""
    draw = random.Random(most)
    targets = [draw.randint(1, most) for _ in range(60)]
    rows = [(min(most, max(1, target + draw.choice((-1, 0, 0, 1)))), target) for target in targets]
    reached = [Fraction(amount, target) for amount, target in rows]
    better = [1 + sum(other > own for other in reached) for own in reached]
    worse = [sum(other >= own for other in reached) for own in reached]
    assert _places(make(), rows, "better place") == better
    assert _places(make(), rows, "worse place") == worse
