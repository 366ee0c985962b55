"""Deals beside each other and the picture of a price: what is drawn adds up, for any amounts."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fenrun.portal.pages.price_pictures import summed, waterfall_of
from fenrun.pricing.deals import dispersion
from fenrun.pricing.lines import PriceLine

_AMOUNT = st.integers(-(10**9), 10**9).map(lambda n: Decimal(n).scaleb(-2))
_LINES = st.lists(
    st.builds(
        PriceLine,
        *map(st.just, ("K1", "Storage")),
        sku=st.sampled_from(("S1", "S2")),
        unit=st.sampled_from(("GB", "Hours")),
        month=st.just(date(2024, 9, 1)),
        currency=st.just("CNY"),
        quantity=st.integers(0, 9).map(Decimal),
        list=st.none() | _AMOUNT,
        contracted=_AMOUNT,
        billed=_AMOUNT,
        coupon=_AMOUNT,
        effective=_AMOUNT,
        passed_on=_AMOUNT,
    ),
    min_size=1,
    max_size=5,
)


@given(_LINES)
def test_what_is_drawn_of_a_price_leads_from_the_list_to_the_net(lines: list[PriceLine]) -> None:
    line = summed(lines)
    steps, (low, high) = waterfall_of(line)
    reached = [step.amount for step in steps if step.kind == "total"]
    changes = [step.amount for step in steps if step.kind != "total"]
    whole = line.list if line.list is not None else line.contracted
    assert reached[0] == whole and reached[-1] == line.net
    assert reached[0] + sum(changes) == reached[-1] and low <= 0 <= high
    assert all((step.amount < 0) == (step.kind == "less") for step in steps if step.kind != "total")
    for step in steps:
        for x, width in re.findall(r'x="(\d+)" y="8" width="(\d+)"', step.bar):
            assert 0 <= int(x) <= int(x) + int(width) <= 1003, "within the picture"


@given(st.lists(st.integers(-20, 20).filter(bool), min_size=2, max_size=12))
def test_nearest_deals_are_those_of_the_nearest_quantities_of_all(quantities: list[int]) -> None:
    """The same as by comparing each with each, ties by the customer's name."""
    lines = [
        PriceLine(f"K{at:02}", "Storage", "S1", "GB", date(2024, 9, 1), "CNY", Decimal(quantity))
        for at, quantity in enumerate(quantities)
    ]
    (sku,) = dispersion(lines)
    for deal in sku.deals:
        mine = abs(deal.line.quantity)
        others = [one for one in lines if one.customer != deal.line.customer]
        times = {
            one.customer: max(mine, abs(one.quantity)) / min(mine, abs(one.quantity))
            for one in others
        }
        assert list(deal.nearest) == sorted(times, key=lambda name: (times[name], name))[:2]
