"""Inside one customer a partner loses its share slowly, by orders registered for another.

Mechanism: an operator of the customer enters a rival's id on some orders a month; the total falls
too slowly for anybody to see. What is compared: the orders of one customer with each other. Were
the rival's orders dealt again among the customer's orders of the same product, would as many come
from one operator? That they are late as well makes it less likely still; late alone says nothing,
for a second partner that the customer chose is late too. Nor does a rival that sells all of one
product, nor one that has all orders of an operator from a day on: a department chose it, openly,
and nothing falls slowly. Where somebody else of the customer agreed, nothing is stolen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fenrun.integrity.chance import Draw, by_dealing, together
from fenrun.integrity.findings import Alert, Outcome
from fenrun.integrity.seen import Seen

Order = dict[str, Any]
_FEWEST = 4
_FEWEST_OF_ALL = 8
"""Orders of one operator from which on all of them show a choice."""
_AGREED = ("consent", "registration", "association")
_LATE_PAPER = timedelta(days=30)
"""How long after its first order what a customer agreed to is written down."""
_ORDERS = """
SELECT customer, order_id, min(day) AS day, arg_max(operator, abs(effective)) AS operator,
       arg_max(product, abs(effective)) AS product, arg_max(partner, abs(effective)) AS partner,
       arg_max(own, abs(effective)) AS own, sum(effective) AS effective,
       list(DISTINCT group_id) AS groups
FROM sold
WHERE order_id <> '' AND category <> 'Credit'
GROUP BY customer, order_id
ORDER BY customer, day, order_id"""


def run(seen: Seen) -> Outcome:
    """Return each customer and rival partner, with how likely such orders are by chance."""
    by_customer = defaultdict[str, list[Order]](list)
    for order in seen.query(_ORDERS):
        by_customer[order["customer"]].append(order)
    alerts, tried = [], 0
    for customer, orders in sorted(by_customer.items()):
        owner = Counter(order["own"] for order in orders if order["own"]).most_common(1)
        rivals = Counter(
            order["partner"]
            for order in orders
            if order["partner"] and owner and order["partner"] != owner[0][0]
        )
        for rival, count in sorted(rivals.items()):
            tried += 1
            if count >= _FEWEST and not _is_chosen(seen, customer, rival, orders):
                alerts.append(_alert(seen, customer, rival, orders))
    return Outcome(tried, alerts)


def _is_chosen(seen: Seen, customer: str, rival: str, orders: Sequence[Order]) -> bool:
    """Return whether a rival was chosen openly: all of a department's orders, or an agreement."""
    stolen = [order for order in orders if order["partner"] == rival]
    users = {order["operator"] for order in stolen}
    first = min(order["day"] for order in stolen)
    since = [order for order in orders if order["operator"] in users and order["day"] >= first]
    if len(users) == 1 and len(since) >= _FEWEST_OF_ALL and len(stolen) == len(since):
        return True  # a thief begins with few, so as not to be seen
    return any(
        event["kind"] in _AGREED
        and event["party"] == rival
        and event["actor"] not in {*users, rival}
        and event["at"].date() <= first + _LATE_PAPER
        for event in seen.events_about(customer)
    )


def _alert(seen: Seen, customer: str, rival: str, orders: Sequence[Order]) -> Alert:
    stolen = [order for order in orders if order["partner"] == rival]
    names = sorted(order["order_id"] for order in stolen)
    return Alert(
        parties=(rival,),
        customers=(customer,),
        orders=tuple(names),
        start=min(order["day"] for order in stolen),
        end=max(order["day"] for order in stolen),
        evidence=seen.registered(names, rival),
        p=_chance(rival, orders),
        groups=tuple(group for order in stolen for group in order["groups"]),
        shows="rival-order",
    )


def _chance(rival: str, orders: Sequence[Order]) -> float:
    """Return how likely a rival's orders come from one operator, and so late, by chance.

    Being late makes them less likely, but no finding where they come from many operators. As there
    are several operators who could be the one, each of them counts.
    """
    operators = sorted({order["operator"] for order in orders})
    least = min(_dealt(rival, orders, [o["operator"] == who for o in orders]) for who in operators)
    by_operator = min(1.0, least * len(operators))
    middle = sorted(order["day"] for order in orders)[len(orders) // 2]
    by_day = _dealt(rival, orders, [order["day"] >= middle for order in orders])
    return max(by_operator, together(by_operator, by_day))


def _dealt(rival: str, orders: Sequence[Order], meant: Sequence[bool]) -> float:
    """Return how likely as many of the orders that are meant are a rival's by chance.

    Its orders are dealt again among those of the same product.
    """
    draws = []
    for product in sorted({order["product"] for order in orders}):
        of = [(o, is_meant) for o, is_meant in zip(orders, meant) if o["product"] == product]
        drawn = [order for order, is_meant in of if is_meant]
        marked = sum(order["partner"] == rival for order, _ in of)
        found = sum(order["partner"] == rival for order in drawn)
        draws.append(Draw(found, len(drawn), marked, len(of)))
    return by_dealing(draws)
