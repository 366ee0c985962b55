"""Right after the vendor's own sign-up or call, a partner is associated with the customer.

Mechanism: somebody tells a partner of whom the vendor has just won. What is compared: of all
associations of a month, which follow the vendor's contact within two weeks. Were they dealt again
among the partners, would one have as many? A partner that had to do with the customer before the
contact has not poached it, nor has one to which somebody of the vendor's gives what it won, and is
on record for it; but not if who gives it works for the partner or is of its house.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fenrun.integrity.chance import Draw, by_dealing
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, REP, Seen
from fenrun.tables.latest import Known

_SOON = timedelta(days=14)
_OURS = ("sign-up", "call")
"""What the vendor does to win a customer."""
_THEIRS = ("view", "visit", "registration", "call", "sign-up", "order")
"""What shows that a partner had to do with a customer already."""
_IN_PERSON = ("call", "visit")
"""How somebody of the vendor's gives a customer to a partner."""
_FEWEST = 3


@dataclass(frozen=True)
class Association:
    """A customer that comes under a partner."""

    customer: str
    partner: str
    day: date
    link: str
    event: str
    """The vendor's contact shortly before; empty for none."""


def run(seen: Seen) -> Outcome:
    """Return each partner, with how likely as many associations after a contact are by chance."""
    all_of = list(_associations(seen))
    in_month = Counter(_month(one) for one in all_of)
    marked = Counter(_month(one) for one in all_of if one.event)
    by_partner = defaultdict[str, list[Association]](list)
    for one in all_of:
        by_partner[one.partner].append(one)
    alerts = []
    for partner, ones in sorted(by_partner.items()):
        if sum(bool(one.event) for one in ones) < _FEWEST:
            continue
        draws = []
        for month, drawn in sorted(Counter(map(_month, ones)).items()):
            found = sum(bool(one.event) for one in ones if _month(one) == month)
            draws.append(Draw(found, drawn, marked[month], in_month[month]))
        taken = [one for one in ones if one.event]
        alerts.append(_alert(seen, partner, taken, by_dealing(draws)))
    return Outcome(sum(len(ones) >= _FEWEST for ones in by_partner.values()), alerts)


def _month(one: Association) -> str:
    return f"{one.day:%Y-%m}"


def _associations(seen: Seen) -> Iterator[Association]:
    for link in seen.links:
        if link["of_kind"] != "customer" or link["role"] != PARTNER:
            continue
        if link["valid_from"] in seen.period.span:
            customer, partner, day = link["subject"], link["party"], link["valid_from"]
            contact = _contact(seen, customer, partner, day)
            yield Association(customer, partner, day, link["link_id"], contact)


def _contact(seen: Seen, customer: str, partner: str, day: date) -> str:
    """Return the vendor's contact with a customer shortly before a day; empty for none.

    None too where the partner had to do with the customer before that, or somebody of the vendor's
    calls or visits it about the partner.
    """
    contact = ""
    for event in seen.events_about(customer):
        happened = event["at"].date()
        if happened > day:
            break
        if partner in (event["actor"], event["party"]) and event["kind"] in _THEIRS:
            is_before = not contact and happened < day
            is_given = event["kind"] in _IN_PERSON and _is_of_vendor(seen, event, partner)
            if is_before or is_given:
                return ""
        is_ours = event["kind"] in _OURS and not event["party"]
        if is_ours and not contact and day - _SOON <= happened:
            contact = str(event["event"])
    return contact


def _is_of_vendor(seen: Seen, event: Known, partner: str) -> bool:
    """Return whether who acts is one of the vendor's people, and does not represent a partner."""
    actor = event["actor"]
    is_vendors = actor in seen.callers | seen.reps or seen.kinds.get(actor) == REP
    return is_vendors and not seen.represents(actor, partner, event["at"].date())


def _alert(seen: Seen, partner: str, ones: Sequence[Association], chance: float) -> Alert:
    pairs = [
        (Evidence("contacted", "events", one.event), Evidence("associated", "links", one.link))
        for one in ones
    ]
    return Alert(
        parties=(partner,),
        customers=tuple(sorted(one.customer for one in ones)),
        start=min(one.day for one in ones),
        end=seen.period.last_day,
        evidence=tuple(row for pair in pairs for row in pair),
        p=chance,
        sales=tuple((one.customer, partner, one.day) for one in ones),
        shows="credited-after",
    )
