"""Inside one customer a partner loses its share slowly, by orders registered for another.

Mechanism: an operator of the customer enters a rival's id on some orders a month; the total falls
too slowly for anybody to see. What is compared: the orders of one customer with each other. Were
the rival's orders dealt again among all of the customer since the first of them, would as many come
from one operator? Where they are of one product, region or account, they are dealt within it, for
that may be what a second partner was chosen for. That they are late says nothing: a second partner
is late too. Nor does one that has all orders of an operator from a day on: a department chose it,
openly, and nothing falls slowly. Where somebody else of the customer agreed, nothing is stolen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from fenrun.integrity.chance import UNLIKELY, Draw, at_best, by_dealing
from fenrun.integrity.findings import Alert, Outcome
from fenrun.integrity.seen import Seen

Order = dict[str, Any]
_FEWEST, _FEWEST_MONTHS = 4, 3
"""Orders, and months with some: a project takes a few weeks, and nothing falls slowly by it."""
_FEWEST_OF_ALL = 5
"""Orders of one operator from which on all of them show a choice."""
_CHOSEN, _LIKELY = ("product", "region", "account"), 0.2
"""What a second partner may be chosen for, and from which chance on it was not."""
_AGREED = ("consent", "registration", "association")
_LATE_PAPER = timedelta(days=30)
"""How long after its first order what a customer agreed to is written down."""
_ORDERS = """
SELECT customer, order_id, min(day) AS day, arg_max(operator, abs(effective)) AS operator,
       arg_max(product, abs(effective)) AS product, arg_max(region, abs(effective)) AS region,
       arg_max(account || ' ' || sub_account, abs(effective)) AS account,
       arg_max(partner, abs(effective)) AS partner,
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
        partners = {order["partner"] for order in orders} - {""}
        rivals = partners - {owner[0][0]} if owner else set()
        for rival in sorted(rivals):
            stolen = [order for order in orders if order["partner"] == rival]
            months = {order["day"].replace(day=1) for order in stolen}
            if len(stolen) < _FEWEST or len(months) < _FEWEST_MONTHS:
                continue  # whoever registered them, so few are not tried
            chance, least = _chance(rival, orders)
            tried += least <= UNLIKELY
            if least <= UNLIKELY and not _is_chosen(seen, customer, rival, orders):
                alerts.append(_alert(seen, customer, rival, orders, chance))
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
        for event in (*seen.events_about(customer), *seen.events_before_merger(customer))
    )


def _alert(seen: Seen, customer: str, rival: str, orders: Sequence[Order], chance: float) -> Alert:
    stolen = [order for order in orders if order["partner"] == rival]
    names = sorted(order["order_id"] for order in stolen)
    return Alert(
        parties=(rival,),
        customers=(customer,),
        orders=tuple(names),
        start=min(order["day"] for order in stolen),
        end=max(order["day"] for order in stolen),
        evidence=seen.registered(names, rival),
        p=chance,
        groups=tuple(group for order in stolen for group in order["groups"]),
        shows="rival-order",
    )


def _chance(rival: str, orders: Sequence[Order]) -> tuple[float, float]:
    """Return how likely a rival's orders come from one operator by chance, and how unlikely that
    could be at best.

    Its orders after the first are dealt again among all after that one: within a product, region or
    account where they are of few, for these may be what was chosen. As there are several operators
    who could be the one, each of them counts.
    """
    first = next(at for at, order in enumerate(orders) if order["partner"] == rival)
    later = orders[first + 1 :]
    strata = [name for name in _CHOSEN if _of_one(rival, later, name, ())[0] <= _LIKELY]
    return _of_one(rival, later, "operator", strata)


def _of_one(
    rival: str, orders: Sequence[Order], name: str, strata: Sequence[str]
) -> tuple[float, float]:
    """Return how likely as many of a rival's orders have one value of something by chance, and how
    unlikely that could be at best.
    """
    by_stratum = defaultdict[tuple[str, ...], list[Order]](list)
    for order in orders:
        by_stratum[tuple(order[one] for one in strata)].append(order)
    values = sorted({order[name] for order in orders})
    if not values:
        return 1.0, 1.0
    each = [_draws(rival, by_stratum.values(), name, value) for value in values]
    found, best = (min(map(how, each)) * len(values) for how in (by_dealing, at_best))
    return min(1.0, found), min(1.0, best)


def _draws(rival: str, strata: Iterable[Sequence[Order]], name: str, value: str) -> list[Draw]:
    draws = []
    for orders in strata:
        drawn = [order for order in orders if order[name] == value]
        marked = sum(order["partner"] == rival for order in orders)
        found = sum(order["partner"] == rival for order in drawn)
        draws.append(Draw(found, len(drawn), marked, len(orders)))
    return draws
