"""A rep moves its own direct customers under a partner; they use what they used, both are paid.

Mechanism: the rep keeps its credit and shares in the partner's rebate. What is compared: of all
direct customers that came under a partner, whose went to this partner. Were they dealt again among
the reps of a region, would one rep's go to one partner as often? Customers whose usage grows under
the partner are left out: it sold something. A region with one rep says nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fenrun.integrity.chance import Draw, by_dealing
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, REP, Seen

_DIRECT = timedelta(days=30)
"""How long a customer must have bought directly before."""
_MOST_GROWTH = 1.25
"""Usage a day after, beside before, from which the partner sold something."""
_FEWEST = 2


@dataclass(frozen=True)
class HandedOver:
    """A direct customer of a rep that came under a partner."""

    customer: str
    rep: str
    partner: str
    region: str
    day: date
    link: str


def look(seen: Seen) -> Outcome:
    """Return each rep and partner, with how likely as many handovers are by chance."""
    moved = [one for one in _handed_over(seen) if not _has_grown(seen, one)]
    to_partner = Counter((one.region, one.partner) for one in moved)
    in_region = Counter(one.region for one in moved)
    of_rep = Counter((one.region, one.rep) for one in moved)
    pairs = defaultdict[tuple[str, str], list[HandedOver]](list)
    for one in moved:
        pairs[one.rep, one.partner].append(one)
    alerts = []
    for (rep, partner), ones in sorted(pairs.items()):
        if len(ones) < _FEWEST:
            continue
        found = Counter(one.region for one in ones)
        draws = [
            Draw(count, of_rep[region, rep], to_partner[region, partner], in_region[region])
            for region, count in found.items()
        ]
        alerts.append(_alert(seen, rep, partner, ones, by_dealing(draws)))
    return Outcome(len(pairs), alerts)


def _handed_over(seen: Seen) -> Iterator[HandedOver]:
    """Yield the customers that had a rep and no partner, and then a partner too, in the period."""
    links = defaultdict[str, list[Mapping[str, object]]](list)
    for link in seen.links:
        if link["of_kind"] == "customer" and link["role"] == PARTNER:
            links[link["subject"]].append(link)
    first_bought = {
        row["customer"]: row["day"]
        for row in seen.query("SELECT customer, min(day) AS day FROM sold GROUP BY customer")
    }
    for customer, of in sorted(links.items()):
        first = min(of, key=lambda link: str(link["valid_from"]))
        day = first["valid_from"]
        assert isinstance(day, date)
        bought = first_bought.get(customer)
        if day not in seen.period.span or not bought or day - bought < _DIRECT:
            continue
        before = seen.holders("customer", customer, REP, day - timedelta(days=1))
        for rep in sorted(before & seen.holders("customer", customer, REP, day)):
            region = seen.label(customer, "region", day)
            partner, link_id = str(first["party"]), str(first["link_id"])
            yield HandedOver(customer, rep, partner, region, day, link_id)


def _has_grown(seen: Seen, one: HandedOver) -> bool:
    """Return whether a customer spends clearly more a day under the partner than before."""
    sql = """
SELECT sum(effective) FILTER (WHERE day < ?) AS before, min(day) AS first,
       sum(effective) FILTER (WHERE day >= ?) AS after, max(day) AS last
FROM sold WHERE customer = ?"""
    (row,) = seen.query(sql, [one.day, one.day, one.customer])
    days_before, days_after = (one.day - row["first"]).days, (row["last"] - one.day).days + 1
    before, after = row["before"] or 0.0, row["after"] or 0.0
    if days_after < 1 or before <= 0:
        return False
    return bool(after / days_after > _MOST_GROWTH * before / days_before)


def _alert(seen: Seen, rep: str, partner: str, ones: Sequence[HandedOver], chance: float) -> Alert:
    groups = []
    for one in ones:
        sql = "SELECT group_id FROM sold WHERE customer = ? AND partner = ? AND day >= ?"
        found = seen.query(sql, [one.customer, partner, one.day])
        groups += [row["group_id"] for row in found]
    links = [Evidence("handed-over", "links", one.link) for one in ones]
    rows = seen.rows_of(groups)
    return Alert(
        parties=tuple(sorted((rep, partner))),
        customers=tuple(sorted(one.customer for one in ones)),
        start=min(one.day for one in ones),
        end=seen.period.last_day,
        evidence=(*links, *seen.as_evidence(rows, "credited-after", 5)),
        p=chance,
        rows=rows,
    )
