"""Charges that two imports both hold, told otherwise: other names, other amounts, another zone.

Providers rename services, regions and sub-accounts, write ids in other capitals, and deliver a
month again with new prices. No charge of one file is then in the other, and no sum agrees. Two
things are looked at: charges that agree in account, time and what is billed, and charges that agree
in all that names them. At least half of one file's must be in the other. Equal prices are paid for
different things, so agreeing amounts must be many, or be of the same resources.

A bill comes in two zones too: the same is looked at with all times of one file hours later. Charges
that are named alike and bill other amounts are then those of a day or more, put together by other
days.

Of each import the lowest digests of each kind are kept: enough to see how many two files share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.likeness import skeleton
from fenrun.charges.coded import Coded, Numbers, Truths, coded, micros_of, replaced
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
from fenrun.charges.shifts import MOST, Begun, begun, mixed, shift_of, shifts_of
from fenrun.charges.staged import Charges
from fenrun.charges.stored import ACCOUNTS, charges_of, read_charges
from fenrun.store.facts import Import

RENAMED, RESTATED, SHIFTED = "renamed", "restated", "shifted"
_FILE = "redelivered.parquet"
_MOST_KEPT = 1 << 14
"""Digests of a kind that are kept of an import, the lowest ones."""
_MOST_BEGUN = 1 << 11
"""Charges of a kind of which an import keeps the beginning too, those of the lowest digests."""
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
_LONG = 12 * 3600 * 1_000_000
"""Microseconds of the shortest charge that is one of a day, and other in another zone."""
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
    """RENAMED, RESTATED or SHIFTED."""
    rows: int
    columns: Sequence[str]
    """In which columns they differ, where they are renamed."""
    billed: Mapping[str, str]
    """BilledCost of the later one by currency, as exact text."""
    other_billed: Mapping[str, str]
    minutes: int = 0
    """By how many the charges of the later one begin before those of the other."""


def write_redelivered(folder: Path, charges: Charges) -> None:
    """Write the lowest digests of an import's charges beside them."""
    pq.write_table(_lowest(charges), folder / _FILE, compression="zstd")


def _lowest(charges: Charges) -> pa.Table:
    side = _Side(charges)
    kept = [_least(side.named[side.is_named]), _least(side.paid[side.is_billed])]
    kept_begun = [_least_begun(one, side.starts[rows]) for one, rows in side.timeless()]
    lengths = [len(one) for one in kept], [len(one.digests) for one in kept_begun]
    kinds = np.repeat(np.arange(5, dtype=np.int8), [*lengths[0], *lengths[1]])
    starts = [np.zeros(sum(lengths[0]), np.int64), *(one.starts for one in kept_begun)]
    digests = [*kept, *(one.digests for one in kept_begun)]
    columns = {"digest": np.concatenate(digests), "start": np.concatenate(starts)}
    return pa.table({"kind": kinds, **columns})


def _least(digests: Any) -> Numbers:
    """Return the lowest of some digests, each once, sorted."""
    if len(digests) > 4 * _MOST_KEPT:
        digests = np.partition(digests, 4 * _MOST_KEPT)[: 4 * _MOST_KEPT]
    found: Numbers = (np.unique(digests)[:_MOST_KEPT] >> np.uint64(1)).astype(np.int64)
    return found


def _least_begun(digests: Any, starts: Numbers) -> Begun:
    """Return the charges of the lowest of some digests."""
    if len(digests) > 4 * _MOST_BEGUN:
        some = np.flatnonzero(digests <= np.partition(digests, _MOST_BEGUN)[_MOST_BEGUN])
        digests, starts = digests[some], starts[some]
    found = begun((digests >> np.uint64(1)).astype(np.int64), starts)
    return Begun(found.digests[:_MOST_BEGUN], found.starts[:_MOST_BEGUN])


@dataclass(frozen=True)
class _Kept:
    """The digests that are kept of an import, each kind in its order."""

    told: list[Numbers]
    """The lowest digests of what names charges, and of what they bill, with their times."""
    timeless: list[Begun]
    """Charges by digests without their times: see `_Side.timeless`."""


def _kept(item: Import) -> _Kept:
    """Return the digests kept of an import; of one from before they were kept, made anew."""
    path = item.folder / _FILE
    table = pq.read_table(path) if path.is_file() else None
    table = table if table and "start" in table.schema.names else _lowest(_charges(item))
    kinds, digests, starts = (table[name].to_numpy() for name in ("kind", "digest", "start"))
    found = [Begun(digests[kinds == kind], starts[kinds == kind]) for kind in range(5)]
    return _Kept([one.digests for one in found[:2]], found[2:])


def _charges(item: Import) -> Charges:
    return charges_of(read_charges(item.folder, item.id))


