"""Inside one customer a partner loses its share slowly, by orders registered for another.

Mechanism: an operator of the customer enters a rival's id on some orders a month; the total falls
too slowly for anybody to see. What is compared: the orders of one customer with each other. Were
the rival's orders dealt again among the customer's orders of the same product, would as many come
from one operator, and as late? A rival that sells one product has all orders of it: that says
nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from fenrun.integrity.chance import as_extreme, dealt_again, together
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, Seen

Order = dict[str, Any]
_TIMES = 2_000
_FEWEST = 4
_ORDERS = """
SELECT customer, order_id, min(day) AS day, arg_max(operator, abs(effective)) AS operator,
       arg_max(product, abs(effective)) AS product, arg_max(partner, abs(effective)) AS partner,
       arg_max(own, abs(effective)) AS own, sum(effective) AS effective,
       list(DISTINCT group_id) AS groups
FROM sold
WHERE order_id <> '' AND category <> 'Credit'
GROUP BY customer, order_id
ORDER BY customer, day, order_id"""


def look(seen: Seen) -> Outcome:
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
            if count >= _FEWEST:
                alerts.append(_alert(seen, customer, owner[0][0], rival, orders))
    return Outcome(tried, alerts)


def _alert(seen: Seen, customer: str, owner: str, rival: str, orders: Sequence[Order]) -> Alert:
    stolen = [order for order in orders if order["partner"] == rival]
    rows = seen.rows_of(group for order in stolen for group in order["groups"])
    links = {
        link["subject"]: link["link_id"]
        for link in seen.links
        if link["of_kind"] == "order" and link["role"] == PARTNER and link["party"] == rival
    }
    names = [order["order_id"] for order in stolen]
    registered = [Evidence("registered", "links", links[name]) for name in names if name in links]
    return Alert(
        parties=(rival,),
        customers=(customer,),
        orders=tuple(sorted(names)),
        start=min(order["day"] for order in stolen),
        end=max(order["day"] for order in stolen),
        evidence=(*registered, *seen.as_evidence(rows, "rival-order", 5)),
        p=_chance(customer, rival, orders),
        rows=rows,
    )


def _chance(customer: str, rival: str, orders: Sequence[Order]) -> float:
    """Return how likely a rival's orders come from one operator, and so late, by chance."""
    marks = np.array([order["partner"] == rival for order in orders])
    products = np.unique([order["product"] for order in orders], return_inverse=True)[1]
    operators = np.unique([order["operator"] for order in orders], return_inverse=True)[1]
    ranks = np.argsort(np.argsort([order["day"].toordinal() for order in orders], kind="stable"))

    def dealt(rng: np.random.Generator) -> np.ndarray:
        found = marks.copy()
        for product in np.unique(products):
            among = np.flatnonzero(products == product)
            found[among] = marks[rng.permutation(among)]
        return found

    def operator_share(of: np.ndarray) -> float:
        return float(np.bincount(operators[of]).max())

    def lateness(of: np.ndarray) -> float:
        return float(ranks[of].sum())

    names = (customer, rival)
    by_operator = dealt_again(lambda rng: operator_share(dealt(rng)), _TIMES, "operator", *names)
    by_day = dealt_again(lambda rng: lateness(dealt(rng)), _TIMES, "day", *names)
    return together(
        as_extreme(operator_share(marks), by_operator), as_extreme(lateness(marks), by_day)
    )
