"""Accounts of charges that no link of the book has: whose charges will be credited to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from fenrun.base.likeness import LookAlikes, revealed
from fenrun.base.problem import ERROR, Place, Problem
from fenrun.book.as_of import Sources, sources_of
from fenrun.charges.stored import ACCOUNT, ACCOUNTS
from fenrun.settle.touched import links_of_kind
from fenrun.store.facts import Import, Imported, Store, verified

_MOST_NAMED = 5
Account = tuple[str, str]
"""Issuer and id."""


def unlinked_accounts(imports: Sequence[Import], book: Sources) -> Iterator[Problem]:
    """Yield the accounts of imports of charges that the book links at no time, if it links any.

    One that looks like an account of the book is an error by itself: it probably is that one. Of
    issuers whose sub-accounts are linked nothing is said: these may be all that it has.
    """
    linked = set(_subjects(book, "account"))
    if not linked:
        return
    by_sub_account = {issuer for issuer, _ in _subjects(book, "sub-account")}
    files = dict[Account, str]()
    for item in sorted(imports, key=lambda item: item.seq):
        for account in _accounts(item.folder):
            files.setdefault(account, item.source)
    others = LookAlikes(sorted(linked))
    unlike = []
    for account in sorted(files.keys() - linked):
        issuer, name = account
        found = None if issuer in by_sub_account else others.nearest(account)
        if found:
            (other_issuer, other), differs = found
            values = {"account": revealed(name), "issuer": revealed(issuer), "differs": differs}
            values |= {"other": revealed(other), "other_issuer": revealed(other_issuer)}
            place = Place(files[account], 0, "BillingAccountId")
            yield Problem("account-unlinked-alike", place, values)
        elif issuer not in by_sub_account:
            unlike.append(account)
    if unlike:
        names = ", ".join(revealed(name) for _, name in unlike[:_MOST_NAMED])
        place = Place(files[unlike[0]], 0, "BillingAccountId")
        yield Problem("accounts-unlinked", place, {"count": len(unlike), "names": names})


def unlinked_of(store: Store, known: datetime, done: Sequence[Imported]) -> list[Problem]:
    """Return the accounts that look like one of the book, of charges that were imported.

    Of all charges where a book was.
    """
    new = {one.id for one in done if one.new}
    books = store.imports("book", known)
    charges = store.imports("charges", known) if new else []
    if not any(item.id in new for item in books):
        charges = [item for item in charges if item.id in new]
    found = unlinked_accounts(charges, sources_of(verified(books))) if charges else ()
    return [problem for problem in found if problem.severity == ERROR]


def _subjects(book: Sources, kind: str) -> Iterator[Account]:
    """Yield what links of a kind are of."""
    for *_, tables in book:
        if "links" in tables:
            links = links_of_kind(tables["links"], kind)
            columns = (links[name].to_pylist() for name in ("issuer", "subject"))
            yield from ((issuer or "", subject or "") for issuer, subject in zip(*columns))


def _accounts(folder: Path) -> Iterable[Account]:
    """Return the accounts of an import of charges."""
    columns = pq.read_table(folder / ACCOUNTS, columns=list(ACCOUNT))
    return zip(*(columns[name].to_pylist() for name in ACCOUNT))
