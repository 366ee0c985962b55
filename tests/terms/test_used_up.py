"""Amounts are used up by the order of charges, never beyond, whatever the charges are."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fenrun.terms.as_of import Terms
from fenrun.terms.used_up import UNTOLD, Cut, Use, cuts

JANUARY = date(2024, 1, 1)
KEY = ("coupons", "C1")
_SPENT = st.tuples(st.integers(0, 3), st.integers(-40, 60))


def _terms(amount: Decimal, again: int = 0) -> Terms:
    """A coupon; `again` of it is issued again on the third day."""
    row: dict[str, Any] = {"coupon": "C1", "amount": amount, "reissues": ""}
    other = {"coupon": "C2", "amount": Decimal(again), "reissues": "C1"}
    other["valid_from"] = JANUARY + timedelta(days=2)
    row["valid_from"] = JANUARY
    return Terms((), (), (), [row, other], (), ())


def _uses(spent: list[tuple[int, int]]) -> list[Use]:
    return [
        Use(*KEY, JANUARY + timedelta(days=day), ("file", n), {"K1": Decimal(amount)})
        for n, (day, amount) in enumerate(spent)
    ]


def _is_covered(use: Use, cut: Cut) -> bool:
    return use.day < cut.day or use.row in cut.rows


@given(st.lists(_SPENT, max_size=12), st.integers(0, 100))
def test_what_is_covered_is_never_more_than_the_amount_at_any_moment(
    spent: list[tuple[int, int]], amount: int
) -> None:
    uses = _uses(spent)
    cut = cuts(_terms(Decimal(amount)), uses).get(KEY, Cut())
    used = Decimal(0)
    for use in sorted(uses, key=lambda one: (one.day, one.row)):
        (part,) = use.parts.values()
        fits = used + part >= 0 if part <= 0 else used + part <= amount
        assert _is_covered(use, cut) == fits
        used += part if fits else 0
        assert 0 <= used <= amount


@given(st.lists(_SPENT, max_size=8), st.randoms(use_true_random=False))
def test_the_order_in_which_charges_arrive_does_not_matter(
    spent: list[tuple[int, int]], chance: Any
) -> None:
    uses = _uses(spent)
    shuffled = list(uses)
    chance.shuffle(shuffled)
    assert cuts(_terms(Decimal(50)), shuffled) == cuts(_terms(Decimal(50)), uses)


def test_what_is_issued_again_is_gone_from_that_day() -> None:
    uses = _uses([(1, 60), (2, 30), (3, 20)])
    assert cuts(_terms(Decimal(100), again=20), uses)[KEY] == Cut(uses[1].day, (("file", 2),))


def test_an_amount_that_is_not_told_covers_all() -> None:
    assert not cuts(_terms(UNTOLD), _uses([(0, 10**9)]))
