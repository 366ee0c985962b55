"""Exact money: text to Decimal and back, and the arrow types that hold it. Never a float.

Every amount keeps the decimals it came with. Rounding happens once, in the earn stage, where the plan says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import pyarrow as pa

COST_DECIMALS = 15
"""The most decimals a cost may carry (FOCUS files in use carry up to 15)."""
COST_DIGITS = 23
"""The most digits a cost may carry before the decimal point."""

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")


def parse_amount(text: str) -> Decimal:
    """Read an amount as people write it: `1234.5`, `-0.80`, `30,000,000`, `30_000_000`. Raises ValueError with the reason."""
    plain = text.strip().replace("_", "")
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    if not _PLAIN.fullmatch(plain):
        raise ValueError(f"{text!r} is not a number")
    try:
        value = Decimal(plain)
    except InvalidOperation as error:  # pragma: no cover - the pattern lets only numbers through
        raise ValueError(f"{text!r} is not a number") from error
    if value and (value.adjusted() >= COST_DIGITS or decimals(value) > COST_DECIMALS):
        raise ValueError(
            f"{text!r} does not fit {COST_DIGITS} digits before and {COST_DECIMALS} after the point"
        )
    return value


def parse_rate(text: str) -> Decimal:
    """Read a rate, which must carry its sign: `15 %` gives 0.15. Raises ValueError, also where the `%` is missing."""
    plain = text.strip().replace("％", "%")
    if not plain.endswith("%"):
        raise ValueError(f"{text!r} needs its % sign: write {text.strip()} % or {text.strip()}00 %")
    value = parse_amount(plain[:-1]).scaleb(-2)
    if decimals(value) > 8:
        raise ValueError(f"{text!r} has more than 6 decimals of a percent")
    return value


def parse_share(text: str) -> Decimal:
    """Read a share of a whole: `50 %` or `0.5`, at most 1 and with at most 6 decimals. Raises ValueError."""
    value = parse_rate(text) if "%" in text or "％" in text else parse_amount(text)
    if not 0 < value <= 1:
        raise ValueError(
            f"{text!r} is not a share: write it with its % sign, above 0 % and up to 100 %"
        )
    if decimals(value) > 6:
        raise ValueError(f"{text!r} has more than 4 decimals of a percent")
    return value


def decimals(value: Decimal) -> int:
    """How many decimals the value needs, trailing zeros aside."""
    return max(0, -int(value.normalize().as_tuple().exponent)) if value else 0


def natural_type(
    values: Iterable[Decimal | None], least: int = 0, narrow: bool = False
) -> pa.DataType:
    """The decimal type with the fewest decimals that holds all the values exactly; 38 digits, or 18 if `narrow` and they do.

    Few decimals leave room: a product adds the decimals of its factors, and the engine refuses, rather than rounds, what needs
    more than 38 digits. Factors are 38 digits wide because DuckDB gives the product of two 18-digit decimals only 18.
    """
    scale, whole = least, 1
    for value in values:
        if value is not None:
            scale = max(scale, decimals(value))
            whole = max(whole, value.adjusted() + 1)
    return pa.decimal128(18 if narrow and scale + whole <= 18 else 38, scale)


def plain(value: Decimal, places: int = 2) -> str:
    """The amount as text for machines: exact, at least `places` decimals, no exponent, no separators."""
    scale = max(places, decimals(value))
    text = f"{value:.{scale}f}"
    return text if value else text.lstrip("-")


def show(value: Decimal, places: int = 2) -> str:
    """The amount as text for people: exact, with thousands separators."""
    scale = max(places, decimals(value))
    return f"{value:,.{scale}f}" if value else f"{0:,.{scale}f}"


def show_rate(value: Decimal) -> str:
    """A rate as people write it: 0.15 gives `15 %`."""
    return f"{plain(value.scaleb(2), 0)} %"
