"""Entries as text for plain-text accounting: Beancount and hledger."""

from __future__ import annotations

from collections.abc import Sequence

from fenrun.base.money import plain
from fenrun.ledger.entries import Entry


def to_beancount(entries: Sequence[Entry]) -> str:
    """A Beancount file: every account opened on the day of its first posting, then the entries."""
    opened: dict[str, tuple[str, set[str]]] = {}
    for e in entries:
        for name, _ in e.postings:
            opened.setdefault(name, (str(e.day), set()))[1].add(e.currency)
    lines = [
        f"{day} open {name} {','.join(sorted(currencies))}"
        for name, (day, currencies) in sorted(opened.items(), key=lambda x: (x[1][0], x[0]))
    ]
    for e in entries:
        lines += [
            "",
            f"{e.day} * {_quoted(e.payee)} {_quoted(f'{e.kind}: {e.what}')}",
            *(f"  {name}  {plain(amount)} {e.currency}" for name, amount in e.postings),
        ]
    return "\n".join(lines) + "\n"


def to_hledger(entries: Sequence[Entry]) -> str:
    """An hledger journal: the accounts declared, then the entries."""
    names = sorted({name for e in entries for name, _ in e.postings})
    lines = [
        *(f"account {name}" for name in names),
        *(f"commodity 1000.00 {c}" for c in sorted({e.currency for e in entries})),
    ]
    for e in entries:
        lines += [
            "",
            f"{e.day} * {_line(e.payee)} | {_line(f'{e.kind}: {e.what}')}",
            *(f"    {name}  {plain(amount)} {e.currency}" for name, amount in e.postings),
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + _line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _line(text: str) -> str:
    """Text on one line, without what begins a comment or ends a payee."""
    return " ".join(text.split()).replace(";", ",").replace("|", "/")
