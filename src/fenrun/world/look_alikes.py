"""Deeds of honest people that look like a scheme, each for the reasons that it has in a trade.

Peaks and price rises, books that are handed over, customers that merge, bookkeepers, departments
with a partner of their own, projects at a quarter's end, goods traded in. No check may accuse any.
"""

from __future__ import annotations

from datetime import date, timedelta

from fenrun.world.market import (
    Market,
    Row,
    associate,
    contact,
    coupon,
    link,
    pay,
    trade,
)
from fenrun.world.people import REGIONS, YEAR

_FESTIVAL = 11
_QUARTERS = (3, 6, 9, 12)
_LATE = 25


def add_look_alikes(market: Market) -> None:
    """Add all of them to an honest market."""
    _peaks_and_prices(market)
    _programme(market)
    _mergers(market)
    _bookkeeper(market)
    _departments(market)
    _projects(market)
    _branch_closed(market)
    _standby(market)
    _leads(market)
    _trade_ins(market)


def _peaks_and_prices(market: Market) -> None:
    """Let shops buy much in the festival's month, and prices rise for all from July."""
    shops = {customer for customer in market.customers if market.chance(0.3)}
    seasonal = {customer for customer in market.customers if market.chance(0.05)}
    for order in market.orders:
        if order["customer"] in shops and order["day"].month == _FESTIVAL:
            order["list"] = round(order["list"] * 2.5, 2)
        if order["day"] >= date(YEAR, 7, 1):
            order["list"] = round(order["list"] * 1.1, 2)
    market.orders = [
        order
        for order in market.orders
        if order["customer"] not in seasonal or order["day"].month > 8
    ]


def _programme(market: Market) -> None:
    """Hand the small direct customers of a region to its partners, as the vendor decided."""
    region, day = REGIONS[-1], date(YEAR, 4, 1)
    near = [p for p in market.partners if market.region[p] == region]
    small = sorted(_free(market, region), key=lambda c: market.size[c])
    for at, customer in enumerate(small[: len(small) // 2]):
        associate(market, customer, near[at % len(near)], day)


def _free(market: Market, region: str) -> list[str]:
    moved = {row["customer"] for row in market.tables.get("moves", ())}
    return [c for c in market.direct() if market.region[c] == region and c not in moved]


def _mergers(market: Market) -> None:
    """Let customers take over others, with accounts and coupons."""
    for _ in range(max(1, len(market.customers) // 100)):
        old, new = market.one_of(market.customers), market.one_of(market.customers)
        merged = {row["old"] for row in market.tables.get("mergers", ())}
        if old == new or {old, new} & merged:
            continue
        market.add("mergers", old=old, new=new, day=date(YEAR, 5, 1))
        name = coupon(market, old, old, 900.0)
        for row in market.tables["credits"]:
            if row["coupon"] == name:
                row["day"] = date(YEAR, 8, 20)


def _bookkeeper(market: Market) -> None:
    """Let one bookkeeper's phone and mail stand for four parties that know no other."""
    for number in range(max(1, len(market.partners) // 15)):
        rivals = [market.one_of(market.partners) for _ in range(3)]
        for party in {*rivals, market.one_of(market.reps)}:
            for kind in ("phone", "email"):
                value = f"office {number} {kind}"
                market.add(
                    "identities", party=party, kind=kind, value=value, **{"from": "2023-03-01"}
                )


def _departments(market: Market) -> None:
    """Let departments of customers choose a partner of their own, as their head says."""
    for customer in sorted(market.partner):
        orders = market.orders_of(customer)
        if not market.chance(0.03) or any("registered" in order for order in orders):
            continue
        region = market.region[customer]
        near = [p for p in market.partners if market.region[p] == region]
        other, user = market.one_of(near), market.operators[customer][-1]
        contact(market, customer, "consent", date(YEAR, 5, 28), other)
        for order in orders:
            if order["operator"] == user and order["day"] >= date(YEAR, 6, 1):
                market.register(order, other)


def _projects(market: Market) -> None:
    """Let a specialist install at other partners' customers, before a quarter ends.

    And let every partner work harder then: bonuses raise effort.
    """
    specialist = market.one_of(market.partners)
    for order in market.orders:
        late = order["day"].month in _QUARTERS and order["day"].day > _LATE
        if late and market.partner.get(order["customer"]):
            order["list"] = round(order["list"] * 1.6, 2)
        if late and "registered" not in order and market.chance(0.04):
            order["product"] = "Installation"
            market.register(order, specialist)


def _branch_closed(market: Market) -> None:
    """Close a branch: a branch of its group elsewhere goes on with all of its customers."""
    region = REGIONS[2]
    closed = next(p for p in market.partners if market.region[p] == region)
    heir = next(p for p in market.partners if market.region[p] == REGIONS[3])
    for party in (closed, heir):
        market.add("links", **link("party", party, "group", "GROUP-2"))
    market.closed.add(closed)
    day = date(YEAR, 6, 1)
    for order in market.orders:
        sold_by = order.get("registered", market.partner.get(order["customer"]))
        if sold_by == closed and order["day"] >= day:
            market.register(order, heir)
    for row in market.tables.get("moves", ()):
        if row["partner"] == closed:
            row["partner"] = heir


def _standby(market: Market) -> None:
    """Let one partner sell support, of which nothing is ever consumed."""
    seller = market.one_of(sorted(set(market.partner.values())))
    for customer in market.of_partner(seller)[:4]:
        for order in market.orders_of(customer):
            order["product"], order["used"] = "Support", False
    for customer in market.customers:
        if market.chance(0.05):
            order = market.orders_of(customer)[0]
            order["product"], order["used"] = "Support", False


def _leads(market: Market) -> None:
    """Let the vendor hand what its calls won to a partner, and say so."""
    region = REGIONS[1]
    near = [p for p in market.partners if market.region[p] == region]
    partner = market.one_of(near)
    for at, customer in enumerate(_free(market, region)[:5]):
        day = date(YEAR, 3, 1) + timedelta(days=20 * at)
        contact(market, customer, "call", day)
        contact(market, customer, "call", day + timedelta(days=3), partner)
        associate(market, customer, partner, day + timedelta(days=5))


def _trade_ins(market: Market) -> None:
    """Let makers take old devices back cheaply, from customers, through no dealer."""
    made = 0
    rows = list(market.tables["trades"])
    for row in rows:
        is_end = row["buyer"].startswith("K") and row["seller"].startswith("P")
        if is_end and market.chance(0.1):
            maker = f"MAKER-{int(row['serial'][1:]) % 2}"
            back: Row = trade(row["day"] + timedelta(days=120), row["buyer"], maker, "", 30)
            market.add("trades", **back | {"serial": row["serial"]})
            made += 1
    for customer in market.customers[:made]:
        pay(market, date(YEAR, 9, 3), "MAKER-0", customer, 30_000, "refund")
