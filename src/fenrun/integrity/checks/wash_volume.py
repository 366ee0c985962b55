"""Bought and not used, or used by nobody: volume without margin that earns a rebate.

Mechanism: customers buy so that there is volume; nothing runs. What is compared: of all customers
that spend, those of whose purchases next to nothing is consumed, though time enough has passed: in
parts of what half of all customers consume of a product for as much money, of products of which
anybody consumes anything, so not of support. Were they dealt again among all partners, would one
have as many? Nor may its region explain it: its other customers there are not idle as well, or,
dealt again within it, as many are unlikely too. One or two idle customers changed their mind.

A customer that works otherwise is idle too where it bought a product ahead, by commitments or
licences, for a quarter of its money or more, and uses less than a fifth of that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from fenrun.integrity.chance import Draw, alone, by_dealing
from fenrun.integrity.findings import Alert, Outcome
from fenrun.integrity.seen import Seen

Customer = dict[str, Any]
_TIME_TO_USE = timedelta(days=60)
_FEWEST = 3
_BUSY = ("login", "order")
"""What people of a customer do that is alive."""
_LEAST_USED, _LEAST_USED_AHEAD = "0.05", "0.2"
"""The part of the usual consumption below which a customer is idle; and below which it does not use
what it bought ahead, whatever else it does."""
_MUCH = "0.25"
"""The part of its money for which a customer buys ahead, so that it counts."""
_CUSTOMERS = """
WITH bought AS (
    SELECT customer, product, currency,
           greatest(sum(billed), sum(effective)) AS money, sum(used) AS used,
           coalesce(sum(billed) FILTER (WHERE category = 'Purchase'), 0) AS ahead,
           min(day) AS first
    FROM sold
    WHERE category <> 'Credit'
      AND product IN (SELECT product FROM sold GROUP BY ALL HAVING sum(used) > 0)
    GROUP BY ALL
    HAVING greatest(sum(billed), sum(effective)) > 0),
usual AS (
    SELECT product, currency, median(used / money) FILTER (WHERE used > 0) AS rate
    FROM bought
    GROUP BY ALL),
worth AS (
    SELECT customer, currency, product, money, ahead, first,
           sum(money) OVER (PARTITION BY customer, currency) AS whole,
           coalesce(least(money, greatest(0, used) / rate), 0) AS worth
    FROM bought JOIN usual USING (product, currency)),
in_currency AS (
    SELECT customer, sum(worth) < {least} * sum(money) AS unused,
           coalesce(list(product) FILTER (WHERE 2 * ahead >= money AND money >= {much} * whole
               AND first <= DATE '{last}' AND worth < {ahead} * money), []) AS ahead
    FROM worth
    GROUP BY customer, currency),
shares AS (
    SELECT customer, bool_and(unused) AS unused, flatten(list(ahead)) AS ahead
    FROM in_currency
    GROUP BY customer)
SELECT customer, arg_max(partner, abs(effective)) AS partner, min(day) AS first, max(last) AS last,
       any_value(unused) AS unused, len(any_value(ahead)) > 0 AS unused_ahead,
       list(DISTINCT group_id) FILTER (WHERE unused OR list_contains(ahead, product)) AS groups
FROM sold JOIN shares USING (customer)
WHERE category <> 'Credit' AND product IN (SELECT product FROM usual)
GROUP BY customer
HAVING sum(billed) > 0
ORDER BY customer"""


def run(seen: Seen) -> Outcome:
    """Return each partner, with how likely as many idle customers are by chance."""
    last = seen.period.last_day - _TIME_TO_USE
    terms = {"least": _LEAST_USED, "ahead": _LEAST_USED_AHEAD, "much": _MUCH, "last": last}
    customers = [
        row
        for row in seen.query(_CUSTOMERS.format(**terms))
        if row["partner"] and row["first"] <= last
    ]
    busy = {event["customer"] for event in seen.events if event["kind"] in _BUSY}
    for row in customers:
        is_busy = row["customer"] in busy
        row["idle"] = row["unused_ahead"] or (row["unused"] and not is_busy)
        row["region"] = seen.label(row["customer"], "region", row["first"])
    by_partner = defaultdict[str, list[Customer]](list)
    for row in customers:
        by_partner[row["partner"]].append(row)
    alerts = []
    for partner, mine in sorted(by_partner.items()):
        unused = [row for row in mine if row["idle"]]
        if len(unused) >= _FEWEST:
            alerts.append(_alert(seen, partner, unused, _chance(customers, partner)))
    return Outcome(sum(len(mine) >= _FEWEST for mine in by_partner.values()), alerts)


def _chance(customers: Sequence[Customer], partner: str) -> float:
    """Return how likely as many of a partner's customers are idle by chance.

    Its regions explain it where their other customers are idle too, or where within them a partner
    has as many easily.
    """
    everywhere = by_dealing([_draw(customers, lambda row: row["partner"] == partner)])
    regions = {row["region"] for row in customers if row["partner"] == partner}
    near = [[row for row in customers if row["region"] == one] for one in sorted(regions)]
    within = by_dealing([_draw(of, lambda row: row["partner"] == partner) for of in near])
    others = [row for row in customers if row["partner"] != partner]
    nearby = by_dealing([_draw(others, lambda row: row["region"] in regions)])
    return alone(everywhere, within, nearby)


def _draw(among: Sequence[Customer], is_drawn: Callable[[Customer], bool]) -> Draw:
    """Return how many idle customers some of all have."""
    drawn = [row for row in among if is_drawn(row)]
    found = sum(row["idle"] for row in drawn)
    return Draw(found, len(drawn), sum(row["idle"] for row in among), len(among))


def _alert(seen: Seen, partner: str, unused: Sequence[Customer], chance: float) -> Alert:
    return Alert(
        parties=(partner,),
        customers=tuple(row["customer"] for row in unused),
        start=min(row["first"] for row in unused),
        end=max(row["last"] for row in unused),
        evidence=(),
        p=chance,
        groups=tuple(group for row in unused for group in row["groups"]),
        shows="unused",
    )
