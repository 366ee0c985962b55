"""A market in which some people cheat, and more only look like it, with the truth beside it.

For trying the checks of `integrity`: orders by operators, sign-ups, payments, trades, identities,
terms. Every scheme is made by what people do, on top of an honest market; how well it is concealed
is a level from 0 (plain) to 3 (well concealed). All of it is invented.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fenrun.world.people import ISSUER, REGIONS, YEAR

Row = dict[str, Any]
PRODUCTS = ("Compute", "Storage", "Database", "Model Tokens")
PLAN = """\
plan: market-2024
title: {en: Partner terms of the market, zh-CN: 市场伙伴条款}
source: Invented terms 2024
published: 2023-12-01
effective: {from: 2023-01-01}
currency: CNY
timezone: Asia/Shanghai
basis: billed
credit:
  first match:
    - {id: partner, title: {en: Partner, zh-CN: 伙伴}, mode: single, roles: [partner]}
    - {id: rep, title: {en: Rep, zh-CN: 销售}, mode: single, roles: [rep]}
tables:
  volume: [{from: 2023-01-01, source: Invented terms 2024, kind: all units,
            bands: [above 0 below 100000 pays 8 %, from 100000 below 400000 pays 12 %,
                    from 400000 pays 15 %]}]
earn:
  sum:
    - id: volume
      title: {en: Month volume, zh-CN: 月度用量}
      pays: partner
      per: month
      on: amount
      by: amount
      table: volume
