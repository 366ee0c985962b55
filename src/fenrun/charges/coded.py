"""A column as codes: a number a row, and the values that the numbers stand for.

What is asked of a value is then asked once of each distinct one, not of every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int32]
"""The place of each row's value among the values; -1 where there is none."""
Numbers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

_MOST_JOINED = 1 << 62
"""Tuples that are told apart by one 64-bit number."""
_FEW_NUMBERS = 1 << 18
"""Numbers of which a table is made, however few rows there are."""
_SAMPLE = 65_536

A_DAY = 24 * 3600 * 1_000_000
"""Microseconds."""


@dataclass(frozen=True)
class Coded:
    """A column by its distinct values. Grain of `codes`: a row; of `values`: a value."""

    codes: Codes
    values: pa.Array
    """The values, each once and none of them null."""

    @property
    def array(self) -> pa.DictionaryArray:
        """The column as Arrow holds it."""
        mask = self.codes < 0 if self.counts[-1] else None
        return pa.DictionaryArray.from_arrays(pa.array(self.codes, mask=mask), self.values)

    @cached_property
    def counts(self) -> Numbers:
        """The rows of each value, counted; the last number: those that have none."""
        if len(self.values) == 1:  # as of most columns that nobody asks for
            none = int(np.count_nonzero(self.codes < 0))
            return np.array([len(self.codes) - none, none])
        found = np.bincount(self.codes + 1, minlength=len(self.values) + 1)
        return np.roll(found, -1)

    @property
    def is_constant(self) -> bool:
        """True where all rows have one value."""
        return len(self.values) == 1 and not self.counts[-1]

    def plain(self) -> pa.Array:
        """Return the column with a value a row."""
        return self.array.dictionary_decode()

    def at(self, rows: npt.NDArray[Any]) -> Coded:
        """Return the column of other rows, named by their places."""
        return Coded(self.codes[rows], self.values)

    def packed(self) -> Coded:
        """Return the column without values that no row has."""
        used = self.counts[:-1] > 0
        if used.all():
            return self
        places = np.cumsum(used, dtype=np.int32) - 1
        return Coded(replaced(self.codes, places), self.values.filter(pa.array(used)))


def micros_of(column: Coded | pa.Array | None) -> Numbers | None:
    """Return moments in microseconds of 1970, 0 for none; None where a column holds no moments."""
    if column is None or isinstance(column, Coded):
        return None
    found: Numbers = column.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0).to_numpy()
    return found


def replaced(codes: Codes, by: Codes) -> Codes:
    """Return codes with each replaced by the number at its place; -1 stays."""
    return np.append(by, np.int32(-1)).astype(np.int32)[codes]


def coded(column: pa.ChunkedArray) -> Coded:
    """Return a column by its distinct values."""
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    else:
        column = column.dictionary_encode()  # all chunks with one dictionary
    if not len(column):
        return Coded(np.empty(0, np.int32), pa.array([], column.type.value_type))
    indices = pa.chunked_array([chunk.indices for chunk in column.chunks]).combine_chunks()
    if indices.null_count:
        indices = indices.cast(pa.int32()).fill_null(-1)
    codes = indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return _distinct(codes, column.chunk(0).dictionary)


def _distinct(codes: Codes, values: pa.Array) -> Coded:
    """Return a column whose values are each there once, and none of them null."""
    unique = values.drop_null().unique()
    if len(unique) == len(values):
        return Coded(codes, values)
    places = pc.index_in(values, unique).fill_null(-1).to_numpy(zero_copy_only=False)
    return Coded(replaced(codes, places.astype(np.int32)), unique)


def coded_if_few(column: pa.Array, most: int) -> Coded | None:
    """Return a column by its distinct values if they are at most so many."""
    sample = column.slice(0, _SAMPLE)
    if len(sample) < len(column) and len(sample.unique()) > most:
        return None
    found = coded(pa.chunked_array([column])).packed()
    return found if len(found.values) <= most else None


