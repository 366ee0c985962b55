"""An honest market: who buys from whom, what was agreed, who paid, and who is who."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from fenrun.world.market import (
    PRODUCTS,
    Market,
    associate,
    contact,
    coupon,
    day_of,
    pay,
    prepay,
    trade,
    year,
    years,
)
from fenrun.world.people import REGIONS, YEAR

_PARTNERS_EACH = 6
"""Customers for each partner."""


def honest_market(partners: int, seed: int) -> Market:
    """Return a market in which nobody cheats."""
    market = _people(partners, seed)
    _orders(market)
    _changes(market)
    _terms(market)
    _identities(market)
    _trades(market)
    return market


def _people(partners: int, seed: int) -> Market:
    rng = np.random.default_rng([seed, 21])
    market = Market(
        rng,
        [f"P{n:04d}" for n in range(1, partners + 1)],
        [f"K{n:05d}" for n in range(1, partners * _PARTNERS_EACH + 1)],
        [f"R{n:03d}" for n in range(1, max(10, partners // 4) + 1)],
    )
    for number, partner in enumerate(market.partners):
        market.region[partner] = REGIONS[number % len(REGIONS)]
    for number, rep in enumerate(market.reps):
        market.region[rep] = REGIONS[number % len(REGIONS)]
    near = {r: [p for p in market.partners if market.region[p] == r] for r in REGIONS}
    reps = {r: [p for p in market.reps if market.region[p] == r] for r in REGIONS}
    for customer in market.customers:
        region = market.one_of(REGIONS)
        market.region[customer] = region
        market.rep[customer] = market.one_of(reps[region])
        market.size[customer] = rng.lognormal(8, 0.8)
        market.operators[customer] = [f"{customer}-U{n}" for n in range(1, rng.integers(3, 6))]
        if market.chance(0.65):
            market.partner[customer] = market.one_of(near[region])
    return market


def _orders(market: Market) -> None:
    """Add two to five orders a month; more at its end, since people work towards its end."""
    count = 0
    for customer in market.customers:
        away = market.chance(0.15)  # its machines stand in another region
        place = market.one_of(REGIONS) if away else market.region[customer]
        idle = market.chance(0.02)
        prices = [0.65] if market.chance(0.1) else [1.0, 0.95, 0.9, 0.85, 0.8]
        for month in range(12):
            for _ in range(int(market.rng.integers(2, 6))):
                count += 1
                late = market.chance(0.15)
                day = market.rng.integers(24, 28) if late else market.rng.integers(0, 28)
                market.orders.append(
                    {
                        "order": f"SO-{count:06d}",
                        "customer": customer,
                        "day": date(YEAR, month + 1, int(day) + 1),
                        "operator": market.one_of(market.operators[customer]),
                        "product": market.one_of(PRODUCTS),
                        "region": place,
                        "list": round(market.size[customer] * market.rng.gamma(4, 0.25), 2),
                        "paid": market.rng.choice(prices).item(),
                        "used": not idle,
                    }
                )


def _changes(market: Market) -> None:
    """Add what looks like schemes: customers that move, second partners, sign-ups, calls."""
    for customer in market.customers:
        region = market.region[customer]
        near = [p for p in market.partners if market.region[p] == region]
        if customer not in market.partner and market.chance(0.25):
            day = day_of(market.rng.integers(60, 300))
            associate(market, customer, market.one_of(near), day)
            for order in market.orders_of(customer):
                if order["day"] >= day:
                    order["list"] = round(order["list"] * 1.4, 2)
        elif customer in market.partner and market.chance(0.06):
            other, product = market.one_of(near), market.one_of(PRODUCTS)
            for order in market.orders_of(customer):
                if order["product"] == product and order["day"] > date(YEAR, 4, 1):
                    market.register(order, other)
        if market.chance(0.2):
            contact(market, customer, "call", day_of(market.rng.integers(0, 360)))


def _terms(market: Market) -> None:
    """Add a floor, approvals below it, coupons as granted, and payments."""
    market.add("floors", floor="F1", least="60 % of list", **year())
    number = 0
    for customer in market.customers:
        partner = market.partner.get(customer, "")
        if market.chance(0.03):
            number += 1
            market.add(
                "approvals",
                **{"approval": f"A{number:04d}", "step": 1, "kind": "discount"},
                **{"customer": customer, "grants": "50 % of list", **year()},
                **{"asked_by": market.rep[customer], "asked_at": f"{YEAR}-01-01T08:00:00Z"},
                **{"decided_by": "HEAD-1", "decided_at": f"{YEAR}-01-02T08:00:00Z"},
                outcome="approved",
            )
            for order in market.orders_of(customer)[:3]:
                order["paid"] = 0.55
        if market.chance(0.05):
            coupon(market, customer, customer, 500.0)
        if partner and market.chance(0.2):
            for month in range(1, 13):
                pay(market, date(YEAR, month, 20), partner, customer, market.size[customer])
        if partner and market.chance(0.05):  # a little of the rebate, far above the floor
            day = date(YEAR, 4, 25)
            bought = (o["list"] * o["paid"] for o in market.orders_of(customer) if o["day"] < day)
            pay(market, day, partner, customer, sum(bought) / 50, "t")
        if partner and market.chance(0.02):
            day = day_of(market.rng.integers(30, 330))
            prepay(market, customer, partner, day)
            pay(market, day + timedelta(days=9), customer, customer, years(market, customer), "t")


def _trades(market: Market) -> None:
    """Sell devices from two makers through dealers to customers; some are sent back."""
    for number in range(len(market.partners) * 4):
        maker, dealer = f"MAKER-{number % 2}", market.one_of(market.partners)
        chain = [maker, dealer, market.one_of(market.customers)]
        if market.chance(0.3):
            chain.insert(1, market.one_of(market.partners))
        day = day_of(market.rng.integers(0, 250))
        if market.chance(0.06):
            chain.append(chain[-2])
        for at, (seller, buyer) in enumerate(pairwise(chain)):
            if seller != buyer:
                row = trade(day + timedelta(days=7 * at), seller, buyer, f"D{number}", 90 + 9 * at)
                market.add("trades", **row)


def _identities(market: Market) -> None:
    """Give all parties a phone and an address; some share a park's address, or a bookkeeper."""
    people = [*market.partners, *market.reps, *market.customers]
    for number, party in enumerate(people):
        park = market.chance(0.1)
        address = f"park {number % 3}" if park else f"street {number}"
        phone = f"bookkeeper {number % 4}" if market.chance(0.05) else f"phone {number}"
        for kind, value in (("address", address), ("phone", phone), ("bank", f"bank {number}")):
            market.add("identities", party=party, kind=kind, value=value, **{"from": "2023-01-01"})
