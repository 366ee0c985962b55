"""Charges that two imports both hold, told otherwise: under other names, or with other amounts.

Providers rename services, regions and sub-accounts, write ids in other capitals, and deliver a
month again with new prices. No charge of one file is then in the other, and no sum agrees. Two
things are looked at: charges that agree in account, time and what is billed, and charges that agree
in all that names them. At least half of one file's must be in the other. Equal prices are paid for
different things, so agreeing amounts must be many, or be of the same resources.

Of each import the lowest digests of both kinds are kept: enough to see how many two files share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.charges.coded import Coded, Numbers, Truths
from fenrun.charges.compared import compare_near
from fenrun.charges.decimals import Decimals
from fenrun.charges.overlaps import (
    IDENTIFYING,
    MOMENTS,
    billed_in,
    digested,
    digests_of,
    shared_rows,
)
from fenrun.charges.rows import ORDER
from fenrun.charges.staged import Charges
from fenrun.charges.stored import charges_of, read_charges
from fenrun.store.facts import Import

RENAMED, RESTATED = "renamed", "restated"
_FILE = "redelivered.parquet"
_MOST_KEPT = 1 << 14
"""Digests of a kind that are kept of an import, the lowest ones."""
_ACCOUNT = ("BillingAccountId", "BillingCurrency")
_WHEN = ("ChargePeriodStart", "ChargePeriodEnd")
_NAMING = ("ResourceId", "SkuId", "SkuPriceId", "SubAccountId", "ServiceName", ORDER)
"""The columns of which a charge must name one, or nothing tells it from others of its day."""
_HALF = 2
"""One in so many charges of the smaller file must be in the other."""
_MANY = 10
"""So many different amounts do not agree by chance."""
_FEWEST = 2
"""Charges that must agree where the same resources are named."""
_UNIQUE = 0.9
"""The part of a file's names that must be there once: else it is a part of one bill, by chance."""
_FACTOR = 2
"""Amounts that are restated are at most so many times the others; corrections are less."""


@dataclass(frozen=True)
class Redelivered:
    """The charges that two imports both hold, told otherwise."""

    one: str
    """Id of the import that came later."""
    other: str
    """Id of the import that came before it."""
    kind: str
    """RENAMED or RESTATED."""
    rows: int
    columns: Sequence[str]
    """In which columns they differ, where they are renamed."""
    billed: Mapping[str, str]
    """BilledCost of the later one by currency, as exact text."""
    other_billed: Mapping[str, str]


def write_redelivered(folder: Path, charges: Charges) -> None:
    """Write the lowest digests of an import's charges beside them."""
    pq.write_table(_lowest(charges), folder / _FILE, compression="zstd")


def _lowest(charges: Charges) -> pa.Table:
    side = _Side(charges)
    kept = [_least(side.named[side.is_named]), _least(side.paid[side.is_billed])]
    kinds = np.repeat(np.array([0, 1], np.int8), [len(one) for one in kept])
    return pa.table({"kind": kinds, "digest": np.concatenate(kept)})


def _least(digests: Any) -> Numbers:
    """Return the lowest of some digests, each once, sorted."""
    if len(digests) > 4 * _MOST_KEPT:
        digests = np.partition(digests, 4 * _MOST_KEPT)[: 4 * _MOST_KEPT]
    found: Numbers = (np.unique(digests)[:_MOST_KEPT] >> np.uint64(1)).astype(np.int64)
    return found


def _kept(item: Import) -> list[Numbers]:
    """Return the lowest digests of an import; of one from before they were kept, made anew."""
    path = item.folder / _FILE
    table = pq.read_table(path) if path.is_file() else _lowest(_charges(item))
    kinds, digests = (table[name].to_numpy() for name in ("kind", "digest"))
    return [digests[kinds == kind] for kind in (0, 1)]


def _charges(item: Import) -> Charges:
    return charges_of(read_charges(item.folder, item.id))


class _Side:
    """The charges of one import, by what names them and by what they bill."""

    def __init__(self, charges: Charges):
        self.charges = charges
        self.named = digested(charges, IDENTIFYING, MOMENTS, ())
        self.paid = digested(charges, _ACCOUNT, _WHEN, ("BilledCost",))
        self.is_billed = Decimals(charges.columns["BilledCost"]).other & ~self._is_correction

    @property
    def _is_correction(self) -> Truths:
        column = self.charges.columns.get("ChargeClass")
        if not isinstance(column, Coded):
            return np.zeros(len(self.charges.row_no), np.bool_)
        codes = [n for n, text in enumerate(column.values.to_pylist()) if text == "Correction"]
        found: Truths = np.isin(column.codes, codes)
        return found

    @property
    def is_named(self) -> Truths:
        """The rows that bill something and say what."""
        found: Truths = np.zeros(len(self.is_billed), np.bool_)
        for column in map(self.charges.columns.get, _NAMING):
            if isinstance(column, Coded):
                found |= column.codes >= 0
        return found & self.is_billed

    @cached_property
    def resources(self) -> tuple[Any, Truths]:
        """Digests of what is billed for which resource, capitals aside; and which rows name one."""
        column = self.charges.columns.get("ResourceId")
        if not isinstance(column, Coded):
            return self.paid, np.zeros(len(self.paid), np.bool_)
        lower = Coded(column.codes, pc.utf8_lower(column.values))
        charges = replace(self.charges, columns={**self.charges.columns, "ResourceId": lower})
        digests = digested(charges, (*_ACCOUNT, "ResourceId"), _WHEN, ("BilledCost",))
        return digests, self.is_billed & (column.codes >= 0)

    def amounts(self, rows: Numbers) -> Decimals:
        """Return what some rows bill."""
        billed: Any = self.charges.columns["BilledCost"]
        return Decimals(billed.take(pa.array(rows)))

    def values(self, name: str, rows: Numbers) -> set[Any]:
        """Return the values of a column in some rows."""
        column = self.charges.columns.get(name)
        if column is None:
            return {None}
        if isinstance(column, Coded):
            rows = np.unique(column.codes[rows])
        there: Any = column.values if isinstance(column, Coded) else column
        return set(there.take(pa.array(rows, mask=rows < 0)).unique().to_pylist())