class _Side:
    """The charges of one import, by what names them and by what they bill."""

    def __init__(self, charges: Charges):
        self.charges = charges
        self.names = digested(charges, IDENTIFYING, (), ())
        self.named = digested(charges, (), MOMENTS, (), self.names)
        self.accounts = digested(charges, _ACCOUNT, (), ())
        self.paid = digested(charges, (), _WHEN, ("BilledCost",), self.accounts)
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

    @property
    def names_resource(self) -> Truths:
        """The rows that name a resource."""
        column = self.charges.columns.get("ResourceId")
        if isinstance(column, Coded):
            return column.codes >= 0
        return np.zeros(len(self.paid), np.bool_)

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

    @cached_property
    def starts(self) -> Numbers:
        """The beginnings, in microseconds of 1970."""
        found = micros_of(self.charges.columns[_WHEN[0]])
        assert found is not None
        return found

    @cached_property
    def ends(self) -> Numbers:
        """The ends, in microseconds of 1970; where there is none, or before it, the beginning."""
        found = micros_of(self.charges.columns.get(_WHEN[1]))
        return self.starts if found is None else np.maximum(found, self.starts)

    @cached_property
    def is_long(self) -> Truths:
        """The rows of a day or more that bill something and say what."""
        found: Truths = self.is_named & (self.ends - self.starts >= _LONG)
        return found

    def timeless(self) -> Iterator[tuple[Any, Truths]]:
        """Yield digests without times, and the rows that are meant.

        Of what names a charge and is billed, of what is billed, and of what names one of a day.
        """
        for digests, rows in (
            (digested(self.charges, (), (), ("BilledCost",), self.names), self.is_billed),
            (digested(self.charges, (), (), ("BilledCost",), self.accounts), self.is_billed),
            (self.names, self.is_long),
        ):
            yield (digests if rows.all() else digests[rows]), rows

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
    is_mended = "mends" in mine or "mends" in theirs
    if not is_same or is_mended:
        return False
    (first, last), (others_first, others_last) = map(_begins, (mine, theirs))
    return first <= others_last and others_first <= last


