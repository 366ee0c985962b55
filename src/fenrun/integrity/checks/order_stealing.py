"""Inside one customer a partner loses its share slowly, by orders registered for another.

Mechanism: an operator of the customer enters a rival's id on some orders a month; the total falls
too slowly for anybody to see. What is compared: the orders of one customer with each other. Were
the rival's orders dealt again among all of the customer since the first of them, would as many come
from one operator? Where they are of one product, region or account, they are dealt within it, for
that may be what a second partner was chosen for. That they are late says nothing: a second partner
is late too. Nor does one that has all orders of an operator from a day on: a department chose it,
openly, and nothing falls slowly. Where somebody else of the customer agreed, nothing is stolen.

Or the operator takes a few orders from each of several customers of one partner, whom the rival
serves besides. What is compared then: the customers whose orders a rival was registered for, by one
operator mostly, over three months or more, and none of whom consented, with all customers that have
a partner. Were those dealt again within their regions, would as many be of one partner? A
specialist sells its product to anybody's. Nobody steals in a group, whose branches share customers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
       arg_max(account || ' ' || sub_account, abs(effective)) AS account, partner,
       arg_max(own, abs(effective)) AS own, list(DISTINCT group_id) AS groups
FROM sold
WHERE order_id <> '' AND category <> 'Credit'
GROUP BY customer, order_id, partner
ORDER BY customer, day, order_id, partner"""
_FEWEST_CUSTOMERS, _MANY = 2, 5
"""Customers of one partner; and of others, to whom who sells them one product mostly is a
specialist."""
_MOSTLY = 0.5
"""The part of a rival's orders that one operator registered, from which on it is his doing."""


def run(seen: Seen) -> Outcome:
    """Return rival partners with the customers whose orders they have, and how likely that is by
    chance: of one customer, and of several of one partner.
    """
    by_customer = defaultdict[str, list[Order]](list)
    orders = seen.query(_ORDERS)
    products = specialists(orders)
    for order in orders:
        if (order["partner"], order["product"]) not in products:
            by_customer[order["customer"]].append(order)
    alerts, tried = [], 0
    for customer, orders in sorted(by_customer.items()):
        owner = _owner(orders)
        rivals = {order["partner"] for order in orders} - {"", owner}
        rivals = {rival for rival in rivals if not seen.are_related(rival, owner)}
        for rival in sorted(rivals) if owner else ():
            stolen = [order for order in orders if order["partner"] == rival]
            months = {order["day"].replace(day=1) for order in stolen}
            if len(stolen) < _FEWEST or len(months) < _FEWEST_MONTHS:
                continue  # whoever registered them, so few are not tried
            chance, least = _chance(rival, orders)
            tried += least <= UNLIKELY
            if least <= UNLIKELY and not _is_chosen(seen, customer, rival, orders):
                alerts.append(_alert(seen, rival, stolen, chance))
    of_several = _of_several(seen, by_customer)
    return Outcome(tried + of_several.tried, [*alerts, *of_several.alerts])


def _owner(orders: Sequence[Order]) -> str:
    """Return the partner that a customer has on the days of most of its orders; empty for none."""
    held = Counter(order["own"] for order in orders if order["own"]).most_common(1)
    return str(held[0][0]) if held else ""


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


def _alert(seen: Seen, rival: str, stolen: Sequence[Order], chance: float) -> Alert:
    names = sorted({order["order_id"] for order in stolen})
    return Alert(
        parties=(rival,),
        customers=tuple(sorted({order["customer"] for order in stolen})),
        orders=tuple(names),
        start=min(order["day"] for order in stolen),
        end=max(order["day"] for order in stolen),
        evidence=seen.registered(names, rival),
        p=chance,
        groups=tuple(group for order in stolen for group in order["groups"]),
        shows="rival-order",
    )


# --- within one customer ----------------------------------------------------------------------


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


