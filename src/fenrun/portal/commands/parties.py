"""Parties and customers: what the book says of one over time, and what a payee sees of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fenrun.base.when import if_bound
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.portal.models import Statement
from fenrun.settle.book_in_force import KEYS
from fenrun.settle.brought import events_that_brought
from fenrun.store.facts import Store

MOST = 50
"""Rows of a part of the page."""
MOST_CREDITS = 200
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class InBook:
    """The book's rows about somebody: its name, links over time with who entered them, figures."""

    name: str
    is_known: bool
    links: Rows
    held: int
    """How many links there are in all."""
    figures: Rows


def of_party(store: Store, party: str) -> InBook:
    """Return what the book says of a party: what it holds, and who holds something of it."""
    return _in_book(
        store, party, lambda book: book.links_with(party) + book.links_of("party", party)
    )


def of_customer(store: Store, customer: str) -> InBook:
    """Return what the book says of a customer: who held it, and which accounts it has."""
    return _in_book(
        store,
        customer,
        lambda book: book.links_of("customer", customer) + book.links_with(customer),
    )


def of_order(store: Store, order: str, issuer: str) -> Rows:
    """Return who has an order, and had it."""
    return _in_book(store, order, lambda book: book.links_of("order", order, issuer)).links


def _in_book(store: Store, key: str, links_in: Any) -> InBook:
    imports = store.imports("book")
    book = KnownBook(sources_of(imports))
    names = book.names()
    links = links_in(book)
    links.sort(key=lambda row: (row["valid_from"], row["role"], row["subject"]), reverse=True)
    shown = links[:MOST]
    for row, event in zip(shown, events_that_brought(store, imports, "links", shown, KEYS)):
        row["name"] = names.get(row["party"], "")
        row["subject_name"] = names.get(row["subject"], "")
        row["since"], row["until"] = if_bound(row["valid_from"]), if_bound(row["valid_to"])
        row["event"] = event
    figures = sorted(book.figures(party=key), key=lambda row: (row["valid_to"], row["figure"]))
    known = key in names or bool(links) or bool(figures)
    return InBook(names.get(key, ""), known, shown, len(links), figures[::-1][:MOST])


def credited_to(payees: Iterable[str], customer: str) -> Rows:
    """Return what of a customer is credited to payees, by month, as their statements say."""
    found = []
    statements = Statement.objects.filter(payee__in=list(payees)).order_by("-period_id", "payee")
    names = ("period_id", "payee", "currency", "customers")
    for period, payee, currency, customers in statements.values_list(*names):
        for row in customers:
            if row["customer"] == customer:
                said = {"period": period, "payee": payee, "currency": currency}
                found.append(said | row | {"name": row.get("name", "")})
    return found
