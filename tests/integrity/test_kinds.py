"""What checks and cases take for one thing: a specialist's product, goods renamed, a window."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fenrun.integrity.checks import CHECKS
from fenrun.integrity.checks.circular_trade import _item
from fenrun.integrity.checks.order_stealing import specialists
from fenrun.integrity.findings import Alert, Outcome
from fenrun.integrity.merging import cases_of


def _order(customer: str, partner: str, product: str, own: str) -> dict[str, str]:
    return {"customer": customer, "partner": partner, "product": product, "own": own}


def test_a_specialist_sells_one_product_to_others_customers() -> None:
    """P1 sells databases to five of P2's customers. P3 sells as many of them as everybody buys, and
    P4 each something else.
    """
    orders = [_order(f"K{n}", "P2", product, "P2") for n in range(9) for product in "ABCD"]
    orders += [_order(f"K{n}", "P1", "A", "P2") for n in range(5)]
    orders += [_order(f"K{n}", "P3", product, "P2") for n in range(5) for product in "ABC"]
    orders += [_order(f"K{n}", "P4", "ABCDB"[n], "P2") for n in range(5)]
    assert specialists(orders) == {("P1", "A")}
    assert not specialists([_order(f"K{n}", "P1", "A", "P2") for n in range(5)])  # all there is


@pytest.mark.parametrize(
    "name", ["GPU card", "gpu card (refurbished)", "GPU card, used", "GPU card（旧）"]
)
def test_goods_under_a_longer_name_are_the_same(name: str) -> None:
    assert _item({"item": name}) == _item({"item": "GPU card"}) != _item({"item": "GPU server"})


@pytest.mark.parametrize(("days", "cases"), [(0, 1), (92, 1), (93, 2)])
def test_alerts_of_the_same_parties_within_a_quarter_are_one_case(days: int, cases: int) -> None:
    check = next(check for check in CHECKS if check.scheme == "G08")
    first, then = date(2024, 3, 31), date(2024, 3, 31) + timedelta(days=days)
    alerts = [Alert(("P1",), (f"K{day}",), day, day, ()) for day in (first, then)]
    found = cases_of([(check, Outcome(2, alerts))])
    assert len(found) == cases
    assert (found[0].start, found[-1].end) == (first, then)
