"""A rep moves its own direct customers under a partner; they use what they used, both are paid.

Mechanism: the rep keeps its credit and shares in the partner's rebate. What is compared: the
partners that a rep's direct customers came under, with those of all customers of the region. Were
they dealt again, would as many come under this one? Left out are customers whose usage grows under
the partner, which sold something; who agreed; and whom the partner or the customer brought, where
events say so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from fenrun.integrity.chance import Draw, by_dealing
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, REP, Seen

_DIRECT = timedelta(days=30)
"""How long a customer must have bought directly before."""
_MOST_GROWTH = Decimal("1.25")
"""Usage a day after, beside before, from which the partner sold something."""
_FEWEST = 3
_AROUND = timedelta(days=30)


@dataclass(frozen=True)
class HandedOver:
    """A direct customer of a rep that came under a partner."""

    customer: str
    rep: str
    partner: str
    region: str
    day: date
    link: str


def run(seen: Seen) -> Outcome:
    """Return each rep and partner, with how likely as many handovers are by chance."""
    moved = list(_handed_over(seen))
    to_partner, in_region = _associations(seen, moved)
    of_rep = Counter((one.region, one.rep) for one in moved)
    pairs = defaultdict[tuple[str, str], list[HandedOver]](list)
    for one in moved:
        pairs[one.rep, one.partner].append(one)
    alerts = []
    for (rep, partner), ones in sorted(pairs.items()):
        if len(ones) < _FEWEST or _has_grown(seen, ones):
            continue
        found = Counter(one.region for one in ones)
        draws = [
            Draw(count, of_rep[region, rep], to_partner[region, partner], in_region[region])
            for region, count in found.items()
        ]
        alerts.append(_alert(seen, rep, partner, ones, by_dealing(draws)))
    return Outcome(len(pairs), alerts)


def _associations(
    seen: Seen, moved: Sequence[HandedOver]
) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Return the customers of each partner by region, and of each region: those that it has had,
    and those that moved to it.
    """
    start = seen.period.span.start
    pairs = Counter((one.region, one.partner) for one in moved)
    for link in seen.links:
        is_held = link["valid_from"] < start < link["valid_to"]
        if link["of_kind"] == "customer" and link["role"] == PARTNER and is_held:
            pairs[seen.label(link["subject"], "region", start), link["party"]] += 1
    regions = Counter[str]()
    for (region, _), count in pairs.items():
        regions[region] += count
    return pairs, regions


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
        if _was_agreed(seen, customer, str(first["party"]), day):
            continue
        before = seen.holders("customer", customer, REP, day - timedelta(days=1))
        for rep in sorted(before & seen.holders("customer", customer, REP, day)):
            region = seen.label(customer, "region", day)
            partner, link_id = str(first["party"]), str(first["link_id"])
            yield HandedOver(customer, rep, partner, region, day, link_id)


def _was_agreed(seen: Seen, customer: str, partner: str, day: date) -> bool:
    """Return whether events say that the customer agreed, or who brought it was not the rep."""
    for event in seen.events_about(customer):
        happened = event["at"].date()
        is_near = day - _AROUND <= happened <= day + _AROUND
        if not is_near or event["party"] not in ("", partner):
            continue
        if event["kind"] == "consent":
            return True
        by_rep = event["actor"] in seen.reps
        if event["kind"] in ("association", "registration") and not by_rep:
            return True
    return False


def _has_grown(seen: Seen, ones: Sequence[HandedOver]) -> bool:
    """Return whether customers spend clearly more a day under the partner than before, in all."""
    before = after = Decimal(0)
    for one in ones:
        sql = """
SELECT sum(effective) FILTER (WHERE day < ?) AS before, min(day) AS first,
       sum(effective) FILTER (WHERE day >= ?) AS after, max(day) AS last
FROM sold WHERE customer = ?"""
        (row,) = seen.query(sql, [one.day, one.day, one.customer])
        before += (row["before"] or 0) / (one.day - row["first"]).days
        after += (row["after"] or 0) / max(1, (row["last"] - one.day).days + 1)
    return after > _MOST_GROWTH * before


def _alert(seen: Seen, rep: str, partner: str, ones: Sequence[HandedOver], chance: float) -> Alert:
    groups = []
    for one in ones:
        sql = "SELECT group_id FROM sold WHERE customer = ? AND partner = ? AND day >= ?"
        found = seen.query(sql, [one.customer, partner, one.day])
        groups += [row["group_id"] for row in found]
    links = [Evidence("handed-over", "links", one.link) for one in ones]
    return Alert(
        parties=tuple(sorted((rep, partner))),
        customers=tuple(sorted(one.customer for one in ones)),
        start=min(one.day for one in ones),
        end=seen.period.last_day,
        evidence=tuple(links),
        p=chance,
        groups=tuple(groups),
        shows="credited-after",
    )
