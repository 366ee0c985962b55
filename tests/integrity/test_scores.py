"""Scores: concealed schemes are found among look-alikes, and no row alone gives them away."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from fenrun.integrity.findings import INVARIANT, STATISTICAL
from fenrun.world.market import PRODUCTS
from fenrun.world.schemes import SCHEMES, make_market
from tests.integrity.scores import LEVELS, interval, scores

_BY_CUSTOMER, _QUESTIONS = ("G01", "G02", "G05", "G10", "G16"), 3
IS_NIGHT = "FENRUN_NIGHTLY" in os.environ
Floats = npt.NDArray[np.float64]


@pytest.mark.in_turn(4)
def test_a_concealed_market_is_scored_by_day() -> None:
    total = scores([(30, 7, 1)])
    assert total.recall_of(INVARIANT, LEVELS).share == 1
    assert total.recall_of(STATISTICAL, LEVELS).share >= 0.8
    assert total.all_cases.share >= 0.9
    assert total.all_amounts.share >= 0.8 and total.amounts["G10"].good == 1


@pytest.mark.skipif(not IS_NIGHT, reason="many markets, by night")
def test_schemes_are_found_and_the_honest_left_be() -> None:
    """Three sizes, four levels, and as many honest markets."""
    runs = [(size, seed, level) for size, seed, level in product((30, 60), (201, 202), LEVELS)]
    total = scores([*runs, *((120, 203, level) for level in LEVELS)])
    assert total.recall_of(INVARIANT, LEVELS).share >= 0.99
    assert total.recall_of(STATISTICAL, (1, 2)).share >= 0.8
    assert total.recall_of(STATISTICAL, (3,)).share >= 0.5
    assert total.all_cases.share >= 0.9
    assert total.all_amounts.share >= 0.8
    assert total.false_honest * 1000 <= total.months_honest
    assert total.parties.share >= 2 * total.largest.share


def test_an_interval_holds_what_tables_of_it_say() -> None:
    """Clopper and Pearson: 0 of 10 is at most 0.3085; 5 of 10 is 0.1871 to 0.8129."""
    assert interval(0, 10) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert interval(5, 10) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert interval(10, 10)[1] == 1.0


@pytest.mark.parametrize("level", [1, 2, 3] if IS_NIGHT else [1])
def test_no_row_alone_gives_a_scheme_away(level: int) -> None:
    """Neither one value of an order nor a tree of three questions finds orders of schemes.

    Questions are chosen on half of the markets, and asked about the others.
    """
    values, guilty = _orders(level, range(31, 34))
    others, are_guilty = _orders(level, range(34, 37))
    assert guilty.sum() > 30 and are_guilty.sum() > 30
    for column in others:
        assert 0.4 <= _area(column, are_guilty) <= 0.6
    assert _area(_tree(values, guilty, others), are_guilty) <= 0.6


def _orders(level: int, seeds: Iterable[int]) -> tuple[list[Floats], npt.NDArray[np.bool_]]:
    """Return what one row says of each order, and whether a scheme names it.

    Of schemes that name customers only, all their orders are meant, but of those that a fact gives
    away by itself: below the floor, or nothing used.
    """
    values, guilty = [], []
    for seed in seeds:
        market = make_market(30, seed, level, SCHEMES)
        named = {order for row in market.truth for order in row.get("orders", ())}
        by_customer = (row for row in market.truth if row["scheme"] in _BY_CUSTOMER)
        about = {customer for row in by_customer for customer in row["customers"]}
        for order in market.orders:
            number = int(str(order["order"])[3:])
            user = int(str(order["operator"]).rpartition("U")[2])
            paid, day = order["paid"], order["day"]
            product = sorted({*PRODUCTS, "Installation", "Support"}).index(order["product"])
            row = (order["list"], paid, order["list"] * paid, day.weekday(), day.day, day.month)
            values.append((*row, number % 97, user, int(order["customer"][1:]), product))
            guilty.append(order["order"] in named or order["customer"] in about)
    return list(np.array(values, dtype=float).T), np.array(guilty)


def _area(score: Floats, guilty: npt.NDArray[np.bool_]) -> float:
    """Return how often a guilty one scores higher than another; ties count half."""
    order = np.unique(score, return_inverse=True)[1]
    counts = np.bincount(order)
    rank = np.cumsum(counts) - (counts - 1) / 2
    many, few = guilty.sum(), (~guilty).sum()
    above = rank[order][guilty].sum() - many * (many + 1) / 2
    return float(above / (many * few))


def _tree(values: list[Floats], guilty: npt.NDArray[np.bool_], others: list[Floats]) -> Floats:
    """Return the share of guilty ones in the leaf of each of others, after the best questions."""
    leaf, of_others = np.zeros(len(guilty), dtype=int), np.zeros(len(others[0]), dtype=int)
    for _ in range(_QUESTIONS):
        cuts = [
            (at, cut)
            for at, column in enumerate(values)
            for cut in np.unique(np.quantile(column, np.arange(1, 8) / 8))
        ]
        at, cut = max(
            cuts,
            key=lambda asked: _area(
                _rates(2 * leaf + (values[asked[0]] > asked[1]), guilty)[0], guilty
            ),
        )
        leaf, of_others = 2 * leaf + (values[at] > cut), 2 * of_others + (others[at] > cut)
    rates = _rates(leaf, guilty)[1]
    return rates[np.minimum(of_others, len(rates) - 1)]


def _rates(leaf: npt.NDArray[np.int_], guilty: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the share of guilty ones in the leaf of each, and by leaf."""
    rates: Floats = np.bincount(leaf, guilty) / np.maximum(1, np.bincount(leaf))
    return rates[leaf], rates
