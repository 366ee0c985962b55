"""Entries of a period as it was shown, in the formats of plain-text accounting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fenrun.closing.shown import Shown, run_of
from fenrun.ledger.entries import Entry, entries
from fenrun.ledger.text import to_beancount, to_hledger

LEDGERS: Mapping[str, Callable[[Sequence[Entry]], str]] = {
    "beancount": to_beancount,
    "hledger": to_hledger,
}
"""Formats by name, which is the ending of their files too."""


def ledger_of(shown: Shown, kind: str) -> str:
    """Return the entries of a period, as it was shown, in one of LEDGERS. Raises Refused."""
    return LEDGERS[kind](entries(run_of(shown)))
