"""Amounts and rates as people write them: read as they are meant, or refused with both readings."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from fenrun.base.money import decimals, minor_units, parse_amount_or_rate, plain
from fenrun.base.words import Unreadable, reason

READ = {
    "1,000": "1000",
    "12,345,678.90": "12345678.90",
    "-1,250.5": "-1250.5",
    "999,999": "999999",
    "1_000_000": "1000000",
    "0.895": "0.895",
    ".5": "0.5",
    "15 %": "0.15",
    "0.500 %": "0.005",
    "2.5％": "0.025",
    "1,000 %": "10",
}
UNCLEAR = {
    "0,500 %": ("0.500", "500"),
    "0,895": ("0.895", "895"),
    "00,895": ("00.895", "895"),
    "-0,125": ("-0.125", "-125"),
    "1,5": ("1.5", "15"),
    "1,50 %": ("1.50", "150"),
    "12,3456": ("12.3456", "123456"),
    "1234,567": ("1234.567", "1234567"),
    "1.234,56": ("1234.56", "1.23456"),
    "1,23,456": ("123.456", "123456"),
    ",5": ("0.5", "5"),
    "01,000": ("01.000", "1000"),
    "100,00": ("100.00", "10000"),
    "1,0000 %": ("1.0000", "10000"),
}


@pytest.mark.parametrize("text", READ)
def test_a_comma_parts_groups_of_three(text: str) -> None:
    assert parse_amount_or_rate(text) == Decimal(READ[text])


@pytest.mark.parametrize("text", UNCLEAR)
def test_another_comma_is_refused_with_both_readings(text: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        parse_amount_or_rate(text)
    fraction, whole = UNCLEAR[text]
    said = reason(refusal.value)
    assert f"may mean {fraction} or {whole}:" in str(said)


@pytest.mark.parametrize(
    ("currency", "places"), [("JPY", 0), ("KRW", 0), ("USD", 2), ("CNY", 2), ("KWD", 3)]
)
def test_the_smallest_amount_of_a_currency(currency: str, places: int) -> None:
    assert minor_units(currency) == places


def test_decimals_of_many_digits_are_counted_exactly() -> None:
    """Ten digits before and thirty behind the point: Python rounds to 28 digits where not told."""
    assert decimals(Decimal("1234567890.000000000000000000000000000001")) == 30
    assert plain(Decimal("1234567890.000000000000000000000000000010")).endswith("001")


def test_sums_of_more_than_28_digits_are_exact_in_every_thread() -> None:
    amount = Decimal("999999999999.123456789012345678")
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: sum([amount] * 3, Decimal(0))).result()
    assert found == sum([amount] * 3, Decimal(0)) == Decimal("2999999999997.370370367037037034")
    assert amount.quantize(Decimal("1e-18")) == amount
