"""Growth is booked in the region that pays best, against where it is used.

Mechanism: a group registers orders of a customer, which one of its branches sold to, for the branch
with the lowest threshold. What is compared: customers that another partner was booked for first,
and the region of the branch that their orders are now booked for with that in which they are used.
A region of use belongs to the region of branches that most of its orders are sold from, so that a
data centre that serves the whole country fits everybody alike. Were the customers that do not fit
dealt again among all that were booked anew, would this branch have as many? Only branches of one
group, parent or owner can shift; what comes from strangers is another scheme. A branch
that sells nothing any more has closed, and handed its book on; and a customer that consents moves
by its own will.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fenrun.integrity.chance import Draw, by_dealing
from fenrun.integrity.findings import Alert, Outcome
from fenrun.integrity.seen import ABOVE, Seen

Order = dict[str, Any]
_FEWEST = 3
"""Customers: two can be a family that divides its work anew."""
_HANDING_ON = timedelta(days=45)
"""How long a branch that closes goes on."""
_ORDERS = """
SELECT order_id, min(day) AS day, arg_max(customer, abs(effective)) AS customer, partner,
       arg_max(region, abs(effective)) AS region, list(DISTINCT group_id) AS groups
FROM sold
WHERE order_id <> '' AND partner <> '' AND region <> '' AND category <> 'Credit'
GROUP BY order_id, partner
ORDER BY day, order_id, partner"""


def run(seen: Seen) -> Outcome:
    """Return each branch, with how likely as many customers from elsewhere are by chance."""
    orders = [
        order | {"booked": booked}
        for order in seen.query(_ORDERS)
        if (booked := seen.label(order["partner"], "region", order["day"]))
    ]
    anew, home = list(_booked_anew(orders)), _home_of(orders)
    closed = _closed(orders, anew)
    moved = [
        order
        for order in anew
        if (order["before"], order["partner"]) not in closed
        and _is_moved(seen, order, home)
        and not seen.has_consented(order["customer"], order["partner"])
    ]
    among = {(order["customer"], order["partner"]) for order in anew}
    marked = {(order["customer"], order["partner"]) for order in moved}
    drawn = Counter(partner for _, partner in among)
    found = Counter(partner for _, partner in marked)
    alerts = []
    for partner, count in sorted(found.items()):
        if count >= _FEWEST:
            mine = [order for order in moved if order["partner"] == partner]
            chance = by_dealing([Draw(count, drawn[partner], len(marked), len(among))])
            alerts.append(_alert(seen, partner, mine, chance))
    return Outcome(sum(_has_siblings(seen, partner) for partner in drawn), alerts)


def _has_siblings(seen: Seen, partner: str) -> bool:
    """Return whether a partner is a branch: only those can shift."""
    end = seen.period.last_day
    return any(seen.holders("party", partner, role, end) for role in ABOVE)


def _booked_anew(orders: Iterable[Order]) -> Iterator[Order]:
    """Yield the orders of customers that another partner was booked for first, with that one."""
    first: dict[str, str] = {}
    for order in orders:
        before = first.setdefault(order["customer"], order["partner"])
        if before != order["partner"]:
            yield order | {"before": before}


def _home_of(orders: Iterable[Order]) -> Mapping[str, str]:
    """Return the region of branches from which most orders of each region of use are sold."""
    counts = defaultdict[str, Counter[str]](Counter)
    for order in orders:
        counts[order["region"]][order["booked"]] += 1
    return {region: max(sorted(of), key=of.__getitem__) for region, of in counts.items()}


def _is_moved(seen: Seen, order: Order, home: Mapping[str, str]) -> bool:
    """Return whether an order went to a branch of the same group in another region than its use."""
    above = [
        {above for role in ABOVE for above in seen.holders("party", who, role, order["day"])}
        | {who}
        for who in (order["before"], order["partner"])
    ]
    return bool(above[0] & above[1]) and home[order["region"]] != order["booked"]


def _closed(orders: Iterable[Order], anew: Iterable[Order]) -> set[tuple[str, str]]:
    """Return the branches, each with an heir, that sell their own customers nothing since the heir
    has them: they have handed their book on.
    """
    first_of: dict[str, str] = {}
    last: dict[str, date] = {}
    for order in orders:
        if first_of.setdefault(order["customer"], order["partner"]) == order["partner"]:
            last[order["partner"]] = order["day"]
    first: dict[tuple[str, str], date] = {}
    for order in anew:
        first.setdefault((order["before"], order["partner"]), order["day"])
    return {pair for pair, day in first.items() if last[pair[0]] < day + _HANDING_ON}


def _alert(seen: Seen, partner: str, moved: Sequence[Order], chance: float) -> Alert:
    names = sorted(order["order_id"] for order in moved)
    day = min(order["day"] for order in moved)
    return Alert(
        parties=tuple(sorted({partner, *(order["before"] for order in moved)})),
        customers=tuple(sorted({order["customer"] for order in moved})),
        orders=tuple(names),
        start=day,
        end=max(order["day"] for order in moved),
        evidence=seen.registered(names, partner),
        p=chance,
        groups=tuple(group for order in moved for group in order["groups"]),
        shows="used-elsewhere",
    )
