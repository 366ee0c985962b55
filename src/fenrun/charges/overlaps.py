"""The charges that two imports both hold: found by content, whatever their files are called.

Two charges are one if all that identifies them and all their money are equal: exports come month to
date, daily and again monthly, in other formats or with one row corrected. A charge without money is
of no account. `digests.parquet` of an import has a number a charge, sorted; a number that two
imports share leads to their charges, which are then compared by longer ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.ids import short
from fenrun.base.kept import keep, read_kept
from fenrun.base.money import COST_DECIMALS, plain
from fenrun.charges.coded import Coded, Numbers
from fenrun.charges.rows import COSTS, ORDER
from fenrun.charges.staged import Charges
from fenrun.charges.stored import charges_of, read_charges
from fenrun.store.facts import Import

DIGESTS = "digests.parquet"
IDENTIFYING = (
    "InvoiceIssuerName",
    "BillingAccountId",
    "BillingCurrency",
    "SubAccountId",
    "ResourceId",
    "SkuId",
    "SkuPriceId",
    "ServiceName",
    "RegionId",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    ORDER,
)
"""The texts that identify a charge, with its periods.

The invoice is not among them: it is often not known before the month is billed.
"""
MOMENTS = ("BillingPeriodStart", "ChargePeriodStart", "ChargePeriodEnd")
_BLOCK = 1 << 15
"""Charges that are digested together: they stay in the processor's cache."""
_MANY = 10
"""So many charges are not each there several times by chance."""
_KEPT_BITS = 48
"""Bits of a digest that are kept: two of a million charges each share one by chance in 1 of 300."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_WORD = 1 << 64

Digests = npt.NDArray[np.uint64]
_Digested = tuple[Digests, npt.NDArray[np.bool_]]
"""A digest of each charge, and whether it has any money."""


@dataclass(frozen=True)
class Overlap:
    """The charges that two imports share."""

    one: str
    """Id of the import that came later."""
    other: str
    """Id of the import that came before it."""
    rows: int
    billed: Mapping[str, str]
    """BilledCost by currency, as exact text."""


def write_digests(folder: Path, charges: Charges) -> None:
    """Write the digests of an import's charges beside them."""
    found, with_money = digests_of(charges)
    kept = np.sort(found[with_money] >> np.uint64(64 - _KEPT_BITS)).astype(np.int64)
    pq.write_table(
        pa.table({"digest": kept}),
        folder / DIGESTS,
        compression="none",
        use_dictionary=False,
        column_encoding={"digest": "DELTA_BINARY_PACKED"},
        write_statistics=False,
    )


def _kept_digests(item: Import) -> Numbers:
    """Return the digests of an import, sorted; of one from before they were kept, made anew."""
    path = item.folder / DIGESTS
    if path.is_file():
        found: Numbers = pq.read_table(path)["digest"].to_numpy()
        return found
    made, with_money = digests_of(_charges(item))
    return np.sort(made[with_money] >> np.uint64(64 - _KEPT_BITS)).astype(np.int64)


def _charges(item: Import) -> Charges:
    return charges_of(read_charges(item.folder, item.id))


def digests_of(charges: Charges) -> _Digested:
    """Return a digest of each charge, and whether it has any money."""
    with_money = np.zeros(len(charges.row_no), np.bool_)
    for name in (name for name in COSTS if name in charges.columns):
        with_money |= _cost(charges.columns[name]) != 0
    return digested(charges, IDENTIFYING, MOMENTS, COSTS), with_money


def digested(
    charges: Charges,
    texts: Sequence[str],
    moments: Sequence[str],
    costs: Sequence[str],
    onto: Digests | None = None,
) -> Digests:
    """Return a digest of some columns of each charge: texts, moments and costs.

    They are put onto a digest of columns that come before them, if there is one.
    """
    columns = charges.columns
    found = np.zeros(len(charges.row_no), np.uint64) if onto is None else onto.copy()
    coded = [c if isinstance(c, Coded) else None for c in map(columns.get, texts)]
    values = [(column, _table(column)) for column in coded]
    numbers = [_micros(columns[name]) if name in columns else None for name in moments]
    numbers += [_cost(columns[name]) if name in columns else None for name in costs]
    for start in range(0, len(found), _BLOCK):
        rows = slice(start, start + _BLOCK)
        part, nothing = found[rows], np.zeros(1, np.uint64)
        for column, table in values:
            _mix(part, table[column.codes[rows]] if column and len(table) > 1 else table)
        for number in numbers:
            _mix(part, nothing if number is None else number[rows])
    return found


