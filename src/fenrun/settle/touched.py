"""Accounts that may be credited otherwise where more of a book is known: one too many does no harm.

How a charge is credited follows from the links of its account, sub-account, order and resource,
from those of its customers, from the labels of these and of whoever holds a role of them, and from
who holds a role of these, step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.ids import AT
from fenrun.book.as_codes import NAMED, Book
from fenrun.book.as_of import Sources
from fenrun.charges.rows import key_of
from fenrun.credit.stored_charges import StoredCharges

Account = tuple[str, str]
"""Issuer and name."""
_LABEL = ("party", "label", "valid_from")
_OWNED = ("issuer", "subject", "party")


_key_of = lru_cache(maxsize=1 << 16)(key_of)
"""The key of an order, or the like: the same are asked for again and again."""


@dataclass
class _Subjects:
    """Subjects of which something is new."""

    accounts: set[Account] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    parties: set[str] = field(default_factory=set)
    """Parties of which a label is new, or who holds a role of them."""
    named: set[tuple[str, str, str]] = field(default_factory=set)
    """Orders, resources and sub-accounts: kind, issuer, id."""

    def add_link(self, of_kind: str, issuer: str, subject: str) -> None:
        if of_kind == "account":
            self.accounts.add((issuer, subject))
        elif of_kind == "customer":
            self.customers.add(subject)
        elif of_kind == "party":
            self.parties.add(subject)
        else:
            self.named.add((of_kind, issuer, subject))


def touched_accounts(charges: StoredCharges, book: Book, new: Sources) -> set[Account]:
    """Return the accounts of charges that `new` sources, which are part of a book, may concern."""
    found = _new_subjects(book, new)
    below = with_those_below(book, found.parties)
    of_customers = pa.array(("customer", "order", "resource"))
    held = book.held_by(below)
    held = held.filter(pc.is_in(held["of_kind"], of_customers))
    for link in _rows(held, "of_kind", "issuer", "subject"):
        found.add_link(*link)
    mine = owned(charges, book, found.customers | found.parties)
    return found.accounts | mine | charges.accounts_with(found.named)


def _new_subjects(book: Book, new: Sources) -> _Subjects:
    """Return the subjects of new facts, and of those with the same ids that they replace."""
    found = _Subjects()
    ids: set[str] = set()
    labels: set[tuple[Any, ...]] = set()
    for _, _, tables in new:
        if "links" in tables:
            ids.update(tables["links"]["link_id"].to_pylist())
        if "labels" in tables:
            labels.update(_rows(tables["labels"], *_LABEL))
    same = book.links.filter(pc.is_in(book.links["link_id"], pa.array(sorted(ids), pa.string())))
    for row in _rows(same, "of_kind", "issuer", "subject"):
        found.add_link(*row)
    found.parties.update(str(party) for party, *_ in labels)
    return found


def with_those_below(book: Book, payees: Set[str] | Sequence[str]) -> set[str]:
    """Return the payees, and all of whom they ever held a role, step by step."""
    found, new = set(payees), set(payees)
    while new:
        held = links_of_kind(book.held_by(new), "party")
        new = set(held["subject"].to_pylist()) - found
        found |= new
    return found


def with_those_above(book: Book, parties: Set[str]) -> set[str]:
    """Return the parties, and all who ever held a role of them, step by step."""
    found, rising = set(parties), set(parties)
    while rising:
        above = links_of_kind(book.links_of(rising), "party")
        rising = _parties(above) - found
        found |= rising
    return found


def near_accounts(charges: StoredCharges, book: Book, parties: Set[str]) -> set[Account]:
    """Return the accounts of which charges can be credited to the parties: issuer and account.

    Those of their customers, with all other accounts of whoever owns one of them, and those with
    charges of a named order, resource or sub-account.
    """
    held = book.held_by(parties)
    links = list(_rows(held, "of_kind", "issuer", "subject"))
    accounts = owned(charges, book, {subject for kind, _, subject in links if kind == "customer"})
    accounts |= charges.accounts_with(link for link in links if link[0] in ("order", "resource"))
    of_accounts = book.links_of(account for _, account in accounts)
    owners = {
        party
        for issuer, subject, party in _rows(links_of_kind(of_accounts, "account"), *_OWNED)
        if (issuer, subject) in accounts
    }
    owners |= _owners_of_sub_accounts(charges, book, accounts)
    return accounts | owned(charges, book, owners)


def _owners_of_sub_accounts(charges: StoredCharges, book: Book, accounts: Set[Account]) -> set[str]:
    """Return who owns a sub-account of some accounts."""
    mine = links_of_kind(book.links, "sub-account")
    inside = charges.of(accounts).keys_of("sub-account") if mine.num_rows else set()
    owners = _rows(mine, *_OWNED)
    return {party for issuer, subject, party in owners if key_of(issuer, subject) in inside}


def owned(charges: StoredCharges, book: Book, customers: Set[str]) -> set[Account]:
    """Return the accounts of some customers, and those in which they have a sub-account."""
    held = book.held_by(customers)
    accounts = set(_rows(links_of_kind(held, "account"), "issuer", "subject"))
    inside = _rows(links_of_kind(held, "sub-account"), "of_kind", "issuer", "subject")
    return accounts | charges.accounts_with(inside)


def _rows(table: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names))


def part_of_book(charges: StoredCharges, book: Book, accounts: Set[Account]) -> Book:
    """Return the part of a book by which charges of some accounts are credited.

    All links of each subject, and of whoever stands above its holders, with their labels and
    figures.
    """
    some = charges if charges.accounts == accounts else charges.of(accounts)
    links = book.links
    names = pa.array(sorted(f"{issuer}{AT}{account}" for issuer, account in accounts), pa.string())
    mine = book.links_of(account for _, account in accounts)
    subject = pc.binary_join_element_wise(mine["issuer"], mine["subject"], AT)
    found = [links_of_kind(mine, "account", pc.is_in(subject, names))]
    for kind in NAMED:
        there = links_of_kind(links, kind)
        keys = some.keys_of(kind) if there.num_rows else set()
        is_there = [_key_of(*row) in keys for row in _rows(there, "issuer", "subject")]
        found.append(there.filter(pa.array(is_there, pa.bool_())))
    customers = _parties(found[0], found[NAMED.index("sub-account") + 1])
    found.append(links_of_kind(book.links_of(customers), "customer"))
    holders = with_those_above(book, _parties(*found[1:]))
    found.append(links_of_kind(book.links_of(holders), "party"))
    parties = texts(customers | holders)
    labels, figures = (
        table.filter(pc.is_in(table["party"], parties)) for table in (book.labels, book.figures)
    )
    return Book(book.parties.slice(0, 0), pa.concat_tables(found), labels, figures, book.rates)


def links_of_kind(links: pa.Table, kind: str, also: pa.ChunkedArray | None = None) -> pa.Table:
    """Return the links of one kind of subject, of which something else may have to hold."""
    is_it = pc.equal(links["of_kind"], kind)
    return links.filter(is_it if also is None else pc.and_(is_it, also))


def _parties(*links: pa.Table) -> set[str]:
    return {party for table in links for party in table["party"].to_pylist()}


def texts(names: Set[str]) -> pa.Array:
    """Return names as an array, in order."""
    return pa.array(sorted(names), pa.string())
