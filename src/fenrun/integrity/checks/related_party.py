"""A partner belongs to a rep, or to somebody who left a rival, and customers follow.

Mechanism: whoever decides where customers go owns, or is, who is paid for them. What is compared:
identities of the book. How much a shared one says depends on how many share it: the address of a
science park and the phone of a bookkeeper say nothing, nor do those of a house that the book
declares. Who works for a partner can be the tie. What links add up to is a posterior; it is a
finding only where customers followed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from math import exp, inf, log

from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import EMPLOYER, OWNER, PARTNER, REP, Seen
from fenrun.tables.latest import Known

_SAME = {
    "registration": 0.95,
    "bank": 0.9,
    "representative": 0.8,
    "device": 0.7,
    "phone": 0.6,
    "email": 0.6,
    "address": 0.3,
}
"""How often parties that are one and the same share a kind of identity."""
_MOST_SHARING = 50
"""Values that more parties have say nothing at all, and would make many pairs."""
_SEEN, _LEAST = 0.05, 0.9
"""How likely a tie must be by identities alone, and with the customers that followed."""
_FOLLOW = 0.5
"""How often a customer that leaves whom it was with follows to a party that is tied to that one."""
_MOST_BY_FOLLOWING = 100.0
_EMPLOYED = 0.8
"""How likely who works for a partner acts for it."""
_FEWEST_FOLLOWING = 2
"""Customers without whom a tie that identities do not show by themselves is none."""
Pair = tuple[str, str]


@dataclass(frozen=True)
class Tie:
    """Two parties that have something to do with each other."""

    posterior: float
    evidence: tuple[Evidence, ...]


def run(seen: Seen) -> Outcome:
    """Return the partners that are tied to whose customers follow to them."""
    ties = dict(_shared(seen))
    ties |= _declared(seen)
    alerts = []
    for (partner, source), tie in sorted(_of_partners(seen, ties)):
        followers = list(_followers(seen, partner, source)) if tie.posterior >= _SEEN else []
        if len(followers) >= _FEWEST_FOLLOWING or (followers and tie.posterior >= _LEAST):
            tie = _with_followers(seen, tie, partner, followers)
            if tie.posterior >= _LEAST:
                alerts.append(_alert(seen, partner, source, tie, followers))
    return Outcome(len(ties), alerts)


def _shared(seen: Seen) -> Iterator[tuple[Pair, Tie]]:
    """Yield the pairs of parties that share identities, each with how likely they are tied.

    What the same several parties share, a bookkeeper's phone and mail, has one cause: it is one
    fact, and of the pairs among them one need be tied for it.
    """
    owners = defaultdict[tuple[str, str], set[str]](set)
    with_kind = defaultdict[str, set[str]](set)
    for row in seen.identities:
        owners[row["kind"], row["value"]].add(row["party"])
        with_kind[row["kind"]].add(row["party"])
    shared = defaultdict[Pair, list[tuple[str, str]]](list)
    for value, parties in owners.items():
        if 1 < len(parties) <= _MOST_SHARING:
            for pair in combinations(sorted(parties), 2):
                shared[pair].append(value)
    parties_in_all = len({row["party"] for row in seen.identities})
    for pair, values in shared.items():
        said: dict[frozenset[str], float] = {}
        for kind, text in values:
            by_chance = (len(owners[kind, text]) - 1) / max(1, len(with_kind[kind]) - 1)
            whose = frozenset(owners[kind, text])
            pairs = len(whose) * (len(whose) - 1) / 2
            if len(whose) == 2:  # nobody else's: each identity is a fact of its own
                whose |= {f"{kind} {text}"}
            said[whose] = max(said.get(whose, -inf), log(_SAME.get(kind, 0.5) / by_chance / pairs))
        odds = log(1 / max(2, parties_in_all)) + sum(said.values())
        evidence = tuple(
            Evidence("shared", "identities", f"{party} {kind} {value}")
            for kind, value in sorted(values)
            for party in pair
        )
        yield pair, Tie(1 / (1 + exp(-odds)), evidence)


def _declared(seen: Seen) -> Mapping[Pair, Tie]:
    """Return the parties of which the book says that one owns the other."""
    found = {}
    for link in seen.links:
        if link["of_kind"] == "party" and link["role"] == OWNER:
            first, second = sorted((link["subject"], link["party"]))
            found[first, second] = Tie(1.0, (Evidence("owns", "links", link["link_id"]),))
    return found


def _of_partners(seen: Seen, ties: Mapping[Pair, Tie]) -> Iterator[tuple[Pair, Tie]]:
    """Yield the ties of each partner with a rep or a rival, itself or through a person.

    Through whom the partner shares identities, or who owns it, and who works or worked for them.
    """
    employers = defaultdict[str, list[Known]](list)
    for link in seen.links:
        if link["of_kind"] == "party" and link["role"] == EMPLOYER:
            employers[link["subject"]].append(link)
    partners = {link["party"] for link in seen.links if link["role"] == PARTNER}
    reps = {link["party"] for link in seen.links if link["role"] == REP}
    found: dict[Pair, Tie] = {}
    at_home = _at_home(ties, employers, reps | partners, seen.period.span.start)
    for partner, other, tie in (*_through(ties, partners), *at_home):
        is_rival = other in partners and not seen.are_related(partner, other)
        sources = {other: tie} if other in reps or is_rival else {}
        for job in employers[other]:
            evidence = (*tie.evidence, Evidence("employed", "links", job["link_id"]))
            sources[job["party"]] = Tie(tie.posterior, evidence)
        for source, made in sources.items():
            best = found.get((partner, source))
            if source != partner and (not best or best.posterior < made.posterior):
                found[partner, source] = made
    yield from found.items()


def _through(ties: Mapping[Pair, Tie], partners: set[str]) -> Iterator[tuple[str, str, Tie]]:
    """Yield whom each partner is tied to, directly or through one party that is no partner."""
    near = defaultdict[str, dict[str, Tie]](dict)
    for (first, second), tie in ties.items():
        near[first][second] = tie
        near[second][first] = tie
    for partner in sorted(partners & set(near)):
        for other, tie in near[partner].items():
            yield partner, other, tie
            for third, more in near[other].items() if other not in partners else ():
                if third != partner:
                    evidence = (*tie.evidence, *more.evidence)
                    yield partner, third, Tie(tie.posterior * more.posterior, evidence)


def _at_home(
    ties: Mapping[Pair, Tie],
    employers: Mapping[str, Sequence[Known]],
    sellers: set[str],
    start: date,
) -> Iterator[tuple[str, str, Tie]]:
    """Yield the reps and rivals with whom somebody who works for a partner shares identities."""
    for pair, tie in ties.items():
        for person, other in (pair, pair[::-1]):
            jobs = employers.get(person, ()) if other in sellers else ()
            for job in (job for job in jobs if job["valid_to"] > start):
                evidence = (*tie.evidence, Evidence("employed", "links", job["link_id"]))
                yield job["party"], other, Tie(_EMPLOYED * tie.posterior, evidence)


def _with_followers(seen: Seen, tie: Tie, partner: str, followers: Sequence[Known]) -> Tie:
    """Return a tie as it is after customers followed: what that says, identities alone do not.

    By chance a customer comes to a partner as often as all customers of its region do.
    """
    came = defaultdict[str, list[str]](list)
    for link in seen.links:
        if link["of_kind"] == "customer" and link["role"] == PARTNER:
            came[_region(seen, link)].append(link["party"])
    said = 1.0
    for region, count in Counter(_region(seen, link) for link in followers).items():
        by_chance = (came[region].count(partner) - count + 1) / (len(came[region]) + 1)
        said *= max(1.0, _FOLLOW / by_chance) ** count
    said = min(_MOST_BY_FOLLOWING, said)
    odds = tie.posterior / max(1e-12, 1 - tie.posterior) * said
    return Tie(odds / (1 + odds), tie.evidence)


def _region(seen: Seen, link: Known) -> str:
    return seen.label(link["subject"], "region", link["valid_from"])


def _followers(seen: Seen, partner: str, source: str) -> Iterator[Known]:
    """Yield the links by which customers came under a partner from a rep or a rival."""
    for link in seen.links:
        if link["of_kind"] != "customer" or link["role"] != PARTNER or link["party"] != partner:
            continue
        customer, day = link["subject"], link["valid_from"]
        if day not in seen.period.span:
            continue
        before = date.fromordinal(day.toordinal() - 1)
        held = seen.holders("customer", customer, REP, day) | seen.sellers(customer, before)
        if source in held:
            yield link


def _alert(seen: Seen, partner: str, source: str, tie: Tie, followers: Sequence[Known]) -> Alert:
    followed = [Evidence("followed", "links", link["link_id"]) for link in followers]
    return Alert(
        parties=tuple(sorted((partner, source))),
        customers=tuple(sorted({link["subject"] for link in followers})),
        start=min(link["valid_from"] for link in followers),
        end=seen.period.last_day,
        evidence=(*tie.evidence, *followed),
        p=1 - tie.posterior,
        sales=tuple((link["subject"], partner, link["valid_from"]) for link in followers),
        shows="credited-after",
    )