def _mix(found: Digests, more: Any) -> None:
    """Take one more value of each charge into its digest, in place."""
    found ^= more
    found *= _ODD
    found ^= found >> _SHIFT


def _table(column: Coded | None) -> Digests:
    """Return a number for each text of a column, and 0 for none; one number where all have one."""
    texts = np.empty(0, np.uint64) if column is None else _of_texts(column.values)
    return texts if column and column.is_constant else np.append(texts, np.uint64(0))


def _of_texts(texts: pa.Array) -> Digests:
    """Return a number for each text: eight of its bytes are mixed in at a time, in all at once."""
    found: Digests = np.zeros(len(texts), np.uint64)
    if not len(texts):
        return found
    _, offsets, data = texts.cast(pa.string()).buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset :][: len(texts) + 1].astype(np.int64)
    padded = (data.to_pybytes() if data is not None else b"") + bytes(8)
    words = np.ndarray(len(padded) - 7, "<u8", padded, strides=(1,))
    starts, lengths = ends[:-1], np.diff(ends)
    _mix(found, lengths.astype(np.uint64) + np.uint64(1))
    rows = np.flatnonzero(lengths)
    for at in range(0, int(lengths.max()), 8):
        rows = rows[lengths[rows] > at]
        unused = np.uint64(8) * np.maximum(at + 8 - lengths[rows], 0).astype(np.uint64)
        part = found[rows]
        _mix(part, words[starts[rows] + at] << unused)
        found[rows] = part
    return found


def _micros(column: pa.Array) -> Digests:
    numbers = column.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(-1)
    found: Digests = numbers.to_numpy(zero_copy_only=False).astype(np.uint64)
    return found


def _cost(column: pa.Array) -> Digests:
    """Return each amount as a whole number of its last possible decimal, modulo 2 ** 64.

    So 1.5 and 1.50 are the same.
    """
    if not pa.types.is_decimal128(column.type):
        column = column.cast(pa.decimal128(38, column.type.scale))
    if column.null_count:
        column = column.fill_null(0)
    words = np.frombuffer(column.buffers()[1], np.uint64) if len(column) else np.empty(0, np.uint64)
    low = words[2 * column.offset : 2 * (column.offset + len(column)) : 2]
    power = max(COST_DECIMALS - column.type.scale, 0)
    return low * np.uint64(10**power % _WORD)


def find_overlaps(
    imports: Sequence[Import], before: Sequence[Import], cache: Path | None = None
) -> list[Overlap]:
    """Return what imports share with those that came before them, in the order of the log.

    What is found of an import does not change: with a `cache`, a folder, it is kept there.
    """
    kept = {item.id: _read(cache, item) for item in imports}
    missing = [item for item in imports if kept[item.id] is None]
    found: dict[str, list[Overlap]] = {item.id: [] for item in missing}
    if missing:
        everything = sorted({i.id: i for i in (*before, *imports)}.values(), key=lambda i: i.seq)
        pairs = list(_candidates(missing, everything))
        ids = dict.fromkeys(item.id for pair in pairs for item in pair)
        of_id = {item.id: item for item in everything}
        digests = {name: _distinct(_kept_digests(of_id[name])) for name in ids}
        if len(missing) > 1:  # of many files each is sorted once, instead of with every other
            digests = _in_several(digests)
        for one, other in pairs:
            if _share(digests[one.id], digests[other.id]) and (overlap := _compared(one, other)):
                found[one.id].append(overlap)
        for item in missing:
            _write(cache, item, found[item.id])
    return [one for item in imports for one in (kept[item.id] or found.get(item.id, []))]


def _distinct(numbers: Numbers) -> Numbers:
    """Return each of some sorted numbers once."""
    return numbers[np.append(True, numbers[1:] != numbers[:-1])] if len(numbers) else numbers


