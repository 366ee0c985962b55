"""The book: who holds a customer, and what handing it over would do before it is done."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Refused
from fenrun.base.table import from_rows
from fenrun.base.when import OPEN_END
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.book.read import book_from
from fenrun.book.rows import Link
from fenrun.book.write import ended_link
from fenrun.portal.commands.standing import standing_of
from fenrun.portal.models import Period
from fenrun.settle.book_in_force import KEYS
from fenrun.settle.brought import events_that_brought
from fenrun.settle.standing import Earned, earned_by_payee
from fenrun.store.facts import Store

ROLE = "partner"
"""The role that requests and moves are about."""


def book_of(store: Store, known: datetime | None = None) -> KnownBook:
    """Return the book as known at a moment, or as last known."""
    return KnownBook(sources_of(store.imports("book", known)))


def links_of(store: Store, customer: str) -> list[dict[str, Any]]:
    """Return a customer's links as last known, and those of its accounts.

    The book's columns; `name` of the party; `until` (None: open); the `event` that entered it.
    """
    imports = store.imports("book")
    book = KnownBook(sources_of(imports))
    names = book.names()
    rows = book.links_of("customer", customer) + book.links_held("customer", customer)
    rows.sort(key=lambda row: (row["role"], row["valid_from"], row["party"], row["subject"]))
    events = events_that_brought(store, imports, "links", rows, KEYS)
    for row, event in zip(rows, events):
        row["name"] = names.get(row["party"], row["party"])
        row["until"] = None if row["valid_to"] == OPEN_END else row["valid_to"]
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
    known = period.known.replace(tzinfo=None)
    rows = handed_over(book_of(store, known), customer, to, since)
    texts = [{key: str(value) for key, value in row.items()} for row in rows]
    book, problems = book_from({"links": list(enumerate(texts, 2))}, "what-if")
    if problems:
        raise Refused(problems)
    moved = ("what-if", known + timedelta(seconds=1), {"links": from_rows(Link, book.links)})
    with standing_of(period) as standing:
        change = standing.with_more(book=[moved])
        before = earned_by_payee(standing.run)
        concerned = {owner: e for owner, e in before.items() if change.concerns(owner[0])}
        return _differences(concerned, change.earned())


def _differences(before: Earned, after: Earned) -> list[dict[str, Any]]:
    """Return the payees whose amounts differ, who loses most of a currency first."""
    nothing = Decimal(0)
    more = {
        owner: after.get(owner, nothing) - before.get(owner, nothing)
        for owner in before.keys() | after.keys()
    }
    changed = sorted((owner[1], less, owner) for owner, less in more.items() if less)
    return [
        {
            "payee": owner[0],
            "currency": currency,
            "before": plain(before.get(owner, nothing)),
            "after": plain(after.get(owner, nothing)),
            "more": plain(difference),
        }
        for currency, difference, owner in changed
    ]
