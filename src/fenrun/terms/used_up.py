"""Uses of amounts: of approvals by what is billed under them, of coupons by what they pay.

Charges come by day, then import and row. One that no longer fits is not covered, in whole, and
takes nothing; a smaller one after it still may. A refund gives back at most what was used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from itertools import groupby

from fenrun.base.when import OPEN_END
from fenrun.tables.latest import Known
from fenrun.terms.as_of import Terms

_WIDE = Context(prec=100)
_NOTHING = Decimal(0)
UNTOLD = Decimal(-1)
"""The amount of an approval or coupon in a payee's bundle: it covers whatever it names."""
Row = tuple[str, int]
"""A charge: its import and row."""


@dataclass
class Purse:
    """Amounts, with the part of each that is used so far."""

    used: dict[str, Decimal] = field(default_factory=dict)

    def takes(self, name: str, amount: Decimal, most: Decimal | None) -> bool:
        """Return whether an amount is covered, and take it if so; `most` None: there is no end."""
        total = _WIDE.add(self.used.get(name, _NOTHING), amount)
        if most is not None and (total > most if amount > 0 else total < 0):
            return False
        self.used[name] = total
        return True


@dataclass(frozen=True)
class Use:
    """A charge that an approval or a coupon is about."""

    table: str
    """`approvals` or `coupons`."""
    id: str
    day: date
    row: Row
    parts: Mapping[str, Decimal]
    """By customer: BilledCost of a charge under an approval; what a coupon pays."""


@dataclass(frozen=True)
class Cut:
    """The day on which the amount of an approval or coupon is used up."""

    day: date = OPEN_END
    """Charges of days before are covered."""
    rows: tuple[Row, ...] = ()
    """Charges of this day and later that are covered too."""


Cuts = Mapping[tuple[str, str], Cut]
"""By table and id; one that is missing is not used up."""


def cuts(terms: Terms, uses: Iterable[Use]) -> Cuts:
    """Return where amounts are used up.

    Of several approvals of a customer's part of a charge the first, by id, that can covers it.
    """
    first: dict[tuple[str, str], date] = {}
    covered: dict[tuple[str, str], list[tuple[date, Row]]] = {}
    amounts = {chain.approval: chain.first["amount"] for chain in terms.chains()}
    coupons = {row["coupon"]: row for row in terms.coupons}
    purses = {"approvals": Purse(), "coupons": Purse()}
    in_order = sorted(uses, key=lambda use: (use.day, use.row, use.table, use.id))
    for (day, row, table), of_row in groupby(in_order, lambda use: (use.day, use.row, use.table)):
        done: set[str] = set()
        for use in of_row:
            mine = {who: part for who, part in use.parts.items() if who not in done}
            amount = amounts[use.id] if table == "approvals" else most_of(coupons, use.id, day)
            most = None if amount == UNTOLD else amount
            if mine and purses[table].takes(use.id, _sum(mine.values()), most):
                covered.setdefault((table, use.id), []).append((day, row))
                done |= mine.keys()
            elif mine:
                first.setdefault((table, use.id), day)
    return {
        key: Cut(day, tuple(row for of, row in covered.get(key, ()) if of >= day))
        for key, day in first.items()
    }


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _NOTHING
    for amount in amounts:
        total = _WIDE.add(total, amount)
    return total


def most_of(coupons: Mapping[str, Known], name: str, day: date) -> Decimal:
    """Return the most that can be spent of a coupon by a day: less what was issued again."""
    amount: Decimal = coupons[name]["amount"]
    return amount if amount == UNTOLD else _WIDE.subtract(amount, reissued(coupons, name, day))


def reissued(coupons: Mapping[str, Known], name: str, day: date) -> Decimal:
    """Return how much of a coupon was issued again, by others that begin by a day."""
    total = _NOTHING
    for row in coupons.values():
        if row.get("reissues") == name and row["valid_from"] <= day:
            total = _WIDE.add(total, row["amount"])
    return total