def _in_several(lists: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return what is left of lists without those numbers that one alone has.

    Each list is sorted and has a number once.
    """
    every = np.concatenate([*lists.values(), np.empty(0, np.int64)])
    every.sort()
    several = _distinct(every[1:][every[1:] == every[:-1]])
    return {name: several[_among(several, numbers)] for name, numbers in lists.items()}


def _among(some: Numbers, numbers: Numbers) -> npt.NDArray[np.bool_]:
    """Return which of some numbers are among sorted ones."""
    if not len(numbers):
        return np.zeros(len(some), bool)
    places = np.searchsorted(numbers, some)
    found: npt.NDArray[np.bool_] = numbers[np.minimum(places, len(numbers) - 1)] == some
    return found


def _candidates(
    imports: Iterable[Import], everything: Sequence[Import]
) -> Iterator[tuple[Import, Import]]:
    """Yield each import with each that came before it and can hold the same charges."""
    for one in imports:
        for other in everything:
            if other.seq >= one.seq:
                break
            if _can_share(one.facts, other.facts):
                yield one, other


def _can_share(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two imports have charges of the same months, days and issuers."""
    for first, last in (("first_billed", "last_billed"), ("first_start", "last_start")):
        if not (one[first] and other[first]):
            return False
        if one[last] < other[first] or other[last] < one[first]:
            return False
    same, their = one.get("same", {}), other.get("same", {})
    return all(same[name] == their[name] for name in same.keys() & their.keys())


def _share(one: Numbers, other: Numbers) -> bool:
    """Return whether two sorted lists, each of which has a number once, have one in common."""
    few, many = sorted((one, other), key=len)
    if not len(few) or few[-1] < many[0] or many[-1] < few[0]:
        return False
    if len(many) < 20 * len(few):
        both = np.concatenate((few, many))
        both.sort(kind="stable")  # two runs are merged
        return bool((both[1:] == both[:-1]).any())
    return bool(_among(few, many).any())


def comes_again(item: Import, folder: Path, one_in: int) -> bool:
    """Return whether charges of an import come again among those in a folder.

    At least one in so many of those with money does, or it has none.
    """
    theirs = _kept_digests(item)
    ours = pq.read_table(folder / DIGESTS)["digest"].to_numpy()
    return bool(np.count_nonzero(np.isin(theirs, ours)) * one_in >= len(theirs))


def _compared(one: Import, other: Import) -> Overlap | None:
    """Compare the charges of two imports: as many of each as both hold are shared."""
    charges = _charges(one)
    shared = shared_rows(digests_of(charges), digests_of(_charges(other)))
    if not len(shared):
        return None
    return Overlap(one.id, other.id, len(shared), billed_in(charges, shared))


def shared_rows(one: _Digested, other: _Digested) -> npt.NDArray[Any]:
    """Return the rows of some charges that others hold too: as many of each as both do."""
    (ours, with_money), (theirs, counted) = one, other
    values, counts = np.unique(theirs[counted], return_counts=True)
    order = np.argsort(ours, kind="stable")
    order = order[with_money[order]]
    if not len(values) or not len(order):
        return np.empty(0, np.int64)
    mine = ours[order]
    nth = np.arange(len(mine)) - np.searchsorted(mine, mine)
    places = np.minimum(np.searchsorted(values, mine), len(values) - 1)
    found: npt.NDArray[Any] = order[(values[places] == mine) & (nth < counts[places])]
    return found


def repeated_rows(charges: Charges, folder: Path, is_joined: bool) -> dict[str, Any]:
    """Return the charges that one file holds twice as a whole; nothing where there are none.

    All of its charges are there several times, if they are many; or any, of files that were joined.
    """
    kept = pq.read_table(folder / DIGESTS)["digest"].to_numpy()
    if not is_joined and (len(kept) < 2 * _MANY or kept[0] != kept[1]):
        return {}
    found, with_money = digests_of(charges)
    values, counts = np.unique(found[with_money], return_counts=True)
    times = int(np.gcd.reduce(counts)) if len(counts) else 1
    if not is_joined and (times < 2 or len(values) < _MANY):
        return {}
    order = np.argsort(found, kind="stable")
    order = order[with_money[order]]
    mine = found[order]
    nth = np.arange(len(mine)) - np.searchsorted(mine, mine)
    first = 1 if is_joined else counts[np.searchsorted(values, mine)] // times
    rows = order[nth >= first]
    return {"rows": len(rows), "billed": billed_in(charges, rows)} if len(rows) else {}


def billed_in(charges: Charges, rows: npt.NDArray[Any]) -> dict[str, str]:
    """Return the BilledCost of some rows, by currency."""
    columns: Any = charges.columns
    taken = pa.table(
        {
            "currency": columns["BillingCurrency"].at(rows).plain(),
            "billed": columns["BilledCost"].take(pa.array(rows)),
        }
    )
    sums = taken.group_by("currency").aggregate([("billed", "sum")]).to_pylist()
    return {
        row["currency"]: plain(row["billed_sum"] or Decimal(0)) for row in sorted(sums, key=str)
    }


def _read(cache: Path | None, item: Import) -> list[Overlap] | None:
    """Read what is kept of an import; None where nothing is."""
    if cache is None:
        return None
    try:
        return [Overlap(**one) for one in read_kept(cache / f"{short(item.id)}.json")]
    except TypeError:
        return None


def _write(cache: Path | None, item: Import, found: Sequence[Overlap]) -> None:
    if cache is not None:
        keep(cache / f"{short(item.id)}.json", [vars(one) for one in found])
