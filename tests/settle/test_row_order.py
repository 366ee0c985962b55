"""Rows in order: as Python sorts them, whatever tells them apart and however texts are held."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fenrun.settle import row_order
from fenrun.settle.row_order import ordered

EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "25"))
_KINDS: list[tuple[pa.DataType, list[Any]]] = [
    (pa.string(), ["b", "a", "", "甲", None]),
    (pa.int64(), [-(2**62), 0, 3, None]),
    (pa.decimal128(38, 2), [Decimal("-1.20"), Decimal("0.10"), Decimal(10**30), None]),
    (pa.date32(), [date(2024, 1, 1), date(2023, 12, 31), None]),
]


@settings(max_examples=EXAMPLES)
@given(
    st.data(),
    st.lists(st.sampled_from(_KINDS), min_size=1, max_size=5),
    st.sampled_from([1, 8, 40, 2**62]),
    st.sampled_from([0, 50]),
)
def test_rows_stand_as_python_sorts_them(
    data: st.DataObject, kinds: list[tuple[pa.DataType, list[Any]]], most_packed: int, few: int
) -> None:
    row = st.tuples(*(st.sampled_from(values) for _, values in kinds))
    rows = data.draw(st.lists(row, max_size=9)) + data.draw(st.lists(row, min_size=4, max_size=9))
    columns = list(zip(*rows))
    plain = {str(n): pa.array(v, kind) for n, (v, (kind, _)) in enumerate(zip(columns, kinds))}
    coded = {
        name: pa.concat_arrays([pa.array(["none of these"]), values]).dictionary_encode()[1:]
        if pa.types.is_string(values.type)
        else values
        for name, values in plain.items()
    }
    limits = {"_MOST_PACKED": most_packed, "_FEW": few}
    with patch.multiple(row_order, **limits):
        found, same = ordered(pa.table(plain)), ordered(pa.table(coded))
    wanted = sorted(
        rows, key=lambda row: [(False, value) if value is not None else (True,) for value in row]
    )
    assert list(zip(*(column.to_pylist() for column in found.columns))) == wanted
    assert same.equals(found)
    for column in same.columns:
        if pa.types.is_dictionary(column.type):
            texts = column.combine_chunks().dictionary.to_pylist()
            assert texts == sorted(set(column.to_pylist()) - {None})
