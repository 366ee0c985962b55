"""Rows that are kept aside, as they were read, so that a person can mend them one by one.

`quarantine.parquet` has them as they came; here dates and numbers are said in one way, so that a
row that is read again alone is read as it was in its file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np

from fenrun.base.ids import short
from fenrun.base.problem import Place, refused
from fenrun.charges.coded import Truths
from fenrun.charges.rows import COSTS, ESSENTIAL
from fenrun.charges.staged import FIRST_ROW, Staged
from fenrun.store.audit_log import Writer
from fenrun.store.facts import Import, Store

NAME = "mendable.json"
MOST = 500
"""Rows of a file that can be mended by hand; more are mended in the file, or by its provider."""


@dataclass(frozen=True)
class MendableRow:
    """A row that was kept aside."""

    row: int
    """Its number in the file, as a spreadsheet counts."""
    values: Mapping[str, str]
    """What it says, by column."""
    faults: Sequence[str]
    """The columns for which it was kept aside."""

    def billed(self) -> tuple[str, Decimal]:
        """Return the currency (`?` where none is said) and what the row bills."""
        try:
            amount = Decimal(self.values.get(COSTS[0], "") or 0)
        except InvalidOperation:
            amount = Decimal(0)
        return self.values.get("BillingCurrency", "") or "?", amount


@dataclass(frozen=True)
class Mended:
    """The rows of an import that others come in for, as a person mended them."""

    facts: Mapping[str, Any]
    """The import that it is `of`, the numbers of its `rows`, and what these `billed`."""
    check: Callable[[Writer], None]
    """Raises Refused where they may no longer be mended; asked while nobody else can write."""


def write_mendable(staged: Staged, into: Path) -> None:
    """Write the first MOST of the rows that are in quarantine, if there are any."""
    if staged.quarantined is None:
        return
    faults = list(_faults(staged))
    rows = np.flatnonzero(staged.quarantined)[:MOST].tolist()
    found = [
        MendableRow(
            row + FIRST_ROW,
            {name: _said(staged, name, row) for name in staged.source.names.values()},
            list(dict.fromkeys(name for name, where in faults if where[row])),
        )
        for row in rows
    ]
    said = [asdict(one) for one in found]
    (into / NAME).write_text(json.dumps(said, ensure_ascii=False), "utf-8")


def _faults(staged: Staged) -> Iterator[tuple[str, Truths]]:
    """Yield each column for which rows are in quarantine, with these rows."""
    found = [(name, staged.missing(name)) for name in ESSENTIAL]
    found += [(name, staged.unfit(name)) for name in staged.texts]
    for name in staged.moments:
        found += [(name, staged.out_of_range(name)), (name, staged.unreadable(name))]
    found.append((COSTS[0], staged.doubtful))
    return ((name, where) for name, where in found if where is not None)


def _said(staged: Staged, name: str, row: int) -> str:
    """Return what a row says in a column: a date as ISO has it, nothing where it is empty."""
    moments = staged.moments.get(name)
    text = staged.text(name, row)
    if moments is None:
        return text or ""
    if text is None and moments.text is not None and moments.text.codes[row] >= 0:
        return str(moments.text.values[moments.text.codes[row]].as_py())  # it is no date
    return f"{text.replace(' ', 'T')}Z" if text else ""


def read_mendable(item: Import) -> list[MendableRow]:
    """Return the rows of an import that were kept aside; none of one from before they were kept."""
    path = item.folder / NAME
    if not path.is_file():
        return []
    return [MendableRow(**one) for one in json.loads(path.read_text("utf-8"))]


def with_mended(store: Store, ids: Sequence[str]) -> list[str]:
    """Return ids of imports of charges, and of those in force that mend rows of one of them.

    What mends rows of a file counts beside it: where the file goes, that goes too.
    """
    items = store.imports("charges")
    more = [item.id for item in items if item.facts.get("mends", {}).get("of") in ids]
    return [*ids, *(one for one in more if one not in ids)]


def refuse_mended_meanwhile(store: Store, place: Place, ids: Sequence[str]) -> None:
    """Raise Refused where rows of an import to be replaced have been mended since that was seen."""
    if len(with_mended(store, ids)) != len(ids):
        raise refused("decided-meanwhile", place, id=short(ids[0]))