# --- from several customers of one partner ----------------------------------------------------


def _of_several(seen: Seen, by_customer: Mapping[str, Sequence[Order]]) -> Outcome:
    """Return each rival and partner, with how likely as many of the rival's customers are its."""
    owner, region = {}, {}
    for customer, orders in by_customer.items():
        if held := _owner(orders):
            owner[customer] = held
            region[customer] = seen.label(customer, "region", orders[0]["day"])
    taken = defaultdict[str, dict[str, list[Order]]](dict)
    for customer in owner:
        for rival, stolen in _rivals(seen, owner[customer], by_customer[customer]):
            taken[rival][customer] = stolen
    alerts, tried = [], 0
    for rival, of in sorted(taken.items()):
        tried += len(of) >= _FEWEST_CUSTOMERS
        others = [customer for customer in owner if owner[customer] != rival]
        for victim, count in sorted(Counter(owner[customer] for customer in of).items()):
            if count < _FEWEST_CUSTOMERS or seen.are_related(rival, victim):
                continue
            mine = [customer for customer in of if owner[customer] == victim]
            stolen = [order for customer in mine for order in of[customer]]
            if not _is_slow(seen, rival, stolen):
                continue
            regions = sorted({region[customer] for customer in mine})
            near = [customer for customer in others if region[customer] in regions]
            draws = [
                _customers(of, victim, owner, [one for one in near if region[one] == of_region])
                for of_region in regions
            ]
            victims = Counter(owner[customer] for customer in near)
            several = sum(held >= _FEWEST_CUSTOMERS for held in victims.values())
            chance = min(1.0, by_dealing(draws) * several)  # any of these could have been the one
            alerts.append(_alert(seen, rival, stolen, chance))
    return Outcome(tried, alerts)


def _customers(
    taken: Mapping[str, Sequence[Order]],
    victim: str,
    owner: Mapping[str, str],
    near: Sequence[str],
) -> Draw:
    """Return how many of a region's customers whose orders are taken are a partner's."""
    its = [customer for customer in near if owner[customer] == victim]
    found, marked = (sum(customer in taken for customer in of) for of in (its, near))
    return Draw(found, len(its), marked, len(near))


def specialists(orders: Iterable[Order]) -> set[tuple[str, str]]:
    """Return the partners that sell one product to others' customers mostly, each with it: twice as
    often as anybody sells it.
    """
    usual = Counter[str]()
    pairs = set[tuple[str, str, str]]()
    for order in orders:
        usual[order["product"]] += 1
        if order["partner"] not in ("", order["own"]):
            pairs.add((order["customer"], order["partner"], order["product"]))
    found = Counter((partner, product) for _, partner, product in pairs)
    whole = Counter(partner for _, partner, _ in pairs)
    least = {product: max(_MOSTLY, 2 * count / usual.total()) for product, count in usual.items()}
    return {
        (partner, product)
        for (partner, product), count in found.items()
        if count >= _MANY and count >= least[product] * whole[partner]
    }


def _rivals(seen: Seen, owner: str, orders: Sequence[Order]) -> Iterator[tuple[str, list[Order]]]:
    """Yield the rivals that have orders of a customer which did not consent, each with those."""
    for rival in sorted({order["partner"] for order in orders} - {"", owner}):
        stolen = [order for order in orders if order["partner"] == rival != order["own"]]
        if stolen and not seen.has_consented(orders[0]["customer"], rival):
            yield rival, stolen


def _is_slow(seen: Seen, rival: str, stolen: Sequence[Order]) -> bool:
    """Return whether orders came over three months or more, by one operator mostly."""
    by = Counter(seen.registrar(order["order_id"], rival) or order["operator"] for order in stolen)
    ((_, most),) = by.most_common(1)
    months = {order["day"].replace(day=1) for order in stolen}
    return len(months) >= _FEWEST_MONTHS and most >= _MOSTLY * len(stolen)
