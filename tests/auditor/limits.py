"""The auditor's account of a plan's limits: which links of the book it lets stand, and how long.

One subject and role after the other, one link after the other, in the order in which they begin.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from fenrun.book.rows import Link
from fenrun.plan.rows import Terms
from tests.auditor.auditor import NEVER, Book, shifted


def limited(book: Book, terms: Terms) -> Book:
    """The book with those links that the limits of a plan leave."""
    links = sorted(book.links, key=lambda link: (link.valid_from, link.link_id))
    if terms.registration_days or terms.open_registrations:
        links = _registered(links, terms)
    if terms.first_come:
        links = [left for group in _by_role(links) for left in _first_come(group)]
    if terms.cooldown_months:
        links = [
            left
            for group in _by_role(links)
            for left in (
                _cooled(group, terms.cooldown_months) if group[0].of_kind == "customer" else group
            )
        ]
    return book.with_links(links)


def _by_role(links: list[Link]) -> list[list[Link]]:
    """Links to one subject in one role together, each group in the order of the links."""
    found: dict[tuple[str, str, str, str], list[Link]] = defaultdict(list)
    for link in links:
        found[link.of_kind, link.issuer, link.subject, link.role].append(link)
    return list(found.values())


def _registered(links: list[Link], terms: Terms) -> list[Link]:
    """Registrations of orders end in time, and there are not too many open ones of a party."""
    kept: list[Link] = []
    for link in links:
        if link.of_kind != "order":
            kept.append(link)
            continue
        is_open = [
            one
            for one in kept
            if (one.of_kind, one.party) == ("order", link.party) and one.valid_to > link.valid_from
        ]
        if terms.open_registrations and len(is_open) >= terms.open_registrations:
            continue
        if terms.registration_days:
            last = link.valid_from + timedelta(days=terms.registration_days)
            link = replace(link, valid_to=min(link.valid_to, last))
        kept.append(link)
    return kept


def _first_come(links: list[Link]) -> list[Link]:
    """Each link stands for the first days on which there is room beside all that began before."""
    if links[0].of_kind not in ("customer", "order", "resource"):
        return links
    stands: list[tuple[date, Link]] = []
    for link in links:
        before = [one for since, one in stands if since < link.valid_from]
        turns = {link.valid_from, *(d for one in before for d in (one.valid_from, one.valid_to))}
        days = [day for day in sorted(turns) if link.valid_from <= day < link.valid_to]
        has_room = [_taken(before, day) + link.share <= 1 for day in days]
        if True not in has_room:
            continue
        first = has_room.index(True)
        last = has_room.index(False, first) if False in has_room[first:] else None
        end = link.valid_to if last is None else days[last]
        left = replace(link, valid_from=days[first], valid_to=end)
        stands.append((link.valid_from, left))
    return [left for _, left in stands]


def _taken(links: list[Link], day: date) -> Decimal:
    """How much of a role is held on a day."""
    held = (link.share for link in links if link.valid_from <= day < link.valid_to)
    return sum(held, Decimal(0))


def _cooled(links: list[Link], months: int) -> list[Link]:
    """A holder goes only so long after the last one went; meanwhile it stays, alone."""
    kept: list[Link] = []
    gone: date | None = None
    alone: tuple[str, date] | None = None
    for number, link in enumerate(links):
        if alone and link.party != alone[0] and link.valid_from < alone[1]:
            continue
        later, end = links[number + 1 :], link.valid_to
        goes_on = any(
            one.party == link.party and one.valid_from <= end < one.valid_to for one in later
        )
        if end < NEVER and not goes_on:
            if gone and end < shifted(gone, months):
                alone = (link.party, shifted(gone, months))
                after = [one.valid_from for one in later if one.valid_from >= alone[1]]
                end = min(after, default=NEVER)
            gone = gone if end == NEVER else end
        kept.append(replace(link, valid_to=end))
    return kept
