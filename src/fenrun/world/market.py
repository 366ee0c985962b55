"""Whoever is in a market, what they order, and the rows of all its tables.

What an honest market does is in `honest`, what looks like a scheme and is none in `look_alikes`,
what cheats do in `schemes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from fenrun.world.people import ISSUER, YEAR

Row = dict[str, Any]
PRODUCTS = ("Compute", "Storage", "Database", "Model Tokens")
FIRST = date(YEAR, 1, 1)


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
    closed: set[str] = field(default_factory=set)
    """Partners that sell nothing any more from some day on."""
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

    def some_of(self, among: Sequence[str], most: int) -> list[str]:
        """Return so many of some ids, or all."""
        drawn = self.rng.permutation(len(among))[:most]
        return [among[int(at)] for at in drawn]

    def of_partner(self, partner: str) -> list[str]:
        """Return the customers that a partner has at the beginning."""
        return [customer for customer, held in self.partner.items() if held == partner]

    def sellers(self) -> list[str]:
        """Return the partners that sell all year."""
        return [partner for partner in self.partners if partner not in self.closed]

    def direct(self) -> list[str]:
        """Return the customers that have no partner at the beginning."""
        return [customer for customer in self.customers if customer not in self.partner]

    def orders_of(self, customer: str) -> list[Row]:
        """Return the orders of a customer by day."""
        found = [order for order in self.orders if order["customer"] == customer]
        return sorted(found, key=lambda order: str(order["day"]))

    def turnover(self) -> dict[str, float]:
        """Return what each partner sells."""
        found = dict.fromkeys(self.partners, 0.0)
        for order in self.orders:
            seller = order.get("registered", self.partner.get(order["customer"]))
            if seller in found:
                found[seller] += order["list"] * order["paid"]
        return found

    def register(self, order: Row, partner: str) -> None:
        """Register an order for a partner."""
        order["registered"] = partner


def day_of(number: float | np.integer[Any]) -> date:
    """Return a day of the year by its number from 0."""
    return FIRST + timedelta(days=int(min(max(number, 0), 365)))


def associate(market: Market, customer: str, partner: str, day: date) -> None:
    """Let a customer come under a partner."""
    market.add("moves", customer=customer, partner=partner, day=day)


def contact(market: Market, customer: str, kind: str, day: date, party: str = "") -> None:
    """Let the vendor, or a party, have to do with a customer."""
    number = len(market.tables.get("events", ())) + 1
    actor = "TELE-1" if kind == "call" else f"{customer}-U1"
    row = {"event": f"E{number:06d}", "at": f"{day}T09:00:00Z", "kind": kind, "actor": actor}
    market.add("events", **row, customer=customer, party=party)


def year() -> Row:
    """Return the span of the year, as terms say it."""
    return {"from": str(FIRST), "to": str(date(YEAR + 1, 1, 1))}


def years(market: Market, customer: str) -> float:
    """Return what a customer spends in three years."""
    return round(market.size[customer] * 3.5 * 0.9 * 36, 2)


def coupon(market: Market, granted_to: str, spent_by: str, amount: float) -> str:
    """Grant a coupon and let half of it be spent. Returns its id."""
    number = len(market.tables.get("coupons", ())) + 1
    coupon = f"C{number:04d}"
    row = {"coupon": coupon, "customer": granted_to, "amount": amount, "currency": "CNY"}
    market.add("coupons", **row, **year(), granted_by=market.rep[granted_to])
    day = day_of(market.rng.integers(10, 350))
    market.add("credits", coupon=coupon, customer=spent_by, day=day, amount=round(amount / 2, 2))
    return coupon


def pay(
    market: Market, day: date, payer: str, customer: str, amount: float, kind: str = "invoice"
) -> None:
    """Add a payment: `t` a transfer, `p` a prepayment."""
    number = len(market.tables.get("payments", ())) + 1
    said = {"t": "transfer", "p": "prepay"}.get(kind, kind)
    row = {"payment": f"PAY-{number:06d}", "day": day, "payer": payer, "customer": customer}
    market.add("payments", **row, amount=round(amount, 2), currency="CNY", kind=said)


def prepay(market: Market, customer: str, payer: str, day: date) -> None:
    """Let three years of a customer be prepaid and billed on a day."""
    amount = years(market, customer)
    pay(market, day, payer, customer, amount, "p")
    market.add("purchases", customer=customer, day=day, amount=amount)


def trade(day: date, seller: str, buyer: str, serial: str, price: int) -> Row:
    """Return a trade of a device."""
    row = {"day": day, "seller": seller, "buyer": buyer, "item": "device", "serial": serial}
    return row | {"amount": price * 1000, "currency": "CNY"}


def link(kind: str, subject: str, role: str, party: str, since: str = "2023-01-01") -> Row:
    """Return a link of the book."""
    issuer = ISSUER if kind in ("account", "order") else ""
    row = {"of": kind, "issuer": issuer, "subject": subject, "role": role, "party": party}
    return row | {"from": since, "to": ""}
