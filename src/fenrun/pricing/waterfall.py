"""Price lines summed by customer, product, month and currency."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from fenrun.pricing.lines import Lines, PriceLine, added


def waterfall(lines: Lines) -> list[PriceLine]:
    """Return the sums of lines by customer, product, month and currency.

    Their sku is empty. The quantity is left out (zero) where units differ.
    """
    found: dict[tuple[object, ...], list[PriceLine]] = {}
    for line in lines:
        key = (line.customer, line.product, line.month, line.currency)
        found.setdefault(key, []).append(line)
    return [_summed(found[key]) for key in sorted(found, key=str)]


def _summed(lines: Lines) -> PriceLine:
    units = {line.unit for line in lines if line.quantity}
    if len(units) > 1:
        return replace(added(lines, sku="", unit=""), quantity=Decimal(0))
    return added(lines, sku="", unit=next(iter(units), ""))
