"""Bought and not used, or used by nobody: volume without margin that earns a rebate.

Mechanism: customers buy so that there is volume; nothing runs. What is compared: of all customers
that spend, those of whose purchases nothing is consumed, though time enough has passed; of products
of which anybody consumes anything, so not of support. Were they dealt again among all partners,
would one have as many? Nor may its region explain it: dealt again within it, they are unlikely too.
One idle customer is a customer that changed its mind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fenrun.integrity.chance import Draw, by_dealing, guarded
from fenrun.integrity.findings import Alert, Outcome
from fenrun.integrity.seen import Seen

Customer = dict[str, Any]
_TIME_TO_USE = timedelta(days=60)
_FEWEST = 2
_BUSY = ("login", "order")
"""What people of a customer do that is alive."""
_CUSTOMERS = """
SELECT customer, arg_max(partner, abs(effective)) AS partner, min(day) AS first, max(day) AS last,
       sum(billed) AS billed, sum(used) AS used, list(DISTINCT group_id) AS groups
FROM sold
WHERE category <> 'Credit'
  AND product IN (SELECT product FROM sold GROUP BY ALL HAVING sum(used) > 0)
GROUP BY customer
HAVING sum(billed) > 0
ORDER BY customer"""


def run(seen: Seen) -> Outcome:
    """Return each partner, with how likely as many idle customers are by chance."""
    end = seen.period.last_day
    customers = [
        row
        for row in seen.query(_CUSTOMERS)
        if row["partner"] and end - row["first"] >= _TIME_TO_USE
    ]
    busy = {event["customer"] for event in seen.events if event["kind"] in _BUSY}
    for row in customers:
        row["idle"] = not row["used"] and row["customer"] not in busy
        row["region"] = seen.label(row["customer"], "region", row["first"])
    among = Counter(row["region"] for row in customers)
    idle = Counter(row["region"] for row in customers if row["idle"])
    by_partner = defaultdict[str, list[Customer]](list)
    for row in customers:
        by_partner[row["partner"]].append(row)
    alerts = []
    for partner, mine in sorted(by_partner.items()):
        unused = [row for row in mine if row["idle"]]
        if len(unused) >= _FEWEST:
            draws = []
            for region, drawn in Counter(row["region"] for row in mine).items():
                found = sum(row["region"] == region for row in unused)
                draws.append(Draw(found, drawn, idle[region], among[region]))
            everywhere = Draw(len(unused), len(mine), idle.total(), among.total())
            chance = guarded(by_dealing([everywhere]), by_dealing(draws))
            alerts.append(_alert(seen, partner, unused, chance))
    return Outcome(len(by_partner), alerts)


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
