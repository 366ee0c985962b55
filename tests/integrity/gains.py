"""True amounts of schemes, by plain sums over the rows that a market was written to.

Nothing of the engine is used: who is credited for a charge, and what the market's one plan pays a
partner for a month with the rows of a scheme and without them, are said here once more.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from fenrun.world.market import Market

Row = dict[str, Any]
_BANDS = ((Decimal(400_000), "0.15"), (Decimal(100_000), "0.12"), (Decimal(0), "0.08"))
_CENT = Decimal("0.01")
_BY_ORDER, _BY_CUSTOMER = ("G03", "G04", "G09"), ("G01", "G02", "G10", "G16")
_FLOOR = Decimal("0.6")


@dataclass(frozen=True)
class Sold:
    """A charge, and the partner that is credited for it."""

    customer: str
    partner: str
    row: Mapping[str, str]

    @property
    def month(self) -> str:
        """The month in which it is billed."""
        return self.row["BillingPeriodStart"][:7]

    @property
    def billed(self) -> Decimal:
        """BilledCost."""
        return Decimal(self.row["BilledCost"])


class Gains:
    """What the parties of each scheme of a market gained by it."""

    def __init__(self, market: Market, charges: Path):
        self.market = market
        self._links = defaultdict[tuple[str, str, str], list[Row]](list)
        for link in market.tables["links"]:
            self._links[link["of"], link["subject"], link["role"]].append(link)
        with charges.open(encoding="utf-8", newline="") as file:
            self.sold = [self._sold(row) for row in csv.DictReader(file)]

    def of(self, truth: Row) -> Decimal:
        """Return what the parties of a scheme gained, or the money that went elsewhere."""
        scheme = truth["scheme"]
        if scheme in _DIVERTED:
            return _DIVERTED[scheme](self, truth)
        is_its = _ROWS.get(scheme, _of_customers)
        gained = [one for one in self.sold if is_its(self, truth, one)]
        return sum((self._more(party, gained) for party in truth["parties"]), Decimal(0))

    def _more(self, party: str, gained: Iterable[Sold]) -> Decimal:
        """Return what a partner earns more by some charges, over all months."""
        taken = defaultdict[str, Decimal](Decimal)
        for one in gained:
            if one.partner == party:
                taken[one.month] += one.billed
        whole = defaultdict[str, Decimal](Decimal)
        for one in self.sold:
            if one.partner == party and one.month in taken:
                whole[one.month] += one.billed
        months = (_pay(whole[month]) - _pay(whole[month] - less) for month, less in taken.items())
        return sum(months, Decimal(0))

    def _sold(self, row: Mapping[str, str]) -> Sold:
        day = row["ChargePeriodStart"][:10]
        customer = self._holder("account", row["BillingAccountId"], "customer", day)
        by_order = self._holder("order", row["x_OrderId"], "partner", day)
        partner = by_order or self._holder("customer", customer, "partner", day)
        return Sold(customer, partner, row)

    def _holder(self, kind: str, subject: str, role: str, day: str) -> str:
        links = self._links.get((kind, subject, role), ())
        held = (one["party"] for one in links if one["from"] <= day < (one["to"] or "9999"))
        return next(held, "")

    def rows(self, table: str, **same: Any) -> list[Row]:
        """Return the rows of a table of the market that have some values."""
        rows = self.market.tables.get(table, ())
        return [row for row in rows if all(row.get(name) == same[name] for name in same)]


def _pay(volume: Decimal) -> Decimal:
    rate = next((rate for least, rate in _BANDS if volume >= least), "0")
    return (volume * Decimal(rate)).quantize(_CENT, ROUND_HALF_UP)


# --- the rows of schemes that are paid for ----------------------------------------------------


def _of_customers(gains: Gains, truth: Row, one: Sold) -> bool:
    return one.customer in truth["customers"]


def _of_orders(gains: Gains, truth: Row, one: Sold) -> bool:
    return one.row["x_OrderId"] in truth["orders"]


def _passed_on(gains: Gains, truth: Row, one: Sold) -> bool:
    """Return whether a charge is of a month in which the partner passed its rebate on."""
    if one.customer not in truth["customers"]:
        return False
    (partner,) = truth["parties"]
    paid = gains.rows("payments", payer=partner, customer=one.customer, kind="transfer")
    return one.month in {f"{row['day']:%Y-%m}" for row in paid}


def _fronted(gains: Gains, truth: Row, one: Sold) -> bool:
    is_prepaid = one.row["ChargeCategory"] == "Purchase" and not one.row["x_AgreementId"]
    return is_prepaid and one.customer in truth["customers"]


def _below(gains: Gains, truth: Row, one: Sold) -> bool:
    is_usage = one.row["ChargeCategory"] == "Usage" and one.customer in truth["customers"]
    return is_usage and one.billed < Decimal(one.row["ListCost"]) * _FLOOR


def _unused(gains: Gains, truth: Row, one: Sold) -> bool:
    return one.customer in truth["customers"] and one.row["ChargeCategory"] == "Usage"


_ROWS: Mapping[str, Callable[[Gains, Row, Sold], bool]] = {
    **dict.fromkeys(_BY_ORDER, _of_orders),
    **dict.fromkeys(_BY_CUSTOMER, _of_customers),
    "G05": _passed_on,
    "G08": _fronted,
    "G11": _below,
    "G12": _unused,
}


# --- money that went elsewhere ----------------------------------------------------------------


def _sum(rows: Iterable[Row]) -> Decimal:
    return sum((Decimal(str(row["amount"])) for row in rows), Decimal(0))


def _round_trips(gains: Gains, truth: Row) -> Decimal:
    """Return what some took and others lost by the trades of goods that came back."""
    parties = set(truth["parties"])
    inside = [r for r in gains.rows("trades") if {r["seller"], r["buyer"]} <= parties]
    of_goods = defaultdict[str, list[Row]](list)
    for row in sorted(inside, key=lambda row: str(row["day"])):
        of_goods[row["serial"]].append(row)
    back = [r for of in of_goods.values() if of[-1]["buyer"] == of[0]["seller"] for r in of]
    nets = (
        _sum(r for r in back if r["seller"] == party) - _sum(r for r in back if r["buyer"] == party)
        for party in parties
    )
    return sum((net for net in nets if net > 0), Decimal(0))


def _spent(gains: Gains, granted_to: Sequence[str], spent_by: str) -> Decimal:
    coupons = {c["coupon"] for who in granted_to for c in gains.rows("coupons", customer=who)}
    mine = (one for one in gains.sold if one.row["BillingAccountId"] == f"A-{spent_by}")
    return -sum((one.billed for one in mine if one.row["x_CouponId"] in coupons), Decimal(0))


def _other_spends(gains: Gains, truth: Row) -> Decimal:
    owner, spender = truth["customers"]
    return _spent(gains, [owner], spender)


def _in_cash(gains: Gains, truth: Row) -> Decimal:
    (customer,) = truth["customers"]
    return _spent(gains, [customer], customer)


def _pieces(gains: Gains, truth: Row) -> Decimal:
    (rep,), (customer,) = truth["parties"], truth["customers"]
    return _sum(gains.rows("coupons", customer=customer, granted_by=rep))


def _two_versions(gains: Gains, truth: Row) -> Decimal:
    (customer,) = truth["customers"]
    (agreed,) = gains.rows("agreements", customer=customer)
    paid = gains.rows("payments", customer=customer, reference=agreed["agreement"])
    return _sum(paid) - _sum([agreed])


def _without_anybody(gains: Gains, truth: Row) -> Decimal:
    (rep,) = truth["parties"]
    (job,) = gains.rows("links", subject=rep, role="employer")
    since = (
        one
        for one in gains.sold
        if one.customer in truth["customers"] and one.row["ChargePeriodStart"][:10] >= job["to"]
    )
    return sum((one.billed for one in since), Decimal(0))


_DIVERTED: Mapping[str, Callable[[Gains, Row], Decimal]] = {
    "G06": _round_trips,
    "G07": _other_spends,
    "G13": _pieces,
    "G14": _in_cash,
    "G15": _two_versions,
    "G17": _without_anybody,
}
