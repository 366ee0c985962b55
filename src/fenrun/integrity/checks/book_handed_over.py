"""A rep moves its own direct customers under a partner; they use what they used, both are paid.

Mechanism: the rep keeps its credit and shares in the partner's rebate. What is compared: the
partners that a rep's direct customers came under, with those of all customers of the region. Were
they dealt again, would as many come under this one? And would as many of one rep come under any, of
all direct customers of the region? What came on one day from several reps was decided above them,
and is compared by itself; the firms of one owner are one. Left out are rep and partner where half
of the customers use more beside all others after, for the partner sold something; customers who
agreed; and whom the partner or the customer brought, where events say so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

import pyarrow as pa

from fenrun.integrity.chance import Draw, by_dealing, together
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, REP, Seen
from fenrun.pricing.lines import WIDE

_DIRECT = timedelta(days=30)
"""How long a customer must have bought directly before."""
_MOST_GROWTH = Decimal("1.25")
"""Usage after, beside before, from which the partner sold something: in parts of what all others
used after and before, so that seasons and prices, which are everybody's, are no growth."""
_CLEARLY = Decimal(3)
"""Growth of what was nothing before."""
_FEWEST, _MANY = 3, 5
"""Handovers of a rep to a partner; and those of a day, of as many reps, that somebody decided."""
_GROWTH = """
WITH sums AS (SELECT customer, currency, any_value(since) AS since, min(day) AS first,
                     max(last) AS last, sum(charges) AS charges,
                     sum(effective) FILTER (WHERE day < since) AS before,
                     sum(effective) FILTER (WHERE day >= since) AS after
              FROM sold JOIN since USING (customer)
              GROUP BY customer, currency),
mine AS (SELECT customer, arg_max(currency, (charges, currency)) AS currency,
                min(first) AS first, max(last) AS last
         FROM sums
         GROUP BY customer)
SELECT customer, before, after,
       sum(effective) FILTER (WHERE day < since) - any_value(coalesce(before, 0)) AS all_before,
       sum(effective) FILTER (WHERE day >= since) - any_value(coalesce(after, 0)) AS all_after
FROM mine
JOIN (SELECT customer, currency, since, before, after FROM sums) USING (customer, currency)
JOIN sold_days USING (currency)
WHERE day BETWEEN first AND last
GROUP BY ALL
ORDER BY customer"""
"""Of several currencies the one in which a customer has most charges: amounts of two do not add."""
_AROUND = timedelta(days=30)
_WON = timedelta(days=14)
"""How long after a contact a customer is one that somebody has just won."""


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
    moved = _by_decision(_without_grown(seen, _one_of_each_house(seen)))
    to_partner, in_region = _associations(seen, moved)
    of_rep = Counter((one.region, one.rep) for one in moved)
    moves = Counter(one.region for one in moved)
    direct = of_rep + _still_direct(seen)
    all_direct = Counter[str]()
    for (region, _), count in direct.items():
        all_direct[region] += count
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
        came = [
            Draw(of_rep[region, rep], direct[region, rep], moves[region], all_direct[region])
            for region in found
        ]
        chance = together(by_dealing(draws), by_dealing(came))
        alerts.append(_alert(seen, rep, partner, ones, chance))
    return Outcome(len(pairs), alerts)


def _still_direct(seen: Seen) -> Counter[tuple[str, str]]:
    """Return the customers of each rep by region that came under no partner in the period."""
    end = seen.period.last_day
    held = {
        link["subject"]
        for link in seen.links
        if link["of_kind"] == "customer" and link["role"] == PARTNER
    }
    return Counter(
        (seen.label(link["subject"], "region", end), link["party"])
        for link in seen.links
        if link["of_kind"] == "customer"
        and link["role"] == REP
        and link["valid_from"] <= end < link["valid_to"]
        and link["subject"] not in held
    )


def _by_decision(moved: Sequence[HandedOver]) -> list[HandedOver]:
    """Return handovers, those of a day on which customers of several reps came apart from others.

    That was decided above the reps: what it has in common proves nothing about one of them.
    """
    count = Counter((one.region, one.day) for one in moved)
    reps = Counter((region, day) for region, day, _ in {(o.region, o.day, o.rep) for o in moved})
    return [
        replace(one, region=f"{one.region} {one.day}")
        if count[one.region, one.day] >= _MANY and reps[one.region, one.day] >= _FEWEST
        else one
        for one in moved
    ]


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


def _one_of_each_house(seen: Seen) -> list[HandedOver]:
    """Return handovers, one of the firms of each house that came from one rep to one partner: who
    owns several firms decides once for all.
    """
    known = set[tuple[str, str, object]]()
    found = []
    for one in _handed_over(seen):
        houses = {(one.rep, one.partner, house) for house in seen.houses_of(one.customer)}
        if not houses & known:
            found.append(one)
        known |= houses
    return found


def _was_agreed(seen: Seen, customer: str, partner: str, day: date) -> bool:
    """Return whether events say that the customer agreed, or who brought it was not the rep.

    Nor is it the rep where somebody else has just won the customer, whom a partner may then poach,
    or calls about the partner: a lead is given.
    """
    for event in seen.events_about(customer):
        happened = event["at"].date()
        is_near = day - _AROUND <= happened <= day + _AROUND
        if not is_near or event["party"] not in ("", partner):
            continue
        is_won = event["kind"] in ("sign-up", "call") and day - _WON <= happened <= day
        if is_won and event["actor"] not in seen.reps:
            return True
        if event["kind"] == "consent" and not seen.represents(event["actor"], partner, happened):
            return True
        by_rep = event["actor"] in seen.reps
        is_entered = event["kind"] in ("association", "registration")
        is_brought = is_entered and event["actor"] in seen.kinds  # an operator enters for anybody
        is_given = event["kind"] == "call" and event["party"] == partner
        if (is_brought or is_given) and not by_rep:
            return True
    return False


def _without_grown(seen: Seen, moved: Sequence[HandedOver]) -> list[HandedOver]:
    """Return the handovers of those reps and partners of whose customers half do not use clearly
    more after them: of one alone a good month can be chance.
    """
    since = {one.customer: one.day for one in moved}
    columns = {
        "customer": pa.array(list(since), pa.string()),
        "since": pa.array(list(since.values()), pa.date32()),
    }
    seen.engine.load("since", pa.table(columns))
    growth = {row["customer"]: _growth(row) for row in seen.query(_GROWTH)}
    pairs = defaultdict[tuple[str, str], list[Decimal]](list)
    for one in moved:
        pairs[one.rep, one.partner].append(growth[one.customer])
    return [one for one in moved if median(pairs[one.rep, one.partner]) <= _MOST_GROWTH]


def _growth(row: Mapping[str, Decimal | None]) -> Decimal:
    """Return what a customer uses after, beside before, in parts of the same of all others."""
    before, after, all_before, all_after = (
        row[name] or Decimal(0) for name in ("before", "after", "all_before", "all_after")
    )
    if before <= 0 or all_after <= 0:
        return _CLEARLY
    return WIDE.divide(WIDE.divide(after, before) * all_before, all_after)


def _alert(seen: Seen, rep: str, partner: str, ones: Sequence[HandedOver], chance: float) -> Alert:
    links = [Evidence("handed-over", "links", one.link) for one in ones]
    return Alert(
        parties=tuple(sorted((rep, partner))),
        customers=tuple(sorted(one.customer for one in ones)),
        start=min(one.day for one in ones),
        end=seen.period.last_day,
        evidence=tuple(links),
        p=chance,
        sales=tuple((one.customer, partner, one.day) for one in ones),
        shows="credited-after",
    )
