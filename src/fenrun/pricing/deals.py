"""Deals: what customers pay for the same sku, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from fenrun.pricing.lines import WIDE, Lines, PriceLine, added

_NEAREST = 2
"""The deals that are named as nearest to another."""


@dataclass(frozen=True)
class Deal:
    """The price of one customer for a sku in a period."""

    line: PriceLine
    """All of it; its month is the first."""
    nearest: Sequence[str]
    """The customers whose quantity is nearest to this one, nearest first."""


@dataclass(frozen=True)
class Dispersion:
    """The deals of one sku, unit and currency, the cheapest first."""

    product: str
    sku: str
    unit: str
    currency: str
    deals: Sequence[Deal]

    @property
    def least(self) -> Decimal | None:
        """The least part of the list that anybody pays."""
        return min(self._of_list, default=None)

    @property
    def most(self) -> Decimal | None:
        """The largest part of the list that anybody pays."""
        return max(self._of_list, default=None)

    @property
    def _of_list(self) -> list[Decimal]:
        parts = (deal.line.of_list for deal in self.deals)
        return [part for part in parts if part is not None]


def dispersion(lines: Lines, fewest: int = 2) -> list[Dispersion]:
    """Return the deals of each sku that `fewest` customers pay for, the widest apart first."""
    found: dict[tuple[str, ...], dict[str, list[PriceLine]]] = {}
    for line in lines:
        if line.customer and line.sku and line.quantity:
            key = (line.product, line.sku, line.unit, line.currency)
            found.setdefault(key, {}).setdefault(line.customer, []).append(line)
    made = [
        _of_sku(key, [added(of) for of in customers.values()]) for key, customers in found.items()
    ]
    return sorted((one for one in made if len(one.deals) >= fewest), key=_width)


def _width(one: Dispersion) -> tuple[Decimal, str, str]:
    apart = (one.most or Decimal(0)) - (one.least or Decimal(0))
    return -apart, one.sku, one.currency


def _of_sku(key: tuple[str, ...], lines: Lines) -> Dispersion:
    in_order = sorted(lines, key=lambda line: (line.per_unit or Decimal(0), line.customer))
    nearest = _nearest(lines)
    deals = [Deal(line, nearest[line.customer]) for line in in_order]
    product, sku, unit, currency = key
    return Dispersion(product, sku, unit, currency, deals)


def _nearest(lines: Lines) -> dict[str, list[str]]:
    """Return by customer those with the quantities nearest to its own, by how many times it is.

    They stand beside each other in the order of quantities: there alone they are looked for.
    """
    by_size: dict[Decimal, list[str]] = {}
    for line in sorted(lines, key=lambda line: line.customer):
        by_size.setdefault(abs(line.quantity), []).append(line.customer)
    sizes = sorted(by_size)
    found = {}
    for at, size in enumerate(sizes):
        near = [
            (WIDE.divide(max(size, other), min(size, other)), name)
            for other in sizes[max(at - _NEAREST, 0) : at + _NEAREST + 1]
            for name in by_size[other][: _NEAREST + 1]
        ]
        first = sorted(near)[: _NEAREST + 1]
        for name in by_size[size]:
            found[name] = [other for _, other in first if other != name][:_NEAREST]
    return found