"""
"""A plan under which every scheme pays."""
_FIRST = date(YEAR, 1, 1)
_PARTNERS_EACH = 6
"""Customers for each partner."""


@dataclass
class Market:
    """The rows of all tables, and the schemes that are in them."""

    rng: np.random.Generator
    partners: list[str]
    customers: list[str]
    reps: list[str]
    region: dict[str, str] = field(default_factory=dict)
    rep: dict[str, str] = field(default_factory=dict)
    partner: dict[str, str] = field(default_factory=dict)
    """The partner of each customer that has one at the beginning."""
    operators: dict[str, list[str]] = field(default_factory=dict)
    size: dict[str, float] = field(default_factory=dict)
    orders: list[Row] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    truth: list[Row] = field(default_factory=list)

    def add(self, table: str, **row: Any) -> None:
        """Add a row to a table."""
        self.tables.setdefault(table, []).append(row)

    def chance(self, odds: float) -> bool:
        """Return whether something of such odds happens."""
        return bool(self.rng.random() < odds)

    def one_of(self, among: Sequence[str]) -> str:
        """Return one of some ids."""
        return among[int(self.rng.integers(0, len(among)))]

    def of_partner(self, partner: str) -> list[str]:
        """Return the customers that a partner has at the beginning."""
        return [customer for customer, held in self.partner.items() if held == partner]

    def direct(self) -> list[str]:
        """Return the customers that have no partner at the beginning."""
        return [customer for customer in self.customers if customer not in self.partner]

    def orders_of(self, customer: str) -> list[Row]:
        """Return the orders of a customer by day."""
        found = [order for order in self.orders if order["customer"] == customer]
        return sorted(found, key=lambda order: str(order["day"]))

    def register(self, order: Row, partner: str) -> None:
        """Register an order for a partner."""
        order["registered"] = partner


def day_of(number: float | np.integer[Any]) -> date:
    """Return a day of the year by its number from 0."""
    return _FIRST + timedelta(days=int(min(max(number, 0), 365)))


def make_market(partners: int, seed: int, level: int = 0, cheats: Iterable[str] = ()) -> Market:
    """Return a market of so many partners, with the schemes that are named: `G01` ..."""
    market = _people(partners, seed)
    _honest_orders(market)
    _honest_changes(market)
    _honest_terms(market)
    _honest_identities(market)
    _honest_trades(market)
    for scheme in cheats:
        SCHEMES[scheme](market, level)
    _finish(market)
    return market


# --- an honest market ----------------------------------------------------------------------------


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


def _honest_orders(market: Market) -> None:
    """Add two to five orders a month; more at its end, since people work towards its end."""
    count = 0
    for customer in market.customers:
        away = market.chance(0.15)  # its machines stand in another region
        place = market.one_of(REGIONS) if away else market.region[customer]
        idle = market.chance(0.02)
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
                        "paid": market.rng.choice([1.0, 0.95, 0.9, 0.85, 0.8]).item(),
                        "used": not idle,
                    }
                )


def _honest_changes(market: Market) -> None:
    """Add what looks like schemes: customers that move, second partners, sign-ups, calls."""
    for customer in market.customers:
        region = market.region[customer]
        near = [p for p in market.partners if market.region[p] == region]
        if customer not in market.partner and market.chance(0.25):
            day = day_of(market.rng.integers(60, 300))
            _associate(market, customer, market.one_of(near), day)
            for order in market.orders_of(customer):
                if order["day"] >= day:
                    order["list"] = round(order["list"] * 1.4, 2)
        elif customer in market.partner and market.chance(0.06):
            other, product = market.one_of(near), market.one_of(PRODUCTS)
            for order in market.orders_of(customer):
                if order["product"] == product and order["day"] > date(YEAR, 4, 1):
                    market.register(order, other)
        if market.chance(0.2):
            _contact(market, customer, "call", day_of(market.rng.integers(0, 360)))


def _associate(market: Market, customer: str, partner: str, day: date) -> None:
    market.add("moves", customer=customer, partner=partner, day=day)


def _contact(market: Market, customer: str, kind: str, day: date, party: str = "") -> None:
    number = len(market.tables.get("events", ())) + 1
    actor = "TELE-1" if kind == "call" else f"{customer}-U1"
    row = {"event": f"E{number:06d}", "at": f"{day}T09:00:00Z", "kind": kind, "actor": actor}
    market.add("events", **row, customer=customer, party=party)


def _honest_terms(market: Market) -> None:
    """Add a floor, approvals below it, coupons as granted, and payments."""
    market.add("floors", floor="F1", least="60 % of list", **_year())
    number = 0
    for customer in market.customers:
        partner = market.partner.get(customer, "")
        if market.chance(0.03):
            number += 1
            market.add(
                "approvals",
                **{"approval": f"A{number:04d}", "step": 1, "kind": "discount"},
                **{"customer": customer, "grants": "50 % of list", **_year()},
                **{"asked_by": market.rep[customer], "asked_at": f"{YEAR}-01-01T08:00:00Z"},
                **{"decided_by": "HEAD-1", "decided_at": f"{YEAR}-01-02T08:00:00Z"},
                outcome="approved",
            )
            for order in market.orders_of(customer)[:3]:
                order["paid"] = 0.55
        if market.chance(0.05):
            _coupon(market, customer, customer, 500.0)
        if partner and market.chance(0.2):
            for month in range(1, 13):
                _pay(market, date(YEAR, month, 20), partner, customer, market.size[customer])
        if partner and market.chance(0.05):  # a little of the rebate, far above the floor
            _pay(market, date(YEAR, 4, 25), partner, customer, market.size[customer] / 10, "t")
        if partner and market.chance(0.02):
            day = day_of(market.rng.integers(30, 330))
            _prepay(market, customer, partner, day)
            _pay(market, day + timedelta(days=9), customer, customer, _years(market, customer), "t")


def _year() -> Row:
    return {"from": str(_FIRST), "to": str(date(YEAR + 1, 1, 1))}


def _years(market: Market, customer: str) -> float:
    """Return what a customer spends in three years."""
    return round(market.size[customer] * 3.5 * 0.9 * 36, 2)


def _coupon(market: Market, granted_to: str, spent_by: str, amount: float) -> str:
    number = len(market.tables.get("coupons", ())) + 1
    coupon = f"C{number:04d}"
    row = {"coupon": coupon, "customer": granted_to, "amount": amount, "currency": "CNY"}
    market.add("coupons", **row, **_year(), granted_by=market.rep[granted_to])
    day = day_of(market.rng.integers(10, 350))
    market.add("credits", coupon=coupon, customer=spent_by, day=day, amount=round(amount / 2, 2))
    return coupon


def _pay(
    market: Market, day: date, payer: str, customer: str, amount: float, kind: str = "invoice"
) -> None:
    number = len(market.tables.get("payments", ())) + 1
    said = {"t": "transfer", "p": "prepay"}.get(kind, kind)
    row = {"payment": f"PAY-{number:06d}", "day": day, "payer": payer, "customer": customer}
    market.add("payments", **row, amount=round(amount, 2), currency="CNY", kind=said)


def _prepay(market: Market, customer: str, payer: str, day: date) -> None:
    """Let three years of a customer be prepaid and billed on a day."""
    amount = _years(market, customer)
    _pay(market, day, payer, customer, amount, "p")
    market.add("purchases", customer=customer, day=day, amount=amount)


def _honest_trades(market: Market) -> None:
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
                row = _trade(day + timedelta(days=7 * at), seller, buyer, f"D{number}", 90 + 9 * at)
                market.add("trades", **row)


def _honest_identities(market: Market) -> None:
    """Give all parties a phone and an address; some share a park's address, or a bookkeeper."""
    people = [*market.partners, *market.reps, *market.customers]
    for number, party in enumerate(people):
        park = market.chance(0.1)
        address = f"park {number % 3}" if park else f"street {number}"
        phone = f"bookkeeper {number % 4}" if market.chance(0.05) else f"phone {number}"
        for kind, value in (("address", address), ("phone", phone), ("bank", f"bank {number}")):
            market.add("identities", party=party, kind=kind, value=value, **{"from": "2023-01-01"})


