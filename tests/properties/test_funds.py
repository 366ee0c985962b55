"""A fund's months, held to the auditor's purse: caps, claims, losses and what is taken back."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fenrun.engine.codes import month_of
from fenrun.payout.funds import FundRules, walk_fund
from tests.auditor.payouts import purse

_FIRST = 2024 * 12
_MOVES = st.lists(st.tuples(st.integers(-9, 9), st.sampled_from((0, 0, 1, 4, 20))), max_size=9)


@given(_MOVES, st.sampled_from((None, 0, 5, 12)), st.integers(0, 3))
def test_a_fund_is_a_purse_of_coins(
    moves: list[tuple[int, int]], cap: int | None, lapses: int
) -> None:
    months = [(_FIRST + n, accrued, claimed) for n, (accrued, claimed) in enumerate(moves)]
    coins = [(month_of(m), Decimal(accrued), Decimal(claimed)) for m, accrued, claimed in months]
    limit = None if cap is None else Decimal(cap)
    found = [(month_of(m), *rest) for m, *rest in walk_fund(FundRules(cap, lapses), months)]
    assert found == [tuple(row) for row in purse(limit, lapses, coins)]
