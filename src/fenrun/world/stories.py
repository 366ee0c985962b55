"""Ten stories of honest people that look like a scheme, of whom no other thing is told.

They come after everything else and have random numbers of their own, so that a market is the same
with them and without. Whoever is in one is in no scheme.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from fenrun.world.market import Market, Row, day_of, link, pay, trade
from fenrun.world.more_schemes import untouched
from fenrun.world.people import YEAR

_QUARTERS = (3, 6, 9, 12)
_LATE = 26


def add_stories(market: Market, seed: int) -> None:
    """Add all of them to a market."""
    market.rng = np.random.default_rng([seed, 24])
    _schools(market)
    _incubator(market)
    _family(market)
    _takeover(market)
    _holiday(market)
    _rush(market)
    _migration(market)
    _distributor(market)
    _billed_twice(market)
    _recall(market)


def _quiet(market: Market, count: int) -> list[str]:
    """Return partners that no scheme or group names, with all of whose customers nothing is."""
    taken = {one for row in market.truth for one in row.get("parties", ())} | market.closed
    taken |= {row["subject"] for row in market.tables["links"] if row["role"] == "group"}
    for partner in market.partners:
        mine = market.of_partner(partner)
        if len(mine) < 3 or len(_free(market, mine)) < len(mine):
            taken.add(partner)
    return market.some_of([one for one in market.partners if one not in taken], count)


def _free(market: Market, among: Sequence[str], count: int = 1000) -> list[str]:
    told = {row["customer"] for row in market.tables.get("told", ())}
    return untouched(market, [one for one in among if one not in told], count)


def _tell_of(market: Market, customers: Sequence[str]) -> None:
    """Keep customers out of other stories."""
    for customer in customers:
        market.add("told", customer=customer)


def _share(market: Market, parties: Sequence[str], kinds: Sequence[str], of: str) -> None:
    for party in parties:
        for kind in kinds:
            row = {"party": party, "kind": kind, "value": f"{of} {kind}", "from": "2023-05-01"}
            market.add("identities", **row)


def _schools(market: Market) -> None:
    """Let schools buy before their year begins, and nothing else."""
    schools = _free(market, market.direct(), 2)
    market.orders = [
        order
        for order in market.orders
        if order["customer"] not in schools or order["day"].month in (8, 9)
    ]
    _tell_of(market, schools)


def _incubator(market: Market) -> None:
    """Let a house of start-ups have one phone, one device at its door and one representative."""
    parties = [*market.some_of(market.partners, 2), market.one_of(market.reps)]
    tenants = _free(market, market.customers, 12)
    _share(market, [*parties, *tenants], ("phone", "device", "representative"), "incubator")


def _family(market: Market) -> None:
    """Let two firms of a family, which say so, share a bookkeeper and a bank, and customers."""
    firms = _quiet(market, 2)
    if len(firms) == 2:
        for firm in firms:
            market.add("links", **link("party", firm, "group", "GROUP-3"))
        _share(market, firms, ("bank", "phone", "email", "address"), "family")
        moved = market.of_partner(firms[0])[:2]
        for at, customer in enumerate(moved):
            day = day_of(100 + 20 * at)
            market.add("transfers", customer=customer, partner=firms[1], day=day)
        _tell_of(market, [one for firm in firms for one in market.of_partner(firm)])


def _takeover(market: Market) -> None:
    """Let a partner buy another: it owns it, and all customers are its own from that day on."""
    firms = _quiet(market, 2)
    if len(firms) == 2:
        bought, buyer = firms
        market.add("links", **link("party", bought, "owner", buyer, f"{YEAR}-05-01"))
        _share(market, firms, ("bank",), "taken over")
        for customer in market.of_partner(bought):
            market.add("transfers", customer=customer, partner=buyer, day=date(YEAR, 5, 1))
        _tell_of(market, [one for firm in firms for one in market.of_partner(firm)])


def _holiday(market: Market) -> None:
    """Let a partner enter all orders of July in its last days: it was away."""
    for partner in _quiet(market, 1):
        for customer in market.of_partner(partner):
            for order in market.orders_of(customer):
                if order["day"].month == 7:
                    order["day"] = date(YEAR, 7, 27 + int(market.rng.integers(0, 3)))
        _tell_of(market, market.of_partner(partner))


def _rush(market: Market) -> None:
    """Let everybody order databases before they cost more from July."""
    for order in market.orders:
        is_early = order["day"].month == 6 and order["day"].day < _LATE
        if order["product"] == "Database" and is_early and market.chance(0.6):
            order["day"] = date(YEAR, 6, _LATE + int(market.rng.integers(0, 3)))


def _migration(market: Market) -> None:
    """Let customers get a new number in the vendor's system, and their accounts with it."""
    movers = _free(market, sorted(market.partner), 3)
    for customer in movers:
        new = f"{customer}N"
        market.customers.append(new)
        for of in (market.region, market.rep, market.partner):
            of[new] = of[customer]
        market.size[new] = market.size[customer]
        market.add("mergers", old=customer, new=new, day=day_of(market.rng.integers(60, 300)))
    _tell_of(market, movers)


def _distributor(market: Market) -> None:
    """Let a partner pass on a rebate once a quarter, as its contract says: far above the floor."""
    customers = _free(market, sorted(market.partner), 2)
    for customer in customers:
        orders = market.orders_of(customer)
        for order in orders:
            order["paid"] = 0.7
        for last in _QUARTERS:
            of = [order for order in orders if last - 3 < order["day"].month <= last]
            amount = sum(order["list"] * 0.7 for order in of) * 0.08
            if amount:
                pay(market, date(YEAR, last, 28), market.partner[customer], customer, amount, "t")
    _tell_of(market, customers)


def _billed_twice(market: Market) -> None:
    """Let a marketplace bill orders twice, and take the second bill back a month later."""
    customers = _free(market, sorted(market.partner), 3)
    for customer in customers:
        for order in [one for one in market.orders_of(customer) if one["day"].month in (4, 5)]:
            back: Row = order | {"list": -order["list"], "day": order["day"] + timedelta(days=30)}
            market.orders += [dict(order), back]
    _tell_of(market, customers)


def _recall(market: Market) -> None:
    """Let a maker call devices back from all who bought them, through its service."""
    for number, customer in enumerate(_free(market, market.customers, 6)):
        dealer = market.partner.get(customer, market.partners[0])
        for device in range(2):
            serial, day = f"RECALL-{number}-{device}", day_of(60 + 3 * number)
            way = ("MAKER-0", dealer, customer, "SERVICE", "MAKER-0")
            for at, after in enumerate((0, 7, 70, 75)):
                when = day + timedelta(days=after)
                market.add("trades", **trade(when, way[at], way[at + 1], serial, 90))