def find_redelivered(imports: Sequence[Import], cache: Path | None = None) -> list[Redelivered]:
    """Return what imports share with those before them, told otherwise, in the log's order.

    What is found of an import and those before it is kept in a `cache`, a folder.
    """
    return compare_near(imports, _may_share, _found, cache, Redelivered)


def _may_share(one: Import, other: Import) -> bool:
    """Return whether two imports can bill an account for the same days, and are no mended rows."""
    mine, theirs = one.facts, other.facts
    same, others = mine.get("same", {}), theirs.get("same", {})
    named = [name for name in _ACCOUNT if name in same and name in others]
    is_same = all(same[name] == others[name] for name in named)
    ends = [(facts["first_start"], facts["last_start"]) for facts in (mine, theirs)]
    is_mended = "mends" in mine or "mends" in theirs
    return is_same and not is_mended and ends[0][0] <= ends[1][1] and ends[1][0] <= ends[0][1]


def _found(imports: Sequence[Import], asked: Sequence[Import]) -> list[Redelivered]:
    kept = {item.id: _kept(item) for item in imports}
    is_asked = {item.id for item in asked}
    found = list[Redelivered]()
    for place, one in enumerate(imports):
        for other in imports[:place]:
            if one.id not in is_asked or not _may_share(one, other):
                continue
            pairs = zip(kept[one.id], kept[other.id])
            if any(_agree(mine, theirs) for mine, theirs in pairs):
                found += _compared(one, other)
    return found


def _agree(mine: Numbers, theirs: Numbers) -> bool:
    """Return whether half of the lowest digests of the smaller import are of the other too."""
    full = [int(one[-1]) for one in (mine, theirs) if len(one) == _MOST_KEPT]
    if full:
        mine, theirs = mine[mine <= min(full)], theirs[theirs <= min(full)]
    fewer = min(len(mine), len(theirs))
    common = len(np.intersect1d(mine, theirs, assume_unique=True))
    return common >= _FEWEST and common * _HALF >= fewer


def _compared(one: Import, other: Import) -> Iterator[Redelivered]:
    """Yield how the charges of two imports are alike, once at most."""
    mine, theirs = _Side(_charges(one)), _Side(_charges(other))
    if len(shared_rows(digests_of(mine.charges), digests_of(theirs.charges))):
        return  # told by the charges that both hold
    for kind, rows, others in (*_restated(mine, theirs), *_renamed(mine, theirs)):
        columns = [
            name
            for name in (*IDENTIFYING, *MOMENTS)
            if kind == RENAMED and mine.values(name, rows) != theirs.values(name, others)
        ]
        sums = billed_in(mine.charges, rows), billed_in(theirs.charges, others)
        yield Redelivered(one.id, other.id, kind, len(rows), columns, *sums)
        return


def _renamed(mine: _Side, theirs: _Side) -> Iterator[tuple[str, Numbers, Numbers]]:
    """Yield the rows of both that bill the same amounts for the same time, if they are enough."""
    sides = (mine.paid, mine.is_billed), (theirs.paid, theirs.is_billed)
    rows, others = shared_rows(*sides), shared_rows(*sides[::-1])
    if len(rows) * _HALF < min(np.count_nonzero(side[1]) for side in sides) or not len(rows):
        return
    different = len(mine.amounts(rows).array.unique())
    same = shared_rows(mine.resources, theirs.resources)
    is_one = different >= _FEWEST and len(same) * _HALF >= len(rows)
    if different >= _MANY or is_one:
        yield RENAMED, rows, others


def _restated(mine: _Side, theirs: _Side) -> Iterator[tuple[str, Numbers, Numbers]]:
    """Yield the rows of both that are named alike and bill other amounts, if they are enough."""
    sides = (mine.named, mine.is_named), (theirs.named, theirs.is_named)
    unique = [np.unique(named[billed]) for named, billed in sides]
    counts = [np.count_nonzero(billed) for _, billed in sides]
    if any(len(one) < _UNIQUE * count for one, count in zip(unique, counts)):
        return
    common = np.intersect1d(unique[0], unique[1], assume_unique=True)
    if len(common) < _FEWEST or len(common) * _HALF < min(map(len, unique)):
        return
    rows, others = (np.flatnonzero(np.isin(named, common) & billed) for named, billed in sides)
    sums = [np.nansum(mine.amounts(rows).doubles), np.nansum(theirs.amounts(others).doubles)]
    if sums[1] and 1 / _FACTOR <= sums[0] / sums[1] <= _FACTOR:
        yield RESTATED, rows, others
