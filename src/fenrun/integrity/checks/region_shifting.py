"""Growth is booked in the region that pays best, against where it is used.

Mechanism: a group registers orders under whichever of its branches has the lowest threshold. What
is compared: where an order is used (RegionId) with the region of the branch that it is registered
for. A region of use belongs to the region of branches that most of its spend is sold from, so that
a data centre that serves the whole country fits everybody alike. Were the orders that do not fit
dealt again among the branches of their region of use, would one have as many, and as late?
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fenrun.integrity.chance import Draw, as_extreme, by_dealing, dealt_again, together
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import GROUP, PARTNER, Seen

Order = dict[str, Any]
_TIMES = 1_000
_FEWEST = 4
_ORDERS = """
SELECT order_id, min(day) AS day, arg_max(customer, abs(effective)) AS customer,
       arg_max(partner, abs(effective)) AS partner, arg_max(region, abs(effective)) AS region,
       sum(effective) AS effective, list(DISTINCT group_id) AS groups
FROM sold
WHERE order_id <> '' AND partner <> '' AND region <> '' AND category <> 'Credit'
GROUP BY order_id
ORDER BY day, order_id"""


def look(seen: Seen) -> Outcome:
    """Return each branch, with how likely as many orders from elsewhere are by chance."""
    orders = [
        order | {"booked": booked}
        for order in seen.query(_ORDERS)
        if (booked := seen.label(order["partner"], "region", order["day"]))
    ]
    home = _home_of(orders)
    for order in orders:
        order["elsewhere"] = home[order["region"]] != order["booked"]
    by_partner = defaultdict[str, list[Order]](list)
    for order in orders:
        by_partner[order["partner"]].append(order)
    in_region = Counter(order["region"] for order in orders)
    elsewhere = Counter(order["region"] for order in orders if order["elsewhere"])
    alerts = []
    for partner, mine in sorted(by_partner.items()):
        moved = [order for order in mine if order["elsewhere"]]
        if len(moved) >= _FEWEST:
            draws = []
            for region, drawn in Counter(order["region"] for order in mine).items():
                found = sum(order["region"] == region for order in moved)
                draws.append(Draw(found, drawn, elsewhere[region], in_region[region]))
            chance = together(by_dealing(draws), _lateness(partner, mine))
            alerts.append(_alert(seen, partner, moved, chance))
    return Outcome(len(by_partner), alerts)


def _home_of(orders: Sequence[Order]) -> Mapping[str, str]:
    """Return the region of branches from which most orders of each region of use are sold."""
    counts = defaultdict[str, Counter[str]](Counter)
    for order in orders:
        counts[order["region"]][order["booked"]] += 1
    return {region: max(sorted(of), key=of.__getitem__) for region, of in counts.items()}


def _lateness(partner: str, mine: Sequence[Order]) -> float:
    """Return how likely the orders from elsewhere are so late among a branch's own by chance."""
    marks = np.array([order["elsewhere"] for order in mine])
    ranks = np.arange(len(mine), dtype=float)
    by_chance = dealt_again(
        lambda rng: float(ranks[rng.permutation(marks)].sum()), _TIMES, "region", partner
    )
    return as_extreme(float(ranks[marks].sum()), by_chance)


def _alert(seen: Seen, partner: str, moved: Sequence[Order], chance: float) -> Alert:
    rows = seen.rows_of(group for order in moved for group in order["groups"])
    names = sorted(order["order_id"] for order in moved)
    links = {
        link["subject"]: link["link_id"]
        for link in seen.links
        if link["of_kind"] == "order" and link["role"] == PARTNER and link["party"] == partner
    }
    registered = [Evidence("registered", "links", links[name]) for name in names if name in links]
    day = min(order["day"] for order in moved)
    return Alert(
        parties=tuple(sorted({partner, *seen.holders("party", partner, GROUP, day)})),
        customers=tuple(sorted({order["customer"] for order in moved})),
        orders=tuple(names),
        start=day,
        end=max(order["day"] for order in moved),
        evidence=(*registered, *seen.as_evidence(rows, "used-elsewhere", 5)),
        p=chance,
        rows=rows,
    )
