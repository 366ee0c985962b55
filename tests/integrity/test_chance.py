"""Chance: dealing again gives what counting all deals gives; false discovery is controlled."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.integrity.chance import Draw, by_dealing, discoveries, together


@st.composite
def _draws(draw: st.DrawFn) -> Draw:
    among = draw(st.integers(1, 8))
    drawn, marked = draw(st.integers(0, among)), draw(st.integers(0, among))
    most, least = min(drawn, marked), max(0, drawn + marked - among)
    return Draw(draw(st.integers(least, most)), drawn, marked, among)


@given(_draws())
def test_dealing_is_what_counting_all_deals_gives(draw: Draw) -> None:
    deals = [sum(n < draw.marked for n in of) for of in combinations(range(draw.among), draw.drawn)]
    counted = sum(held >= draw.found for held in deals) / len(deals)
    assert by_dealing([draw]) == pytest.approx(counted)


@given(st.lists(_draws(), min_size=2, max_size=3))
def test_strata_are_dealt_each_for_itself(draws: list[Draw]) -> None:
    chances = {0: 1.0}
    for draw in draws:
        every = list(combinations(range(draw.among), draw.drawn))
        after: dict[int, float] = {}
        for of in every:
            held = sum(n < draw.marked for n in of)
            for so_far, chance in chances.items():
                after[so_far + held] = after.get(so_far + held, 0.0) + chance / len(every)
        chances = after
    found = sum(draw.found for draw in draws)
    counted = sum(chance for held, chance in chances.items() if held >= found)
    assert by_dealing(draws) == pytest.approx(counted)


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.01, 0.5))
def test_discoveries_are_those_of_the_step_up_rule(p: list[float], share: float) -> None:
    """Those with q up to a share are the k smallest p, k the largest with p(k) <= share k / n."""
    ranked = sorted(p)
    count = len(p)
    most = max((k for k in range(1, count + 1) if ranked[k - 1] <= share * k / count), default=0)
    accepted = [at for at, q in enumerate(discoveries(p)) if q <= share]
    assert sorted(p[at] for at in accepted)[:most] == ranked[:most]
    assert len(accepted) >= most and all(q <= 1 for q in discoveries(p))


def test_two_tests_together_are_less_likely_than_either_when_both_are_unlikely() -> None:
    assert together(0.01, 0.01) == pytest.approx(0.001021, rel=1e-3)
    assert together(1.0, 1.0) == 1.0
