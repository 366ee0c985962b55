"""Rows in the order of their columns: equal rows make equal files, however they were made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MOST_PACKED = 1 << 62
"""The numbers that one packed key can tell apart."""
_FEW = 50
"""The most rows that are put in order one by one: of so few, each column's own order costs more."""
_Numbers = np.ndarray[Any, np.dtype[np.int64]]


def ordered(table: pa.Table) -> pa.Table:
    """Return the rows in the order of the first column, then of the second, and so on.

    What is missing comes last. Texts are dictionaries, each of the texts that its column has; one
    that says that it is in order is.
    """
    columns = {
        name: _with_dictionary(table[name]) if _is_text(kind) else table[name]
        for name, kind in zip(table.column_names, table.schema.types)
    }
    if table.num_rows <= _FEW:
        found = list(zip(*(column.to_pylist() for column in columns.values())))
        rows = pa.array(sorted(range(len(found)), key=lambda row: _key(found[row])), pa.int64())
    else:
        rows = pa.array(_order(columns.values(), table.num_rows))
    return pa.table({name: column.take(rows) for name, column in columns.items()})


def _key(row: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    """Return what orders a row: texts by code points, as by bytes; what is missing last."""
    return [(value is None, value) for value in row]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))


def _with_dictionary(column: pa.ChunkedArray | pa.Array) -> pa.DictionaryArray:
    """Return a column as places in the order of those values that it has, and these values."""
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(found.type) and found.type.ordered:
        return found
    if not pa.types.is_dictionary(found.type):
        found = found.dictionary_encode()
    occurs = np.zeros(len(found.dictionary), bool)
    occurs[found.indices.drop_null().to_numpy()] = True
    own = np.flatnonzero(occurs)
    values = found.dictionary.take(pa.array(own))
    order = pc.sort_indices(values).to_numpy()
    places = np.zeros(len(occurs), np.int32)
    places[own[order]] = np.arange(len(own), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(places).take(found.indices), values.take(pa.array(order))
    )


def _order(columns: Iterable[pa.ChunkedArray | pa.DictionaryArray], size: int) -> _Numbers:
    """Return the numbers of the rows in order.

    Columns are read until these tell all rows apart. Those with a dictionary have it in order.
    """
    keys = [np.zeros(size, np.int64)]
    told_apart = 1
    for column in columns:
        if pa.types.is_decimal(column.type):
            # To put amounts in order costs more than to see that they are not needed.
            rows = _rows_by(keys)
            if not _has_equal_rows(keys, rows):
                return rows
        is_ready = isinstance(column, pa.DictionaryArray)
        found = column if is_ready else _with_dictionary(column)
        count = len(found.dictionary) + 1
        if told_apart * count > _MOST_PACKED:
            rows = _rows_by(keys)
            if not _has_equal_rows(keys, rows):
                return rows
            keys.append(np.zeros(size, np.int64))
            told_apart = 1
        places = pc.fill_null(found.indices, count - 1).to_numpy()
        keys[-1], told_apart = keys[-1] * count + places, told_apart * count
    return _rows_by(keys)


def _rows_by(keys: list[_Numbers]) -> _Numbers:
    """Return the numbers of the rows in the order of keys; of equal rows any may be first."""
    return np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(keys[::-1])


def _has_equal_rows(keys: list[_Numbers], rows: _Numbers) -> bool:
    """Return whether two rows have the same keys, which then stand side by side in that order."""
    sorted_keys = (key[rows] for key in keys)
    return bool(np.logical_and.reduce([key[1:] == key[:-1] for key in sorted_keys]).any())
