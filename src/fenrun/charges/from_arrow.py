"""The fast way to read a charge file: Arrow, for files that it is known to read exactly.

NotPlain says that a file is not one of them: values in other forms, types without one meaning, a
quote or a line's end within a cell. It may be a good file all the same: `from_duckdb` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from fenrun.base.cores import on_all_cores
from fenrun.base.money import COST_DECIMALS
from fenrun.charges.coded import Coded, coded, replaced
from fenrun.charges.decimals import Decimals, as_decimals, typed
from fenrun.charges.rows import COSTS, is_decimal, is_moment
from fenrun.charges.source import Content, Source, open_arrow
from fenrun.charges.staged import NULL_WORDS, Moments, Staged, Words
from fenrun.engine.dialect import WIDEST

_ISO = r"\A\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{1,6})?Z?)?\z"
"""Moments that have one meaning."""
_PLAIN = (
    pa.types.is_string,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_decimal128,
    pa.types.is_float64,
    pa.types.is_timestamp,
    pa.types.is_date32,
)
_BLOCK = 1 << 20
"""Bytes of a CSV file that are taken apart together: they stay in the processor's cache."""
_ROW_NUMBER = "file_row_number"
_NULLS = pa.array(NULL_WORDS)
_LAST_DIGIT = ord("9")


class NotPlain(Exception):
    """The file is not one that is known to be read exactly."""


def read_plain(source: Source, content: Content) -> Staged:
    """Read a file. Raises NotPlain where it must be read the other way."""
    if {"", _ROW_NUMBER} & {name.lower() for name in source.columns}:
        raise NotPlain("a column without a name, or one of DuckDB's")
    if source.is_comma_likely:
        raise NotPlain("numbers that may have a decimal comma")
    try:
        if source.format == "csv":
            return _staged(source, _csv(source, content), {})
        kinds = {field.name: _plain_type(field.type) for field in pq.read_schema(source.path)}
        texts = [n for n, kind in kinds.items() if _are_codes(source.names[n], kind)]
        table = pq.ParquetFile(source.path, read_dictionary=texts).read()
        return _staged(source, table, kinds)
    except (pa.ArrowException, OSError) as error:
        raise NotPlain(str(error)) from error


