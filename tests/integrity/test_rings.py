"""Rings of trades: who took what of whom, and a ring that nobody lost by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.integrity.findings import Case
from fenrun.integrity.kept import findings_of
from fenrun.settle.imports import import_file
from fenrun.world.schemes import PLAN
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import book, charge, workspace

_PARTIES = ("P1", "P2", "P3")


def _ring(prices: tuple[str, str, str]) -> Iterator[str]:
    """Three times round at the same prices; and what dealers sell on to customers beside it."""
    trades = [
        (
            date(2024, 1 + n, 1) + timedelta(days=9 * at),
            seller,
            _PARTIES[(at + 1) % 3],
            f"S{n}",
            price,
        )
        for n in range(3)
        for at, (seller, price) in enumerate(zip(_PARTIES, prices))
    ]
    trades += [
        (date(2024, 1, 3) + timedelta(days=4 * n), seller, buyer, f"D{n}", price)
        for n in range(30)
        for seller, buyer, price in (
            ("MAKER", f"P{1 + n % 5}", "90"),
            (f"P{1 + n % 5}", f"K{n}", "99"),
        )
    ]
    for number, (day, seller, buyer, serial, price) in enumerate(trades):
        yield (
            f"  - {{trade: T{number}, day: {day}, seller: {seller}, buyer: {buyer}, item: device,"
            f" serial: {serial}, quantity: 1, amount: {price}, currency: CNY}}\n"
        )


def _case(folder: Path, prices: tuple[str, str, str]) -> Case:
    partners = "".join(f"  - {{party: P{n}, kind: partner}}\n" for n in range(1, 6))
    store = workspace(folder, [charge("A1", "10")], f"{book('K1')}parties:\n{partners}")
    for name, text in (("trades", "trades:\n" + "".join(_ring(prices))), ("plan", PLAN)):
        (folder / f"{name}.yaml").write_text(text, "utf-8")
        import_file(store, folder / f"{name}.yaml", KNOWN)
    (case,) = findings_of(store, parse_period("2024")).cases
    assert (case.scheme, case.parties) == ("G06", _PARTIES)
    return case


@pytest.mark.parametrize(
    ("prices", "taken", "more"),
    [
        (("100", "104", "95"), 27, {"P1": 15, "P2": 12, "P3": -27}),
        (("100", "100", "100"), 0, {"P1": 0, "P2": 0, "P3": 0}),
    ],
)
def test_the_amount_is_what_some_took_of_others(
    tmp_path: Path, prices: tuple[str, str, str], taken: int, more: dict[str, int]
) -> None:
    """300 went in, and came back: who sold for more than it paid has the difference of the others.

    Nobody lost by the second, whose volume alone goes round: it remains a case.
    """
    case = _case(tmp_path, prices)
    assert (case.amount, case.currency) == (taken, "CNY")
    assert {one.payee: one.more for one in case.pays} == more
    assert sum((one.more for one in case.pays), Decimal(0)) == 0
