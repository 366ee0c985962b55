"""Volume under one partner, at the end of a period, that makes a tier and is not its own.

Mechanism: orders of others' customers are registered for the partner that is short of a tier. Many
orders at the end are no sign by themselves: bonuses raise effort. What is compared: orders of
customers that are another partner's or nobody's, with all orders of the same product and month.
Were they dealt again over its days, would as many fall into the last? So a specialist, whose
product everybody buys at the end, pools nothing, nor does whoever sells before a price rises, or to
customers who order all late. The
amount then says whether they made the tier.

Or running orders are registered for it for a while, and go back to their partner when the tier is
made. Were those dealt again among all who sell, would it have as many? Or orders of many customers
of several partners are registered for it on any day: beside all who serve customers of others, as
few do that sell no one product to all. Where a customer consented, it was meant to be so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from fenrun.integrity.chance import Draw, by_dealing
from fenrun.integrity.checks.order_stealing import specialists
from fenrun.integrity.findings import Alert, Outcome
from fenrun.integrity.seen import Seen

Order = dict[str, Any]
_LAST_DAYS = 5
_FEWEST = 3
_ORDERS = """
SELECT order_id, min(day) AS day, arg_max(customer, abs(effective)) AS customer,
       max(last) AS last, partner, arg_max(own, abs(effective)) AS own,
       arg_max(product, abs(effective)) AS product, list(DISTINCT group_id) AS groups
FROM sold
WHERE order_id <> '' AND partner <> '' AND category <> 'Credit'
GROUP BY order_id, partner
ORDER BY day, order_id, partner"""
_FEWEST_BACK, _MANY = 2, 5
"""Orders that are given back; and customers of others, as many partners' as `_FEWEST`."""
_WHILE = timedelta(days=100)
"""As long as a quarter: what is another's for longer was not lent for a tier."""


def run(seen: Seen) -> Outcome:
    """Return each partner and month, with how likely as many late orders of others are."""
    orders = seen.query(_ORDERS)
    hurried = _hurried(orders)
    by_month = defaultdict[tuple[str, str], list[Order]](list)
    for order in orders:
        by_month[order["partner"], _month(order)].append(order)
    total = Counter((order["product"], _month(order)) for order in orders)
    late = Counter((order["product"], _month(order)) for order in orders if _is_late(order["day"]))
    alerts, tried = [], 0
    for (partner, month), mine in sorted(by_month.items()):
        foreign = [
            order
            for order in mine
            if _is_foreign(order)
            and (order["customer"], month) not in hurried
            and not seen.has_consented(order["customer"], partner)
        ]
        tried += len(foreign) >= _FEWEST
        pooled = [order for order in foreign if _is_late(order["day"])]
        if len(pooled) >= _FEWEST:
            found = Counter(order["product"] for order in pooled)
            draws = [
                Draw(found[product], drawn, late[product, month], total[product, month])
                for product, drawn in sorted(Counter(one["product"] for one in foreign).items())
            ]
            alerts.append(_alert(seen, partner, pooled, by_dealing(draws)))
    more = (_lent(seen, orders), _gathered(seen, orders))
    alerts += [alert for outcome in more for alert in outcome.alerts]
    return Outcome(tried + sum(outcome.tried for outcome in more), alerts)


def _hurried(orders: Sequence[Order]) -> set[tuple[str, str]]:
    """Return the customers and months of which their own partner's orders are late mostly too."""
    days = defaultdict[tuple[str, str], list[bool]](list)
    for order in orders:
        if not _is_foreign(order):
            days[order["customer"], _month(order)].append(_is_late(order["day"]))
    return {key for key, of in days.items() if len(of) > 1 and 2 * sum(of) >= len(of)}


def _gathered(seen: Seen, orders: Sequence[Order]) -> Outcome:
    """Return each partner with orders of customers of several, and how likely as many are.

    Not of the product of a specialist, of a house of its own, or where the customer consented.
    """
    products = specialists(orders)
    pairs = defaultdict[tuple[str, str], list[Order]](list)
    for order in orders:
        if (order["partner"], order["product"]) not in products:
            pairs[order["partner"], order["customer"]].append(order)
    foreign = {
        (partner, customer)
        for (partner, customer), of in pairs.items()
        if all(order["own"] not in ("", partner) for order in of)
        and not seen.has_consented(customer, partner)
        and not any(seen.are_one_house(partner, order["own"]) for order in of)
    }
    drawn = Counter(partner for partner, _ in pairs)
    found = Counter(partner for partner, _ in foreign)
    alerts = []
    for partner, count in sorted(found.items()):
        mine = [order for pair in sorted(foreign) if pair[0] == partner for order in pairs[pair]]
        if count >= _MANY and len({order["own"] for order in mine}) >= _FEWEST:
            height = _at_its_height(mine)
            chance = by_dealing([Draw(count, drawn[partner], len(foreign), len(pairs))])
            if height:
                alerts.append(_alert(seen, partner, height, chance))
    return Outcome(sum(count >= _MANY for count in drawn.values()), alerts)


def _at_its_height(orders: Sequence[Order]) -> list[Order]:
    """Return orders of the months with a third of the customers of that with most, or more.

    None where no month has three: projects come one by one, and a tier is made together.
    """
    customers = defaultdict[str, set[str]](set)
    for order in orders:
        customers[_month(order)].add(order["customer"])
    most = max(map(len, customers.values()))
    if most < _FEWEST:
        return []
    return [order for order in orders if 3 * len(customers[_month(order)]) >= most]


def _lent(seen: Seen, orders: Sequence[Order]) -> Outcome:
    """Return each partner that had others' orders for a while, and how likely as many are."""
    days = {(order["order_id"], order["partner"]): order for order in orders}
    lent = [
        order
        for order in orders
        if _is_foreign(order)
        and _is_lent(seen, order, days.get((order["order_id"], order["own"])))
        and not seen.has_consented(order["customer"], order["partner"])
    ]
    sold = Counter(order["partner"] for order in orders)
    found = Counter(order["partner"] for order in lent)
    alerts = []
    for partner, count in sorted(found.items()):
        if count >= _FEWEST_BACK:
            mine = [order for order in lent if order["partner"] == partner]
            chance = by_dealing([Draw(count, sold[partner], len(lent), len(orders))])
            alerts.append(_alert(seen, partner, mine, chance))
    return Outcome(len(found), alerts)


def _is_lent(seen: Seen, order: Order, as_own: Order | None) -> bool:
    """Return whether an order was its own partner's and is so again, or will be by its link."""
    if not as_own or order["last"] - order["day"] > _WHILE:
        return False
    until = seen.registered_until(order["order_id"], order["partner"])
    will_be = as_own["day"] < order["day"] and until - order["day"] <= _WHILE
    return bool(as_own["last"] > order["last"] or will_be)


def _month(order: Order) -> str:
    return str(order["day"])[:7]


def _is_foreign(order: Order) -> bool:
    return bool(order["own"] != order["partner"])


def _is_late(day: date) -> bool:
    return (day + timedelta(days=_LAST_DAYS)).month != day.month


def _alert(seen: Seen, partner: str, pooled: Sequence[Order], chance: float) -> Alert:
    names = sorted(order["order_id"] for order in pooled)
    registered = seen.registered(names, partner)
    return Alert(
        parties=(partner,),
        customers=tuple(sorted({order["customer"] for order in pooled})),
        orders=tuple(names),
        start=min(order["day"] for order in pooled),
        end=max(order["last"] for order in pooled),
        evidence=registered,
        p=chance,
        groups=tuple(group for order in pooled for group in order["groups"]),
        shows="pooled",
    )
