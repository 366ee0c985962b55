"""Parquet of plain types: what every reader holds exactly, in the place of other types.

Binary floats become text, each the shortest decimal that stands for it; so do decimals of more than
38 digits, of which DuckDB makes floats, and bytes that are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.problem import Place, Problem, refused
from fenrun.base.words import Message
from fenrun.charges.rows import is_decimal, is_moment

_MOMENTS = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_string, pa.types.is_null)
_TEXTS = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
_OTHERS = (
    *(pa.types.is_null, pa.types.is_time, pa.types.is_large_string, pa.types.is_string_view),
    *(pa.types.is_decimal256, pa.types.is_decimal32, pa.types.is_decimal64),
)


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values, however it stores them."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def problems_of_types(schema: pa.Schema, names: Mapping[str, str], file: str) -> list[Problem]:
    """Return the columns of dates and times whose type holds none."""
    found = []
    for spelt, name in names.items():
        kind = plain_type(schema.field(spelt).type, name)
        if is_moment(name) and not any(is_kind(kind) for is_kind in _MOMENTS):
            values = {"column": name, "kind": str(schema.field(spelt).type)}
            found.append(Problem("date-type", Place(file, 1, name), values))
    return found


def floats_of(schema: pa.Schema, names: Mapping[str, str]) -> frozenset[str]:
    """Return the columns of binary floats, by their names in the store."""
    kinds = {name: value_type(schema.field(spelt).type) for spelt, name in names.items()}
    return frozenset(name for name, kind in kinds.items() if pa.types.is_floating(kind))


def plain_type(kind: pa.DataType, name: str) -> pa.DataType:
    """Return the plain type for a column of a type; of one that is plain or nested, its own."""
    kind = value_type(kind)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_floating(kind):
        is_number = is_decimal(name) and kind == pa.float64()
        return kind if is_moment(name) or is_number else pa.string()
    if any(is_kind(kind) for is_kind in (*_TEXTS, *_OTHERS)):
        return pa.string()
    return kind


def is_plain(schema: pa.Schema, names: Mapping[str, str]) -> bool:
    """Return whether a file's columns have plain types, or nested ones."""
    kinds = ((value_type(schema.field(spelt).type), name) for spelt, name in names.items())
    return all(
        (pa.types.is_timestamp(kind) and kind.unit != "ns") or plain_type(kind, name) == kind
        for kind, name in kinds
    )


def write_plain_parquet(path: Path, names: Mapping[str, str], into: Path) -> None:
    """Write a file with columns of plain types. Raises Refused where bytes are no text."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        kinds = {spelt: plain_type(schema.field(spelt).type, name) for spelt, name in names.items()}
        plain = pa.schema([(spelt, kind) for spelt, kind in kinds.items()])
        with pq.ParquetWriter(into, plain, compression="zstd") as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=list(kinds))
                arrays = [_as(table[spelt], kind, path, spelt) for spelt, kind in kinds.items()]
                writer.write_table(pa.table(arrays, schema=plain))


def _as(column: pa.ChunkedArray, kind: pa.DataType, path: Path, spelt: str) -> pa.ChunkedArray:
    """Return a column as another type. Raises Refused where bytes are no text."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(kind):
        return column.cast(kind, safe=False)  # what is finer than a microsecond is cut
    if pa.types.is_decimal256(column.type):
        return pc.replace_substring_regex(column.cast(pa.string()), r"\.?0+$", "")
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    if pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    if pa.types.is_floating(column.type) and pa.types.is_string(kind):
        whole = 1 << (24 if pa.types.is_float32(column.type) else 53)
        is_whole = pc.and_(pc.equal(pc.trunc(column), column), pc.less(pc.abs(column), whole))
        numbers = pc.if_else(is_whole, column, pa.scalar(0, column.type)).cast(pa.int64())
        return pc.if_else(is_whole, numbers.cast(kind), column.cast(kind))
    try:
        return column.cast(kind)
    except pa.ArrowInvalid as error:
        place = Place(path.name, 0, spelt)
        raise refused("file-unreadable", place, detail=Message("bytes-not-text")) from error
