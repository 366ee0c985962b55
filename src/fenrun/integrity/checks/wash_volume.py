"""Bought and not used, or used by nobody: volume without margin that earns a rebate.

Mechanism: customers buy so that there is volume; nothing runs. What is compared: of all customers
that spend, those of whose purchases next to nothing is consumed, though time enough has passed: in
parts of what half of all customers consume of a product for as much money, of products of which
anybody consumes anything, so not of support. Were they dealt again among all partners, would one
have as many? Nor may its region explain it: its other customers there are not idle as well, or,
dealt again within it, as many are unlikely too. One or two idle customers changed their mind.
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
_LEAST_USED = "0.05"
"""The part of the usual consumption below which a customer is idle."""
_CUSTOMERS = """
WITH bought AS (
    SELECT customer, product, currency,
           greatest(sum(billed), sum(effective)) AS money, sum(used) AS used
    FROM sold
    WHERE category <> 'Credit'
      AND product IN (SELECT product FROM sold GROUP BY ALL HAVING sum(used) > 0)
    GROUP BY ALL
    HAVING greatest(sum(billed), sum(effective)) > 0),
usual AS (
    SELECT product, currency, median(used / money) FILTER (WHERE used > 0) AS rate
    FROM bought
    GROUP BY ALL),
shares AS (
    SELECT customer, sum(money) AS money,
           sum(least(money, greatest(0, used) / rate)) AS worth
    FROM bought JOIN usual USING (product, currency)
    GROUP BY ALL)
SELECT customer, arg_max(partner, abs(effective)) AS partner, min(day) AS first, max(last) AS last,
       any_value(coalesce(worth, 0) < {least} * money) AS unused, list(DISTINCT group_id) AS groups
FROM sold JOIN shares USING (customer)
WHERE category <> 'Credit' AND product IN (SELECT product FROM usual)
GROUP BY customer
HAVING sum(billed) > 0
ORDER BY customer"""


def run(seen: Seen) -> Outcome:
    """Return each partner, with how likely as many idle customers are by chance."""
    end = seen.period.last_day
    customers = [
        row
        for row in seen.query(_CUSTOMERS.format(least=_LEAST_USED))
        if row["partner"] and end - row["first"] >= _TIME_TO_USE
    ]
    busy = {event["customer"] for event in seen.events if event["kind"] in _BUSY}
    for row in customers:
        row["idle"] = row["unused"] and row["customer"] not in busy
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