# --- schemes -------------------------------------------------------------------------------------


def _tell(market: Market, scheme: str, level: int, **who: Sequence[str]) -> None:
    market.truth.append({"scheme": scheme, "level": level, **who})


def _hand_over(market: Market, level: int) -> None:
    """G01: a rep's direct customers come under one partner."""
    rep = max(market.reps, key=lambda r: sum(market.rep[c] == r for c in market.direct()))
    mine = [c for c in market.direct() if market.rep[c] == rep and not _moves(market, c)]
    near = [p for p in market.partners if market.region[p] == market.region[rep]]
    partner, taken = market.one_of(near), mine[: (8, 6, 5, 4)[level]]
    start = 100
    for at, customer in enumerate(taken):
        _associate(market, customer, partner, day_of(start + at * (5, 10, 20, 25)[level]))
    _tell(market, "G01", level, parties=[rep, partner], customers=taken)


def _moves(market: Market, customer: str) -> bool:
    return any(row["customer"] == customer for row in market.tables.get("moves", ()))


def _tie(market: Market, level: int) -> None:
    """G02: a partner that is tied to a rep, whose customers come to it."""
    rep, partner = market.one_of(market.reps), market.one_of(market.partners)
    mine = [c for c in market.direct() if market.rep[c] == rep and not _moves(market, c)]
    taken = mine[: (4, 3, 2, 2)[level]]
    for at, customer in enumerate(taken):
        _associate(market, customer, partner, day_of(120 + 30 * at))
    kinds = (("bank", "phone", "address"), ("bank", "phone"), ("bank",), ("phone",))[level]
    for kind in kinds:
        for party in (rep, partner):
            value = f"shared {rep} {kind}"
            market.add("identities", party=party, kind=kind, value=value, **{"from": "2023-06-01"})
    _tell(market, "G02", level, parties=[rep, partner], customers=taken)


def _steal(market: Market, level: int) -> None:
    """G03: an operator registers orders for a rival, more from month to month."""
    held = [c for c in market.customers if c in market.partner and not _second(market, c)]
    customer = max(held, key=lambda c: market.size[c])
    others = [p for p in market.partners if p != market.partner[customer]]
    rival, operator = market.one_of(others), market.operators[customer][0]
    odds = (1.0, 0.9, 0.75, 0.6)[level]
    for order in market.orders_of(customer):
        is_his = order["day"] > date(YEAR, 5, 1) and order["operator"] == operator
        if is_his and market.chance(odds):
            market.register(order, rival)
    stolen = [o["order"] for o in market.orders_of(customer) if o.get("registered") == rival]
    _tell(market, "G03", level, parties=[rival], customers=[customer], orders=stolen)


def _second(market: Market, customer: str) -> bool:
    return any("registered" in order for order in market.orders_of(customer))


def _shift(market: Market, level: int) -> None:
    """G04: orders used elsewhere are registered for a branch of the weakest region."""
    branch = next(p for p in market.partners if market.region[p] == REGIONS[0])
    sibling = next(p for p in market.partners if market.region[p] == REGIONS[1])
    for party in (branch, sibling):
        market.add("links", **_link("party", party, "group", "GROUP-1"))
    moved = [
        order
        for customer in market.of_partner(sibling)
        for order in market.orders_of(customer)
        if order["day"] > date(YEAR, 6, 1) and market.chance((0.9, 0.7, 0.5, 0.35)[level])
    ]
    for order in moved:
        market.register(order, branch)
    names = [order["order"] for order in moved]
    _tell(market, "G04", level, parties=[branch, "GROUP-1"], orders=names)


