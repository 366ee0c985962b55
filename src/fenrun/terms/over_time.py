"""Agreements over time: what of their amounts is for which days, and what of them is renewed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

from fenrun.base.money import minor_units
from fenrun.base.when import Span
from fenrun.tables.latest import Known

_WIDE = Context(prec=100)
_NOTHING = Decimal(0)
_RATE_STEP = Decimal("1e-6")
"""Rates are cut to this, not rounded: 79.99999 % is not 80 %."""


def part(amount: Decimal, over: int, under: int, places: int) -> Decimal:
    """Return an amount times a fraction, rounded once, half up."""
    whole = _WIDE.divide(_WIDE.multiply(amount, Decimal(over)), Decimal(under))
    return whole.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _WIDE)


def recognised_by(row: Known, day: date) -> Decimal:
    """Return what of an agreement's amount is for its days before one.

    Rounded to the minor units of its currency, so that the days of any two spans sum to both.
    """
    start, end = row["valid_from"], row["valid_to"]
    done = min(max((day - start).days, 0), (end - start).days)
    return part(row["amount"], done, (end - start).days, minor_units(row["currency"]))


def recognised_in(row: Known, span: Span) -> Decimal:
    """Return what of an agreement's amount is for its days in a span."""
    return _WIDE.subtract(recognised_by(row, span.end), recognised_by(row, span.start))


def renewed(ending: Iterable[Known], agreements: Iterable[Known]) -> Decimal:
    """Return the part of some agreements that is agreed anew, as a part of 1.

    By amount; by number where one has none. One is agreed anew by those of its kind, customer,
    partner, charges and currency that begin on the day on which it ends, at most as much as it was.
    """
    rows, others = list(ending), list(agreements)
    by_amount = all(row["amount"] for row in rows)
    whole, again = _NOTHING, _NOTHING
    for row in rows:
        size = row["amount"] if by_amount else Decimal(1)
        later = [other for other in others if _renews(other, row)]
        sizes = [other["amount"] or _NOTHING if by_amount else size for other in later]
        whole = _WIDE.add(whole, size)
        again = _WIDE.add(again, min(size, sum(sizes, _NOTHING)))
    return _WIDE.divide(again, whole).quantize(_RATE_STEP, ROUND_DOWN, _WIDE)


def _renews(other: Known, row: Known) -> bool:
    same = ("kind", "customer", "partner", "covers", "currency")
    return other["valid_from"] == row["valid_to"] and all(other[n] == row[n] for n in same)
