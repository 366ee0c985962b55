"""Accounts of charges that the book does not have: said at import and in check."""

from __future__ import annotations

from pathlib import Path

from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import import_file
from fenrun.settle.unlinked import unlinked_of
from fenrun.store.facts import Imported, Store
from tests.settle.test_kinds import BOOK, HEAD, KNOWN, row

ALIKE, UNLIKE = "account-unlinked-alike", "accounts-unlinked"
SUB = "  - {of: sub-account, issuer: Acme, subject: S1, role: customer, party: K1}\n"
CASES = {
    # The accounts of charges, what is put at the end of the book, and what is said.
    "its own": (["A1"], "", []),
    "other capitals": (["A1", "a1"], "", [ALIKE]),
    "another width": (["Ａ1"], "", [ALIKE]),
    "another": (["B7", "A1", "C9"], "", [UNLIKE]),
    "both": (["B7", "a1"], "", [UNLIKE, ALIKE]),
    "sub-accounts that are linked": (["B7", "a1"], SUB, []),
}


def _said(store: Store) -> list[str]:
    return sorted(p.code for p in check_workspace(store) if p.code in (ALIKE, UNLIKE))


def _import(store: Store, folder: Path, accounts: list[str], book: str) -> list[Imported]:
    charges, file = folder / "charges.csv", folder / "book.yaml"
    charges.write_text(HEAD + "".join(row(f"{n}.00", account=a) for n, a in enumerate(accounts, 1)))
    file.write_text(book)
    return [import_file(store, path, KNOWN) for path in (charges, file)]


def test_accounts_that_no_link_has_are_said(tmp_path: Path) -> None:
    for case, (accounts, links, codes) in CASES.items():
        folder = tmp_path / case
        folder.mkdir()
        store = Store(folder / "ws")
        charges, book = _import(store, folder, accounts, BOOK + links)
        assert _said(store) == sorted(codes), case
        wanted = [ALIKE] if ALIKE in codes else []
        for done in ([charges], [book]):
            assert [p.code for p in unlinked_of(store, KNOWN, done)] == wanted, case


def test_without_a_book_nothing_is_said_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    _import(store, tmp_path, ["a1"], "parties: [{party: K1, kind: customer}]\n")
    assert _said(store) == []
