"""A customer whose account nobody can take over: its only contacts are those of a rep who left.

Mechanism: a rep opens accounts on the own phone and mail, and keeps them when leaving: the
customer goes on paying, and nobody but the leaver can sign in, move or refund. A fact of the book:
every phone, mail and device of the customer is the leaver's and nobody else's, the job has ended,
no other rep looks after the customer, and it is charged still. Silent where the customer has one
contact of its own, or many share it, as a bookkeeper's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import EMPLOYER, REP, Seen
from fenrun.pricing.lines import WIDE
from fenrun.tables.latest import Known

_CONTACTS = ("phone", "email", "device")
_TIME_TO_HAND_OVER = timedelta(days=30)


def run(seen: Seen) -> Outcome:
    """Return the customers that can be reached by nobody but a rep who left."""
    contacts = defaultdict[str, list[Known]](list)
    owners = defaultdict[tuple[str, str], set[str]](set)
    for row in seen.identities:
        if row["kind"] in _CONTACTS:
            contacts[row["party"]].append(row)
            owners[row["kind"], row["value"]].add(row["party"])
    alerts: list[Alert] = []
    tried = 0
    for job in _ended(seen):
        tried += 1
        person, day = job["subject"], job["valid_to"]
        for customer, rows in sorted(contacts.items()):
            only = {customer, person}
            is_only = all(owners[row["kind"], row["value"]] == only for row in rows)
            if customer != person and is_only and not _is_taken_over(seen, customer, person, day):
                alerts += _alert(seen, job, customer, rows)
    return Outcome(tried, alerts)


def _ended(seen: Seen) -> Iterator[Known]:
    """Yield the last jobs of reps that ended in the period, with time enough to hand over."""
    for link in seen.links:
        if link["of_kind"] != "party" or link["role"] != EMPLOYER:
            continue
        person, end = link["subject"], link["valid_to"]
        is_over = end in seen.period.span and end + _TIME_TO_HAND_OVER <= seen.period.last_day
        if is_over and person in seen.reps:
            yield link


def _is_taken_over(seen: Seen, customer: str, person: str, left: date) -> bool:
    """Return whether another rep looks after a customer, some weeks after one has left."""
    day = left + _TIME_TO_HAND_OVER
    return bool(seen.holders("customer", customer, REP, day) - {person})


def _alert(seen: Seen, job: Known, customer: str, rows: Sequence[Known]) -> Iterator[Alert]:
    """Yield what is found, if the customer is charged after the rep left."""
    person, day = job["subject"], job["valid_to"]
    found = seen.query(
        "SELECT group_id, day, last, currency, billed FROM sold"
        " WHERE customer = ? AND day >= ? ORDER BY ALL",
        [customer, day],
    )
    if not found:
        return
    charged = defaultdict[str, Decimal](Decimal)
    for row in found:
        charged[row["currency"]] = WIDE.add(charged[row["currency"]], row["billed"])
    shared = [
        Evidence("shared", "identities", f"{party} {row['kind']} {row['value']}")
        for row in rows
        for party in (customer, person)
    ]
    yield Alert(
        parties=(person,),
        customers=(customer,),
        start=day,
        end=max(row["last"] for row in found),
        evidence=(Evidence("employed", "links", job["link_id"]), *shared),
        groups=tuple(row["group_id"] for row in found),
        shows="charged-since",
        diverted=dict(charged),
    )