def _csv(source: Source, content: Content) -> pa.Table:
    """Read a CSV file, each cell as text: numbers as they are, the rest by its distinct values."""
    if not content.plain:
        raise NotPlain("quotes, line ends or bytes that not everybody reads alike")
    names = list(source.header)
    codes = pa.dictionary(pa.int32(), pa.string())  # made by several threads, block by block
    kinds = {n: codes if _are_codes(source.names[n], pa.string()) else pa.string() for n in names}
    with open_arrow(source.path, source.compression) as file:
        table = pacsv.read_csv(
            file,
            pacsv.ReadOptions(
                block_size=_BLOCK,
                column_names=names,
                skip_rows=1,
            ),
            convert_options=pacsv.ConvertOptions(
                check_utf8=False,  # it was checked with the digest
                column_types=kinds,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    if table.num_rows + 1 != content.lines:
        raise NotPlain("a line that is no row")
    return table


def _are_codes(name: str, kind: pa.DataType) -> bool:
    """Return whether a reader is to give a column as codes."""
    return bool(pa.types.is_string(kind)) and not is_decimal(name)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a Parquet column. Raises NotPlain where it has more than one meaning."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind):
        return pa.string()
    if not any(is_kind(kind) for is_kind in _PLAIN):
        raise NotPlain(str(kind))
    return kind


def _staged(source: Source, table: pa.Table, kinds: Mapping[str, pa.DataType]) -> Staged:
    """Type the columns of a file."""
    texts, moments, numbers, null_rows = {}, {}, {}, {}

    def typed_column(spelt: str) -> tuple[Coded | Moments | Decimals, Any]:
        return _typed_column(source.names[spelt], table[spelt], kinds.get(spelt, pa.string()))

    found = on_all_cores(typed_column, source.names, table.num_rows)
    for name, (column, null_rows[name]) in zip(source.names.values(), found):
        if isinstance(column, Coded):
            texts[name] = column
        elif isinstance(column, Moments):
            moments[name] = column
        else:
            numbers[name] = column
    in_store = typed(numbers, COSTS)
    if in_store is None:
        raise NotPlain("numbers that are too large")
    words = _words(null_rows, table.num_rows) if source.format == "csv" else Words()
    return Staged(source, table.num_rows, texts, moments, in_store, words)


def _typed_column(
    name: str, column: pa.ChunkedArray, kind: pa.DataType
) -> tuple[Coded | Moments | Decimals, Any]:
    """Return a column in its type, and which rows hold the word NULL (None: none does)."""
    if is_decimal(name):
        return _number(column, kind)
    if is_moment(name) and not pa.types.is_string(kind):
        return Moments(_moment(column, kind)), None
    text, null_rows = _text(column, kind)
    return (Moments(_moment_of_text(text), text) if is_moment(name) else text), null_rows


def _text(column: pa.ChunkedArray, kind: pa.DataType) -> tuple[Coded, Any]:
    """Return a column of text, and which rows hold the word NULL (None: none does)."""
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        column = column.cast(pa.string())
    elif not pa.types.is_string(kind):
        raise NotPlain(f"texts as {kind}")
    found = coded(column)
    if pa.types.is_large_string(found.values.type):
        found = Coded(found.codes, found.values.cast(pa.string()))
    found.values.validate(full=True)
    empty = pc.is_in(found.values, pa.array(["", *NULL_WORDS]))
    if not pc.any(empty).as_py():
        return found, None
    is_word = pc.is_in(found.values, _NULLS).to_numpy(zero_copy_only=False)
    null_rows = (found.codes >= 0) & is_word[found.codes] if is_word.any() else None
    keep = ~empty.to_numpy(zero_copy_only=False)
    places = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
    return Coded(replaced(found.codes, places), found.values.filter(pa.array(keep))), null_rows


def _number(column: pa.ChunkedArray, kind: pa.DataType) -> tuple[Decimals, Any]:
    """Return a column of numbers, and which rows hold the word NULL (None: none does)."""
    if pa.types.is_decimal128(kind):
        if not 0 <= kind.scale <= COST_DECIMALS:
            raise NotPlain("other decimals")
        return Decimals(column.combine_chunks()), None
    if pa.types.is_integer(kind):
        return Decimals(column.combine_chunks().cast(pa.decimal128(WIDEST, 0))), None
    if not (pa.types.is_string(kind) or pa.types.is_float64(kind)):
        raise NotPlain(f"numbers as {kind}")
    column, null_rows = _without_words(column.cast(pa.string()))
    found = as_decimals(column)
    if found is None:
        raise NotPlain("a number in another form")
    return found, null_rows


def _without_words(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Any]:
    """Return texts of numbers without the word NULL, and where it was.

    Raises NotPlain where letters are left: an exponent is read exactly the other way.
    """
    if not _has_letters(column):
        return column, None
    is_word = pc.is_in(column, _NULLS)
    column = pc.if_else(is_word, pa.scalar(None, pa.string()), column)
    if _has_letters(column):
        raise NotPlain("letters in a number")
    return column, is_word.combine_chunks().to_numpy(zero_copy_only=False)


def _has_letters(column: pa.ChunkedArray) -> bool:
    """Return whether any text has a byte beyond the digits."""
    for chunk in column.chunks:
        _, offsets, data = chunk.buffers()
        if len(chunk) and data is not None:
            ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            used = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
            if used.max(initial=0) > _LAST_DIGIT:
                return True
    return False


def _moment(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Return moments in microseconds of UTC; an instant of a zone is one of UTC already."""
    array = column.combine_chunks()
    if pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", kind.tz))
    elif not pa.types.is_date32(kind):
        raise NotPlain(f"moments as {kind}")
    return array.cast(pa.timestamp("us"))


def _moment_of_text(text: Coded) -> pa.Array:
    """Return moments that are said as text, in the one form."""
    if not pc.all(pc.match_substring_regex(text.values, _ISO), min_count=0).as_py():
        raise NotPlain("a moment in another form")
    said = [value.removesuffix("Z") for value in text.values.to_pylist()]
    try:
        moments = pa.array(np.array(said, "datetime64[us]"), pa.timestamp("us"))
    except ValueError as error:
        raise NotPlain(str(error)) from error
    return pa.DictionaryArray.from_arrays(text.array.indices, moments).dictionary_decode()


def _words(null_rows: Mapping[str, Any], rows: int) -> Words:
    """Return the cells that hold the word NULL."""
    found = {name: where for name, where in null_rows.items() if where is not None}
    if not found:
        return Words()
    somewhere = np.logical_or.reduce(list(found.values()))
    cells = {name: int(np.count_nonzero(where)) for name, where in found.items()}
    count = int(np.count_nonzero(somewhere))
    return Words(count, int(somewhere.argmax()), cells)