def _recycle(market: Market, level: int) -> None:
    """G05: a partner passes so much on that its customer pays less than the floor."""
    partner = market.one_of(sorted(set(market.partner.values())))
    taken = market.of_partner(partner)[: (3, 2, 2, 1)[level]]
    for customer in taken:
        for order in market.orders_of(customer):
            order["paid"] = 0.65
        for month in range(3, 9):
            billed = sum(
                order["list"] * 0.65
                for order in market.orders_of(customer)
                if order["day"].month == month
            )
            day = date(YEAR, month, 25)
            _pay(market, day, partner, customer, billed * (0.3, 0.25, 0.2, 0.15)[level], "t")
    _tell(market, "G05", level, parties=[partner], customers=taken)


def _ring(market: Market, level: int) -> None:
    """G06: devices go round between three parties."""
    parties = market.partners[:3]
    for number in range((8, 6, 4, 3)[level]):
        for at, seller in enumerate(parties):
            day = day_of(30 + number * 20 + at * 9)
            row = _trade(day, seller, parties[(at + 1) % 3], f"S{number}", 100)
            market.add("trades", **row)
    _tell(market, "G06", level, parties=parties)


def _trade(day: date, seller: str, buyer: str, serial: str, price: int) -> Row:
    row = {"day": day, "seller": seller, "buyer": buyer, "item": "device", "serial": serial}
    return row | {"amount": price * 1000, "currency": "CNY"}


def _divert(market: Market, level: int) -> None:
    """G07: a coupon of one customer is spent by another."""
    for _ in range((3, 2, 1, 1)[level]):
        owner, spender = market.one_of(market.customers), market.one_of(market.customers)
        if owner != spender:
            _coupon(market, owner, spender, (50_000.0, 20_000.0, 5_000.0, 1_000.0)[level])
            _tell(market, "G07", level, customers=[owner, spender])


def _front(market: Market, level: int) -> None:
    """G08: a partner pays three years of its customer."""
    customer = market.one_of(sorted(market.partner))
    partner = market.partner[customer]
    _prepay(market, customer, partner, date(YEAR, 11, 20))
    _tell(market, "G08", level, parties=[partner], customers=[customer])


def _pool(market: Market, level: int) -> None:
    """G09: at the end of a month orders of others are registered for one partner."""
    partner = market.one_of(market.partners)
    late = [
        order
        for order in market.orders
        if order["day"].month == 9
        and order["day"].day > 25
        and market.partner.get(order["customer"]) not in (None, partner)
        and "registered" not in order
    ]
    taken = late[: (25, 18, 12, 8)[level]]
    for order in taken:
        market.register(order, partner)
    names = [order["order"] for order in taken]
    _tell(market, "G09", level, parties=[partner], orders=names)


def _poach(market: Market, level: int) -> None:
    """G10: right after the vendor's sign-up or call a partner is associated."""
    partner = market.one_of(market.partners)
    free = [c for c in market.direct() if not _moves(market, c)]
    taken = free[: (12, 9, 7, 5)[level]]
    for at, customer in enumerate(taken):
        day = day_of(50 + at * 20)
        _contact(market, customer, "call" if at % 2 else "sign-up", day)
        _associate(market, customer, partner, day + timedelta(days=int(market.rng.integers(1, 9))))
    _tell(market, "G10", level, parties=[partner], customers=taken)


def _dump(market: Market, level: int) -> None:
    """G11: sold below the floor, without an approval."""
    partner = market.one_of(sorted(set(market.partner.values())))
    approved = {row["customer"] for row in market.tables.get("approvals", ())}
    taken = [c for c in market.of_partner(partner) if c not in approved][:2]
    for customer in taken:
        for order in market.orders_of(customer)[: (20, 10, 5, 2)[level]]:
            order["paid"] = 0.5
    _tell(market, "G11", level, parties=[partner], customers=taken)


def _wash(market: Market, level: int) -> None:
    """G12: customers of one partner buy and use nothing."""
    sizes = {p: len(market.of_partner(p)) for p in market.partners}
    partner = max(market.partners, key=lambda p: sizes[p])
    taken = market.of_partner(partner)[: (6, 5, 4, 3)[level]]
    for customer in taken:
        for order in market.orders_of(customer):
            order["used"] = False
    _tell(market, "G12", level, parties=[partner], customers=taken)


SCHEMES: Mapping[str, Callable[[Market, int], None]] = {
    "G01": _hand_over,
    "G02": _tie,
    "G03": _steal,
    "G04": _shift,
    "G05": _recycle,
    "G06": _ring,
    "G07": _divert,
    "G08": _front,
    "G09": _pool,
    "G10": _poach,
    "G11": _dump,
    "G12": _wash,
}
"""How each scheme is made."""