def _begins(facts: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return when the first and the last charge begin, by half of what zones differ around."""
    around = timedelta(microseconds=MOST) / 2
    first, last = (datetime.fromisoformat(facts[name]) for name in ("first_start", "last_start"))
    return max(first, datetime.min + around) - around, min(last, datetime.max - around) + around


def _found(imports: Sequence[Import], asked: Sequence[Import]) -> list[Redelivered]:
    kept = {item.id: _kept(item) for item in imports}
    is_asked = {item.id for item in asked}
    found = list[Redelivered]()
    for place, one in enumerate(imports):
        for other in imports[:place]:
            if one.id not in is_asked or not _may_share(one, other):
                continue
            alike = _written_otherwise(one, other)
            of_alike = [*_compared_as(one, other, alike)] if alike else []
            if not of_alike and _may_agree(kept[one.id], kept[other.id]):
                of_alike = [*_compared(one, other)]
            found += of_alike
    return found


def _written_otherwise(one: Import, other: Import) -> dict[str, str]:
    """Return the accounts of the other that look like one of the first, which it does not have."""
    mine, theirs = _accounts(one), _accounts(other)
    if mine == theirs:
        return {}
    by = {_skeleton(account): account for account in mine - theirs}
    return {a: by[_skeleton(a)] for a in theirs - mine if _skeleton(a) in by}


def _accounts(item: Import) -> set[str]:
    table = pq.read_table(item.folder / ACCOUNTS, columns=[_ACCOUNT[0]])
    return set(table[_ACCOUNT[0]].to_pylist()) - {None}


_skeleton = lru_cache(maxsize=1 << 16)(skeleton)


def _compared_as(one: Import, other: Import, alike: Mapping[str, str]) -> Iterator[Redelivered]:
    """Yield how charges of two imports are alike, if accounts that look alike are one."""
    mine = _Side(_of_accounts(_charges(one), {name: name for name in alike.values()}))
    theirs = _Side(_of_accounts(_charges(other), alike))
    sides = digests_of(mine.charges), digests_of(theirs.charges)
    rows, others = shared_rows(*sides), shared_rows(*sides[::-1])
    fewer = min(np.count_nonzero(side.is_billed) for side in (mine, theirs))
    if len(rows) and len(rows) * _HALF >= fewer and _is_meant(0, mine, theirs, rows, others):
        sums = billed_in(mine.charges, rows), billed_in(theirs.charges, others)
        yield Redelivered(one.id, other.id, RENAMED, len(rows), _ACCOUNT[:1], *sums)
        return
    for found in _otherwise(one, other, mine, theirs):
        yield replace(found, columns=[_ACCOUNT[0], *found.columns])


def _of_accounts(charges: Charges, names: Mapping[str, str]) -> Charges:
    """Return the charges of some accounts, which get other names."""
    column: Any = charges.columns[_ACCOUNT[0]]
    texts = column.values.to_pylist()
    rows = np.flatnonzero(np.append([text in names for text in texts], False)[column.codes])
    renamed = coded(pa.chunked_array([pa.array([names.get(text, text) for text in texts])]))
    codes = replaced(column.codes[rows], renamed.codes)
    columns = {
        name: one.at(rows) if isinstance(one, Coded) else one.take(pa.array(rows))
        for name, one in charges.columns.items()
    }
    columns[_ACCOUNT[0]] = Coded(codes, renamed.values)
    return Charges(charges.row_no[rows], columns)


def _may_agree(mine: _Kept, theirs: _Kept) -> bool:
    """Return whether what is kept of two imports agrees, as it is or hours apart."""
    is_told = any(_agree(*pair) for pair in zip(mine.told, theirs.told))
    return is_told or any(_agree_apart(*pair) for pair in zip(mine.timeless, theirs.timeless))


def _agree_apart(mine: Begun, theirs: Begun) -> bool:
    """Return whether half of the charges of the smaller import are of the other, hours apart."""
    full = [int(s.digests[-1]) for s in (mine, theirs) if len(s.digests) == _MOST_BEGUN]
    if full:
        mine, theirs = (
            Begun(*(part[: np.searchsorted(side.digests, min(full))] for part in side))
            for side in (mine, theirs)
        )
    return bool(shift_of(mine, theirs))


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
    yield from _otherwise(one, other, mine, theirs)


def _otherwise(one: Import, other: Import, mine: _Side, theirs: _Side) -> Iterator[Redelivered]:
    """Yield how the same charges are told in other words, once at most."""
    for kind, rows, others in (*_restated(mine, theirs), *_renamed(mine, theirs)):
        columns = [
            name
            for name in (*IDENTIFYING, *MOMENTS)
            if kind == RENAMED and mine.values(name, rows) != theirs.values(name, others)
        ]
        sums = billed_in(mine.charges, rows), billed_in(theirs.charges, others)
        yield Redelivered(one.id, other.id, kind, len(rows), columns, *sums)
        return
    for minutes, rows, others in _shifted(mine, theirs):
        sums = billed_in(mine.charges, rows), billed_in(theirs.charges, others)
        yield Redelivered(one.id, other.id, SHIFTED, len(rows), (), *sums, minutes)
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


def _shifted(mine: _Side, theirs: _Side) -> Iterator[tuple[int, Numbers, Numbers]]:
    """Yield by how many minutes rows of both are apart, and which they are, if they are enough.

    They are named alike and bill the same; or bill many amounts, whatever for; or are of a day, and
    named alike. Some of them must be at work at one time: what follows each other is no such bill.
    """
    sides = list(zip(mine.timeless(), theirs.timeless()))
    for kind, ((digests, where), (other_digests, other_where)) in enumerate(sides):
        ones, others = np.flatnonzero(where), np.flatnonzero(other_where)
        shifts = shifts_of(
            begun(digests.view(np.int64), mine.starts[ones]),
            begun(other_digests.view(np.int64), theirs.starts[others]),
        )
        pairs = [
            _apart((digests, mine.starts[ones]), (other_digests, theirs.starts[others]), shift)
            for shift in shifts
        ]
        if not pairs:
            continue
        rows, other_rows = (np.unique(np.concatenate(part)) for part in zip(*pairs))
        rows, other_rows = ones[rows], others[other_rows]
        fewer = min(np.count_nonzero(side.is_billed) for side in (mine, theirs))
        is_enough = len(rows) * _HALF >= fewer and _is_meant(kind, mine, theirs, rows, other_rows)
        if is_enough and _at_one_time(mine, theirs, rows, other_rows):
            yield shifts[0] // 60_000_000, rows, other_rows


def _apart(
    one: tuple[Any, Numbers], other: tuple[Any, Numbers], shift: int
) -> tuple[Numbers, Numbers]:
    """Return the charges of both that are the same but for a shift of their beginnings."""
    sides = [
        (mixed(one[0], one[1] + shift), np.ones(len(one[0]), np.bool_)),
        (mixed(*other), np.ones(len(other[0]), np.bool_)),
    ]
    return shared_rows(sides[0], sides[1]), shared_rows(sides[1], sides[0])


def _is_meant(kind: int, mine: _Side, theirs: _Side, rows: Numbers, others: Numbers) -> bool:
    """Return whether so many amounts, or so near sums, agree by no chance."""
    if kind < 2:
        different = len(mine.amounts(rows).array.unique())
        is_many = different >= _MANY and different * _HALF >= len(rows)
        is_named = bool(mine.names_resource[rows].any()) or different >= _FEWEST
        return bool(is_named if kind == 0 else is_many)
    sums = [np.nansum(side.amounts(at).doubles) for side, at in ((mine, rows), (theirs, others))]
    is_near = sums[1] != 0 and 1 / _FACTOR <= sums[0] / sums[1] <= _FACTOR
    return len(rows) >= _FEWEST and bool(is_near)


def _at_one_time(mine: _Side, theirs: _Side, rows: Numbers, others: Numbers) -> bool:
    """Return whether some rows of both sides are of the same time."""
    first, last = mine.starts[rows].min(), mine.ends[rows].max()
    return bool(first < theirs.ends[others].max() and theirs.starts[others].min() < last)
