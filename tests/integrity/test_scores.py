"""Scores: concealed schemes are found among look-alikes, and no row alone gives them away."""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from fenrun.integrity.findings import INVARIANT, STATISTICAL
from fenrun.world.schemes import SCHEMES, make_market
from tests.integrity.scores import LEVELS, interval, scores

IS_NIGHT = "FENRUN_NIGHTLY" in os.environ
Floats = npt.NDArray[np.float64]


def test_a_concealed_market_is_scored_by_day() -> None:
    total = scores([(30, 7, 1)])
    assert total.recall_of(INVARIANT, LEVELS).share == 1
    assert total.recall_of(STATISTICAL, LEVELS).share >= 0.8
    assert total.all_cases.share >= 0.9


@pytest.mark.skipif(not IS_NIGHT, reason="many markets, by night")
def test_schemes_are_found_and_the_honest_left_be() -> None:
    """Three sizes, four levels, and as many honest markets."""
    runs = [(size, seed, level) for size, seed, level in product((30, 60), (201, 202), LEVELS)]
    total = scores([*runs, *((120, 203, level) for level in LEVELS)])
    assert total.recall_of(INVARIANT, LEVELS).share >= 0.99
    assert total.recall_of(STATISTICAL, (1, 2)).share >= 0.8
    assert total.recall_of(STATISTICAL, (3,)).share >= 0.5
    assert total.all_cases.share >= 0.9
    assert total.false_honest * 1000 <= total.months_honest
    assert total.parties.share >= 2 * total.largest.share


def test_an_interval_holds_what_tables_of_it_say() -> None:
    """Clopper and Pearson: 0 of 10 is at most 0.3085; 5 of 10 is 0.1871 to 0.8129."""
    assert interval(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert interval(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert interval(10, 10)[1] == 1.0


@pytest.mark.parametrize("level", [1, 2, 3])
def test_no_row_alone_gives_a_scheme_away(level: int) -> None:
    """Neither one value of an order nor a tree of two questions finds orders of schemes."""
    values, guilty = _orders(level)
    assert guilty.sum() > 30
    best = max(_area(score, guilty) for column in values for score in (column, -column))
    assert best <= 0.6
    assert _area(_tree(values, guilty), guilty) <= 0.65  # fitted on what it is asked about


def _orders(level: int) -> tuple[list[Floats], npt.NDArray[np.bool_]]:
    """Return what one row says of each order, and whether a scheme names it."""
    values, guilty = [], []
    for seed in range(31, 39):
        market = make_market(30, seed, level, SCHEMES)
        named = {order for row in market.truth for order in row.get("orders", ())}
        for order in market.orders:
            number = int(str(order["order"])[3:])
            user = int(str(order["operator"]).rpartition("U")[2])
            paid = order["paid"]
            row = (order["list"], paid, order["list"] * paid, order["day"].weekday(), number % 97)
            values.append((*row, user, int(order["customer"][1:])))
            guilty.append(order["order"] in named)
    return list(np.array(values, dtype=float).T), np.array(guilty)


def _area(score: Floats, guilty: npt.NDArray[np.bool_]) -> float:
    """Return how often a guilty one scores higher than another; ties count half."""
    order = np.unique(score, return_inverse=True)[1]
    counts = np.bincount(order)
    rank = np.cumsum(counts) - (counts - 1) / 2
    many, few = guilty.sum(), (~guilty).sum()
    above = rank[order][guilty].sum() - many * (many + 1) / 2
    return float(above / (many * few))


def _tree(values: list[Floats], guilty: npt.NDArray[np.bool_]) -> Floats:
    """Return the share of guilty ones in the leaf of each, after the two best questions."""
    leaf = np.zeros(len(guilty), dtype=int)
    for _ in range(2):
        leaf = max(
            (
                2 * leaf + (column > cut)
                for column in values
                for cut in np.quantile(column, np.arange(1, 8) / 8)
            ),
            key=lambda split: _area(_rates(split, guilty), guilty),
        )
    return _rates(leaf, guilty)


def _rates(leaf: npt.NDArray[np.int_], guilty: npt.NDArray[np.bool_]) -> Floats:
    rates: Floats = np.bincount(leaf, guilty) / np.maximum(1, np.bincount(leaf))
    return rates[leaf]
