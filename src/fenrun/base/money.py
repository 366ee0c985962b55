"""Exact money: text to Decimal and back, and the arrow types that hold it. Never a float.

Every amount keeps the decimals it came with. Rounding happens once, in the earn stage, where the
plan says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import TypeVar

from fenrun.base.words import Unreadable

Key = TypeVar("Key")
COST_DECIMALS = 18
"""The most decimals of a cost that are held (FOCUS files in use carry up to 18)."""
COST_DIGITS = 23
"""The most digits a cost may carry before the decimal point."""
AMOUNT_DECIMALS = 15
"""The most decimals of an amount that people write."""
RATE_DECIMALS = 8
"""The most decimals of a rate: 6 of a percent."""
SHARE_DECIMALS = 6
"""The most decimals of a share: 4 of a percent."""

_CURRENCY = re.compile("[A-Z]{3}")
_MINOR_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""The currencies of ISO 4217 whose smallest amount is not a hundredth, by its decimals."""

_EXACT = Context(prec=2_000)
"""Takes zeros off any number that is met; by default what has over 28 digits would be rounded."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_COMMA = re.compile(r"[+-]?[\d.,]*,[\d.,]*\d")
_FULL_WIDTH_PERCENT = "％"


def parse_amount(text: str) -> Decimal:
    """Read an amount as people write it: `1234.5`, `-0.80`, `30,000,000`, `30_000_000`.

    A comma parts groups of three digits, the first of which does not begin with 0: `0,500` is
    refused with both readings. Raises Unreadable.
    """
    bare = text.strip().replace("_", "")
    if _GROUPED.fullmatch(bare):
        bare = bare.replace(",", "")
    if not _NUMBER.fullmatch(bare):
        if _COMMA.fullmatch(bare):
            raise Unreadable("comma-unclear", text=text.strip(), **_readings(bare))
        raise Unreadable("not-a-number", text=text)
    value = Decimal(bare)
    if value and (value.adjusted() >= COST_DIGITS or decimals(value) > AMOUNT_DECIMALS):
        raise Unreadable("number-too-long", text=text, digits=COST_DIGITS, decimals=AMOUNT_DECIMALS)
    return value


def _readings(text: str) -> dict[str, str]:
    """Return how a number with a comma is written for each thing that it may mean."""
    head, _, tail = text.rpartition(",")
    whole = re.sub(r"[.,]", "", head)
    together = re.sub(r"^([+-]?)0+(?=\d)", r"\1", text.replace(",", ""))
    return {"fraction": f"{whole or '0'}.{tail.replace('.', '')}", "whole": together}


def minor_units(currency: str) -> int:
    """Return the decimals of the smallest amount of a currency (ISO 4217): 2 for most."""
    return next((count for count, codes in _MINOR_UNITS.items() if currency in codes.split()), 2)


def is_currency(text: str) -> bool:
    """Return whether a text is written as the ISO code of a currency: USD."""
    return bool(_CURRENCY.fullmatch(text))


def is_rate(text: str) -> bool:
    """Return whether a number is written as a rate: with a percent sign."""
    return "%" in text or _FULL_WIDTH_PERCENT in text


def parse_rate(text: str) -> Decimal:
    """Read a rate, which must carry its sign: `15 %` gives 0.15. Raises Unreadable."""
    bare = text.strip().replace(_FULL_WIDTH_PERCENT, "%")
    if not bare.endswith("%"):
        raise Unreadable("rate-without-sign", text=text.strip())
    value = parse_amount(bare[:-1]).scaleb(-2)
    if decimals(value) > RATE_DECIMALS:
        raise Unreadable("rate-too-long", text=text, most=RATE_DECIMALS - 2)
    return value


def parse_share(text: str) -> Decimal:
    """Read a share of a whole: `50 %` or `0.5`, above 0 and up to 1. Raises Unreadable."""
    value = parse_amount_or_rate(text)
    if not 0 < value <= 1:
        raise Unreadable("not-a-share", text=text)
    if decimals(value) > SHARE_DECIMALS:
        raise Unreadable("rate-too-long", text=text, most=SHARE_DECIMALS - 2)
    return value


def parse_amount_or_rate(text: str) -> Decimal:
    """Read an amount, or a rate where the text carries a percent sign. Raises Unreadable."""
    return parse_rate(text) if is_rate(text) else parse_amount(text)


def decimals(value: Decimal) -> int:
    """Count the decimals that the value needs, without trailing zeros."""
    return max(0, -int(value.normalize(_EXACT).as_tuple().exponent)) if value else 0


def plain(value: Decimal, places: int = 2) -> str:
    """Return the amount as text for machines: exact, no exponent, no separators.

    It has at least `places` decimals.
    """
    scale = max(places, decimals(value))
    text = f"{value:.{scale}f}"
    return text if value else text.lstrip("-")


def show(value: Decimal, places: int = 2) -> str:
    """Return the amount as text for people: exact, with thousands separators.

    It has at least `places` decimals.
    """
    scale = max(places, decimals(value))
    return f"{value or Decimal(0):,.{scale}f}"


def show_rate(value: Decimal) -> str:
    """Return a rate as people write it: 0.15 gives `15 %`."""
    return f"{plain(value.scaleb(2), 0)} %"


def sums_of(amounts: Iterable[tuple[Key, Decimal]]) -> dict[Key, Decimal]:
    """Return the sum of the amounts under each key, such as a currency, in the order of keys."""
    found: dict[Key, Decimal] = {}
    for key, amount in amounts:
        found[key] = found.get(key, Decimal(0)) + amount
    return dict(sorted(found.items(), key=lambda item: str(item[0])))


def show_sums(sums: Mapping[str, Decimal]) -> str:
    """Return sums by currency as people read them: `40.00 CNY, 1.00 USD`; `0.00` of none."""
    return ", ".join(f"{show(amount)} {currency}" for currency, amount in sums.items()) or "0.00"