# --- the files -----------------------------------------------------------------------------------


def _link(kind: str, subject: str, role: str, party: str, since: str = "2023-01-01") -> Row:
    issuer = ISSUER if kind in ("account", "order") else ""
    row = {"of": kind, "issuer": issuer, "subject": subject, "role": role, "party": party}
    return row | {"from": since, "to": ""}


def _finish(market: Market) -> None:
    """Add the book as it follows from all that happened."""
    moves = {row["customer"]: row for row in market.tables.pop("moves", [])}
    for number, trade in enumerate(market.tables["trades"], 1):
        trade["trade"] = f"T{number:06d}"
    for kind, parties in (
        ("partner", market.partners),
        ("rep", market.reps),
        ("customer", market.customers),
    ):
        for party in parties:
            market.add("parties", party=party, kind=kind, name=f"{kind} {party}")
    if any(row["party"] == "GROUP-1" for row in market.tables.get("links", ())):
        market.add("parties", party="GROUP-1", kind="partner", name="group GROUP-1")
    for party, region in market.region.items():
        row = {"party": party, "label": "region", "value": region, "from": "2023-01-01"}
        market.add("labels", **row)
    for customer in market.customers:
        market.add("links", **_link("account", f"A-{customer}", "customer", customer))
        market.add("links", **_link("customer", customer, "rep", market.rep[customer]))
        if customer in market.partner:
            market.add("links", **_link("customer", customer, "partner", market.partner[customer]))
        elif customer in moves:
            move = moves[customer]
            row = _link("customer", customer, "partner", move["partner"], str(move["day"]))
            market.add("links", **row)
    for order in market.orders:
        if "registered" in order:
            row = _link("order", order["order"], "partner", order["registered"])
            market.add("links", **row)


def charges_of(market: Market) -> list[Row]:
    """Return the charges of a market as FOCUS rows."""
    found = []
    for order in market.orders:
        billed = round(order["list"] * order["paid"], 2)
        more = {
            "ChargeCategory": "Usage",
            "ServiceName": order["product"],
            "RegionId": f"cn-{order['region']}-1",
            "ConsumedQuantity": "10" if order["used"] else "0",
            "x_OrderId": order["order"],
            "x_Operator": order["operator"],
        }
        found.append(_charge(order["customer"], order["day"], order["list"], billed, **more))
    for row in market.tables.pop("purchases", []):
        more = {"ChargeCategory": "Purchase", "ServiceName": "Reserved", "ConsumedQuantity": "0"}
        found.append(_charge(row["customer"], row["day"], row["amount"], row["amount"], **more))
    for row in market.tables.pop("credits", []):
        more = {"ChargeCategory": "Credit", "ServiceName": "Compute", "x_CouponId": row["coupon"]}
        found.append(_charge(row["customer"], row["day"], 0, -row["amount"], **more))
    return found


def _charge(customer: str, day: date, list_: float, billed: float, **more: str) -> Row:
    after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    costs = {name: f"{billed:.2f}" for name in ("BilledCost", "EffectiveCost", "ContractedCost")}
    same = {"InvoiceIssuerName": ISSUER, "ProviderName": ISSUER, "PublisherName": ISSUER}
    return {
        **same,
        **costs,
        "ListCost": f"{list_:.2f}",
        "BillingAccountId": f"A-{customer}",
        "BillingCurrency": "CNY",
        "BillingPeriodStart": f"{day:%Y-%m}-01T00:00:00Z",
        "BillingPeriodEnd": f"{after}T00:00:00Z",
        "ChargePeriodStart": f"{day}T04:00:00Z",
        "ChargePeriodEnd": f"{day}T05:00:00Z",
        **more,
    }


def write_market(folder: Path, market: Market) -> list[Path]:
    """Write a market as CSV files and the truth beside them. Returns the files to import."""
    folder.mkdir(parents=True, exist_ok=True)
    charges = charges_of(market)
    plan = folder / "plan.yaml"
    plan.write_text(PLAN, "utf-8")
    paths = [_write(folder / "charges.csv", charges), plan]
    paths += [_write(folder / f"{name}.csv", rows) for name, rows in market.tables.items() if rows]
    truth = json.dumps({"note": "Invented: no real party.", "schemes": market.truth}, indent=1)
    (folder / "truth.json").write_text(truth + "\n", "utf-8")
    return paths


def _write(path: Path, rows: Sequence[Row]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