def joined(columns: Sequence[Coded]) -> tuple[Codes, Numbers]:
    """Return the number of each row's tuple of values, and the first row of each tuple.

    Tuples are numbered from 0 in the order in which they are first met.
    """
    numbers: Numbers = np.zeros(len(columns[0].codes), np.int64)
    width = 1
    for column in (one for one in columns if not one.is_constant):
        many = len(column.values) + 1
        if width * many >= _MOST_JOINED:
            numbers, firsts = _numbered(numbers, width)
            width = len(firsts)
        if width > 1:
            numbers *= many
            numbers += column.codes
            numbers += 1
        else:
            numbers = column.codes.astype(np.int64) + 1
        width *= many
    codes, firsts = _numbered(numbers, width)
    return codes.astype(np.int32, copy=False), firsts


def _numbered(numbers: Numbers, width: int) -> tuple[Numbers, Numbers]:
    """Return numbers below a width as dense ones, and the first row of each."""
    if width <= max(_FEW_NUMBERS, len(numbers)):
        return _numbered_in_table(numbers, width)
    found = pa.array(numbers).dictionary_encode()
    codes = found.indices.to_numpy()
    firsts = np.empty(len(found.dictionary), np.int64)
    firsts[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return codes.astype(np.int64), firsts


def _numbered_in_table(numbers: Numbers, width: int) -> tuple[Numbers, Numbers]:
    """Return the same by a table with a place for each number: faster than hashes, if small."""
    rows = len(numbers)
    first = np.full(width, rows, np.int64)
    first[numbers[::-1]] = np.arange(rows - 1, -1, -1)
    there = np.flatnonzero(first < rows)
    there = there[np.argsort(first[there], kind="stable")]
    places = np.empty(width, np.int64)
    places[there] = np.arange(len(there))
    return places[numbers], first[there]


Cells = tuple[list[str], Codes, Numbers]
"""The names of columns, the number of each row's tuple of their values, each tuple's first row."""


def cells(columns: Mapping[str, Coded], rows: int, most: int) -> Cells:
    """Choose the columns whose tuples of values are at most so many, fewest values first."""
    taken: Cells = [], np.zeros(rows, np.int32), np.zeros(min(rows, 1), np.int64)
    some: list[tuple[str, Coded]] = []
    width = 1
    for name, column in sorted(columns.items(), key=lambda item: (len(item[1].values), item[0])):
        many = len(column.values) + 1
        if some and width * many > max(_FEW_NUMBERS, rows):
            taken = _with_all(taken, some, most)
            some, width = [], len(taken[2])
        some.append((name, column))
        width *= many
    return _with_all(taken, some, most)


def _with_all(taken: Cells, some: Sequence[tuple[str, Coded]], most: int) -> Cells:
    """Add columns to the cells at once if their tuples are few; else one after the other."""
    names, codes, firsts = taken
    if len(some) > 1:
        before = Coded(codes, pa.nulls(len(firsts)))
        more, starts = joined([before, *(column for _, column in some)])
        if len(starts) <= most:
            return [*names, *(name for name, _ in some)], more, starts
    for name, column in some:
        taken = _with(taken, name, column, most)
    return taken


def _with(taken: Cells, name: str, column: Coded, most: int) -> Cells:
    """Add a column to the cells, unless its tuples are then too many."""
    names, codes, firsts = taken
    if column.is_constant:
        return [*names, name], codes, firsts
    before = Coded(codes, pa.nulls(len(firsts)))
    some = slice(0, most * 2)
    if some.stop < len(codes):  # of many, the first ones show most that are too many
        _, starts = joined(
            [Coded(codes[some], before.values), Coded(column.codes[some], column.values)]
        )
        if len(starts) > most:
            return taken
    more, starts = joined([before, column])
    return ([*names, name], more, starts) if len(starts) <= most else taken
