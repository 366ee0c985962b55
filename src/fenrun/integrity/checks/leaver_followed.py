"""Somebody leaves a partner for a rival, and the customers that this person served follow.

Mechanism: knowledge of prices and contracts goes along. What is compared: of all customers that
the partner had on that day, those that the leaver looked after (`representative` in the book, or
who had to do with them by the events) with all customers of partners: were those that came to the
rival dealt again among all, would as many be the leaver's? Nor may the partner explain it: its
other customers do not leave as well, or, dealt again among its own, as many are unlikely too. So a
partner that loses customers to a rival all over has no leaver to blame. Left out is whoever came
before the leaver did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from fenrun.integrity.chance import Draw, alone, by_dealing
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import EMPLOYER, PARTNER, Seen
from fenrun.tables.latest import Known

REPRESENTATIVE = "representative"
_SOON, _FOLLOWING = timedelta(days=90), timedelta(days=183)
"""How soon after a job the next begins, and how long after that a customer follows."""
_FEWEST = 2
Moved = dict[str, Known]
"""The links by which customers came to the rival, by customer."""


def run(seen: Seen) -> Outcome:
    """Return each leaver, with how likely as many of the customers followed by chance."""
    alerts, tried = [], 0
    for left, joined in _changes(seen):
        day = left["valid_to"]
        of_all = _held(seen, day - timedelta(days=1))
        held = {customer for customer, sellers in of_all.items() if left["party"] in sellers}
        served = held & _served(seen, left["subject"], day)
        tried += len(served) >= _FEWEST
        moved = _moved(seen, of_all, joined)
        followed = sorted(served & set(moved))
        if len(followed) >= _FEWEST:
            everywhere, within = (_dealt(served, moved, among) for among in (set(of_all), held))
            others = _dealt(held - served, moved, set(of_all) - served)
            chance = alone(everywhere, within, others)
            alerts.append(_alert(seen, (left, joined), moved, followed, chance))
    return Outcome(tried, alerts)


def _dealt(drawn: set[str], moved: Moved, among: set[str]) -> float:
    """Return how likely as many of some customers moved by chance, of all among whom they are."""
    marked = among & set(moved)
    return by_dealing([Draw(len(drawn & marked), len(drawn), len(marked), len(among))])


def _changes(seen: Seen) -> Iterator[tuple[Known, Known]]:
    """Yield the jobs that ended in the period, each with the next at another partner."""
    jobs = [link for link in seen.links if link["of_kind"] == "party" and link["role"] == EMPLOYER]
    partners = {party for party, kind in seen.kinds.items() if kind in ("partner", "agent")}
    for left in jobs:
        end = left["valid_to"]
        if end not in seen.period.span or left["party"] not in partners:
            continue
        for joined in jobs:
            if (
                joined["subject"] == left["subject"]
                and joined["party"] in partners - {left["party"]}
                and end <= joined["valid_from"] <= end + _SOON
            ):
                yield left, joined
                break


def _held(seen: Seen, day: date) -> dict[str, set[str]]:
    """Return the customers that have partners on a day, each with these."""
    found = defaultdict[str, set[str]](set)
    for link in seen.links:
        is_partner = link["of_kind"] == "customer" and link["role"] == PARTNER
        if is_partner and link["valid_from"] <= day < link["valid_to"]:
            found[link["subject"]].add(link["party"])
    return found


def _served(seen: Seen, person: str, day: date) -> set[str]:
    """Return the customers that somebody looked after until a day, by the book or the events."""
    by_book = {
        link["subject"]
        for link in seen.links
        if link["of_kind"] == "customer"
        and link["role"] == REPRESENTATIVE
        and link["party"] == person
        and link["valid_from"] < day
    }
    events = (row for row in seen.events if row["actor"] == person and row["at"].date() < day)
    return by_book | {row["customer"] for row in events}


def _moved(seen: Seen, held: Mapping[str, set[str]], joined: Known) -> Moved:
    """Return which customers of others came to the rival after the leaver had joined it."""
    start, rival = joined["valid_from"], joined["party"]
    found = {}
    for link in seen.links:
        if link["of_kind"] != "customer" or link["role"] != PARTNER or link["party"] != rival:
            continue
        customer, day = link["subject"], link["valid_from"]
        before = held.get(customer, set())
        is_after = start <= day <= start + _FOLLOWING
        if is_after and before and rival not in before and not before & seen.sellers(customer, day):
            found[customer] = link
    return found


def _alert(
    seen: Seen, jobs: tuple[Known, Known], moved: Moved, followed: Sequence[str], chance: float
) -> Alert:
    links = [moved[customer] for customer in followed]
    left, joined = jobs
    return Alert(
        parties=tuple(sorted({joined["party"], left["subject"]})),
        customers=tuple(followed),
        start=min(link["valid_from"] for link in links),
        end=seen.period.last_day,
        evidence=(
            *(Evidence("employed", "links", job["link_id"]) for job in jobs),
            *(Evidence("followed", "links", link["link_id"]) for link in links),
        ),
        p=chance,
        sales=tuple((link["subject"], joined["party"], link["valid_from"]) for link in links),
        shows="credited-after",
    )
