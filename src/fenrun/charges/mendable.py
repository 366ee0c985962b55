"""Rows that are kept aside, as they were read, so that a person can mend them.

`quarantine.parquet` has them as they came; in `mendable.parquet` dates and numbers are said in one
way, so that a row that is read again alone is read as it was in its file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.ids import short
from fenrun.base.problem import Place, refused
from fenrun.base.table import read_parquet
from fenrun.charges.coded import Numbers, Truths
from fenrun.charges.rows import COSTS, ESSENTIAL
from fenrun.charges.staged import FIRST_ROW, Moments, Staged
from fenrun.store.audit_log import Writer
from fenrun.store.facts import Import, Store

NAME = "mendable.parquet"
_ROW, _FAULTS = " row", " faults"
"""Names of columns that no source has: theirs begin without a space."""
_ABSENT = np.iinfo(np.int64).min


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


class MendableRows(Sequence[MendableRow]):
    """Rows of an import that were kept aside, in their order; each is read when it is asked for."""

    def __init__(self, table: pa.Table):
        self._table = table

    @property
    def numbers(self) -> Numbers:
        """Their numbers in the file."""
        found: Numbers = self._table[_ROW].to_numpy()
        return found

    def without(self, numbers: Collection[int]) -> MendableRows:
        """Return the rows but for those of some numbers."""
        kept = ~np.isin(self.numbers, list(numbers))
        return MendableRows(self._table.filter(pa.array(kept))) if numbers else self

    def of(self, numbers: Collection[int]) -> MendableRows:
        """Return the rows of some numbers that there are."""
        return MendableRows(self._table.filter(pa.array(np.isin(self.numbers, list(numbers)))))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, place: int) -> MendableRow: ...
    @overload
    def __getitem__(self, place: slice) -> list[MendableRow]: ...
    def __getitem__(self, place: int | slice) -> MendableRow | list[MendableRow]:
        if isinstance(place, slice):
            start, end, _ = place.indices(len(self))
            return [_row(one) for one in self._table.slice(start, max(0, end - start)).to_pylist()]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return _row(self._table.slice(place % len(self), 1).to_pylist()[0])

    def __iter__(self) -> Iterator[MendableRow]:
        for batch in self._table.to_batches(max_chunksize=1024):
            yield from map(_row, batch.to_pylist())


def _row(said: dict[str, Any]) -> MendableRow:
    number, faults = said.pop(_ROW), said.pop(_FAULTS)
    return MendableRow(number, said, json.loads(faults))


def write_mendable(staged: Staged, into: Path) -> None:
    """Write the rows that are in quarantine, if there are any."""
    if staged.quarantined is None:
        return
    places = np.flatnonzero(staged.quarantined)
    columns: dict[str, pa.Array] = {
        _ROW: pa.array(places + FIRST_ROW),
        _FAULTS: _why(staged, places),
    }
    for name in staged.source.names.values():
        firsts, codes = _firsts(staged, name, places)
        said = pa.array([_said(staged, name, int(row)) for row in places[firsts]], pa.string())
        columns[name] = pa.DictionaryArray.from_arrays(codes, said)
    pq.write_table(pa.table(columns), into / NAME, compression="zstd")


def _firsts(staged: Staged, name: str, places: Numbers) -> tuple[Numbers, Any]:
    """Return the first place of each thing that rows say in a column, and which each says."""
    if name in staged.texts:
        keys = staged.texts[name].codes[places].astype(np.int64)
    elif name in staged.moments and (text := staged.moments[name].text):
        keys = text.codes[places].astype(np.int64)
    else:
        column = staged.moments.get(name) or staged.numbers[name]
        values = column.micros if isinstance(column, Moments) else column.narrow
        if values is None:
            return np.arange(len(places)), pa.array(np.arange(len(places), dtype=np.int32))
        missing = column.missing
        keys = values[places]
        keys = keys if missing is None else np.where(missing[places], _ABSENT, keys)
    _, firsts, codes = np.unique(keys, return_index=True, return_inverse=True)
    return firsts, pa.array(codes.astype(np.int32))


def _why(staged: Staged, places: Numbers) -> pa.Array:
    """Return the columns for which each row is in quarantine, as JSON."""
    by_column: dict[str, Truths] = {}
    for name, where in _faults(staged):
        found = where[places]
        by_column[name] = by_column[name] | found if name in by_column else found
    names, rows = list(by_column), np.array([*by_column.values()]).T
    kinds, codes = np.unique(rows, axis=0, return_inverse=True)
    said = [
        json.dumps([n for n, at in zip(names, kind) if at], ensure_ascii=False) for kind in kinds
    ]
    return pa.DictionaryArray.from_arrays(pa.array(codes.reshape(-1).astype(np.int32)), said)


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


def read_mendable(item: Import) -> MendableRows:
    """Return the rows of an import that were kept aside; none of one from before they were kept."""
    path = item.folder / NAME
    if not path.is_file():
        return MendableRows(pa.table({_ROW: pa.array([], pa.int64())}))
    return MendableRows(read_parquet(path))


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
