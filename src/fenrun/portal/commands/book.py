"""The book: who holds a customer, and what handing it over would do before it is done."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Refused
from fenrun.base.table import from_rows
from fenrun.base.when import if_bound
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.book.read import book_from
from fenrun.book.rows import Link
from fenrun.book.write import ended_link
from fenrun.portal.commands import finding
from fenrun.portal.commands.questions import ask_what_if
from fenrun.portal.models import Period
from fenrun.settle.book_in_force import KEYS
from fenrun.settle.brought import events_that_brought
from fenrun.store.facts import Store
from fenrun.whatif.open_period import EarnedWith, earned_with

ROLE = "partner"
"""The role that requests and moves are about."""


def book_of(store: Store, known: datetime | None = None) -> KnownBook:
    """Return the book as known at a moment, or as last known."""
    return KnownBook(sources_of(store.imports("book", known)))


def links_of(store: Store, customer: str) -> list[dict[str, Any]]:
    """Return a customer's links as last known, and those of its accounts.

    The book's columns; `name` of the party; `since` and `until` (None: open); the `event` that
    entered it.
    """
    imports = store.imports("book")
    book = KnownBook(sources_of(imports))
    names = book.names()
    rows = book.links_of("customer", customer) + book.links_held("customer", customer)
    rows.sort(key=lambda row: (row["role"], row["valid_from"], row["party"], row["subject"]))
    events = events_that_brought(store, imports, "links", rows, KEYS)
    for row, event in zip(rows, events):
        row["name"] = names.get(row["party"], row["party"])
        row["since"], row["until"] = if_bound(row["valid_from"]), if_bound(row["valid_to"])
        row["event"] = event
    return rows


def handed_over(book: KnownBook, customer: str, party: str, start: date) -> list[dict[str, Any]]:
    """Return the links that give a customer to a party from a day on.

    The new one, and those of the present holders with their end on that day; of later holders
    too, whose links thus never begin.
    """
    new = {"of": "customer", "subject": customer, "role": ROLE, "party": party, "from": start}
    held = [link for link in book.links_of("customer", customer) if link["role"] == ROLE]
    ended = [ended_link(link, start) for link in held if link["valid_to"] > start]
    return [new, *ended]


def preview_move(
    store: Store, customer: str, to: str, since: date, period: Period
) -> list[dict[str, Any]]:
    """Return whose pay in a period differs if a customer is a partner's from a day on.

    Settled by the same steps; nothing is kept. Rows: payee, currency, before, after, more (exact
    text).
    Raises Refused for links that the book cannot hold.
    """
    finding.refuse_unknown(store, "customer", customer, finding.CUSTOMER)
    finding.refuse_unknown(store, "to", to, finding.PARTNER)
    known = period.known.replace(tzinfo=None)
    rows = handed_over(book_of(store, known), customer, to, since)
    texts = [{key: str(value) for key, value in row.items()} for row in rows]
    book, problems = book_from({"links": list(enumerate(texts, 2))}, "what-if")
    if problems:
        raise Refused(problems)
    moved = ("what-if", known + timedelta(seconds=1), {"links": from_rows(Link, book.links)})
    return _differences(ask_what_if(period, earned_with, [moved]))


def _differences(earned: EarnedWith) -> list[dict[str, Any]]:
    """Return the payees whose amounts differ, who loses most of a currency first."""
    more = {owner: after - before for owner, (before, after) in earned.items()}
    changed = sorted((owner[1], less, owner) for owner, less in more.items() if less)
    return [
        {
            "payee": owner[0],
            "currency": currency,
            "before": plain(earned[owner][0]),
            "after": plain(earned[owner][1]),
            "more": plain(difference),
        }
        for currency, difference, owner in changed
    ]
