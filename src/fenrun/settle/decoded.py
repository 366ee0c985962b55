"""The results of a settlement as people read them: codes as texts, whole numbers as amounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.money import plain
from fenrun.base.problem import Place, refused
from fenrun.book.as_codes import issuer_and_subject
from fenrun.book.as_of import with_common_decimals
from fenrun.engine.codes import Codes, month_of
from fenrun.engine.dialect import WIDEST
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.readings import decimals_of
from fenrun.settle.results import (
    AS_IT_IS,
    COUNT,
    DAY,
    KEPT,
    MONTH,
    ON_REQUEST,
    RESULT_TABLES,
    TEXT,
)
from fenrun.settle.settling import Settlement

_RENAMED = {"plan": "plan_id", "link": "link_id", "last_month": "paid_month"}
"""The names of columns where they are not those of the steps."""
_FEWEST = 2
_SAMPLE = 100


Result: TypeAlias = "pa.Table | Callable[[], pa.Table]"
"""A result table, or what makes it once somebody asks for it."""
Results = Mapping[str, Result]
"""Result tables by name."""


def results_of(settlement: Settlement, *only: str) -> Results:
    """Return the results of a settlement as people read them.

    All that a run keeps, or `only` some of them and of those made on request.
    """
    decoder, runner = _Decoder(settlement), settlement.runner
    results: dict[str, Result] = {}
    for table in (*RESULT_TABLES, *ON_REQUEST):
        if table.name in (only or KEPT):
            found = runner.arrow(f"SELECT {', '.join(table.columns)} FROM {table.name}")
            decoder.refuse_large(table.columns, found)
            results[table.name] = partial(decoder.table, table.name, table.columns, found)
    return results


_EMPTY: dict[str, pa.Table] = {}
"""The result tables without rows, by name: always the same."""


def load_results(groups: Sequence[Results], engine: DuckDB) -> None:
    """Load the results of groups of plans as tables of the engine's `main`, the rows of all in one.

    Raises Refused where an amount does not fit the decimals of the others.
    """
    for name, result in groups[0].items():
        one = len(groups) == 1
        engine.show(name, result if one else _as_one(name, [_made(g[name]) for g in groups]))


def _made(result: Result) -> pa.Table:
    return result if isinstance(result, pa.Table) else result()


def _as_one(name: str, tables: Sequence[pa.Table]) -> pa.Table:
    try:
        found = pa.concat_tables(with_common_decimals([_as_text(table) for table in tables]))
    except pa.ArrowInvalid as error:
        raise refused("amount-too-large", Place(name)) from error
    # Parties are the book's: each group of plans has them all.
    return found.group_by(found.column_names).aggregate([]) if name == "parties" else found


def _as_text(table: pa.Table) -> pa.Table:
    """Return a table with texts in place of dictionaries, which differ from group to group."""
    types = [pa.string() if pa.types.is_dictionary(kind) else kind for kind in table.schema.types]
    return table.cast(pa.schema(list(zip(table.column_names, types))))


class _Decoder:
    """The way back from codes and whole numbers."""

    def __init__(self, settlement: Settlement):
        self.codes: Codes = settlement.codes
        self.scales = decimals_of(settlement)

    @cached_property
    def _order(self) -> pa.Array:
        """The codes in the order of their texts."""
        return pc.sort_indices(pa.array(self.codes.texts, pa.string()))

    @cached_property
    def texts(self) -> pa.Array:
        """All texts in their order."""
        return pa.array(self.codes.texts, pa.string()).take(self._order)

    @cached_property
    def places(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """The place there of the text of each code."""
        places = np.empty(len(self._order), np.int32)
        places[self._order.to_numpy()] = np.arange(len(self._order), dtype=np.int32)
        return places

    def refuse_large(self, columns: Mapping[str, str], found: pa.Table) -> None:
        """Raise Refused where amounts do not fit: while the settlement can still be refused."""
        for place, kind in enumerate(columns.values()):
            if pa.types.is_decimal(found.schema.types[place]):
                refuse_large(found.column(place), self.scales.get(kind, 0))

    def table(self, name: str, columns: Mapping[str, str], found: pa.Table) -> pa.Table:
        """Return a result table, of which the columns were `found` as codes."""
        if found.num_rows:
            return self._table(name, columns, found)
        if name not in _EMPTY:
            _EMPTY[name] = self._table(name, columns, found)
        return _EMPTY[name]

    def _table(self, name: str, columns: Mapping[str, str], found: pa.Table) -> pa.Table:
        read = {
            column: self._read(kind, found.column(place).combine_chunks())
            for place, (column, kind) in enumerate(columns.items())
        }
        if "others" in read:
            others, bound = read.pop("others"), read.pop("bound")
            read["detail"] = self._detail(read["detail"], others, bound)
        if name == "statement_lines":
            named_by = ("plan", "component", "period", "payee")
            parts = [read[part].dictionary_decode() for part in named_by]
            read = {"line_id": pc.binary_join_element_wise(*parts, "/")} | read
        named: dict[str, pa.Array] = {}
        for column, values in read.items():
            if column == "account":
                named |= _accounts(values, self.codes)
            else:
                named[_RENAMED.get(column, column)] = values
        return pa.table(named)

    def _read(self, kind: str, values: pa.Array) -> pa.Array:
        if kind == TEXT:
            return self._texts(values)
        if kind == DAY:
            return values.cast(pa.int32()).cast(pa.date32())
        if kind == MONTH:
            return _months(values)
        if kind in (COUNT, AS_IT_IS):
            return values.cast(pa.int64() if kind == COUNT else pa.string())
        return as_amounts(values, self.scales[kind])

    def _texts(self, codes: pa.Array) -> pa.DictionaryArray:
        """Return codes as their texts: a dictionary in order, of those alone that occur."""
        places = pa.array(self.places).take(codes.cast(pa.int32()))
        occurs = np.zeros(len(self.texts), bool)
        occurs[places.drop_null().to_numpy()] = True
        numbers = pa.array(np.cumsum(occurs, dtype=np.int32) - 1).take(places)
        texts = self.texts.filter(pa.array(occurs))
        return pa.DictionaryArray.from_arrays(numbers, texts, ordered=True)

    def _detail(self, detail: pa.Array, others: pa.Array, bound: pa.Array) -> pa.Array:
        """Return what takes off or adds: a text, several of them, or an amount."""
        if others.null_count == len(others) and bound.null_count == len(bound):
            return detail
        several = pa.array(map(self._joined, others.to_pylist()), pa.string())
        amounts = pa.array(map(_plain, bound.to_pylist()), pa.string())
        return pc.coalesce(detail.dictionary_decode(), several, amounts)

    def _joined(self, numbers: str | None) -> str | None:
        if numbers is None:
            return None
        return ", ".join(sorted(self.codes.texts[int(number)] for number in numbers.split(",")))


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _accounts(values: pa.DictionaryArray, codes: Codes) -> dict[str, pa.Array]:
    """Return issuer and account of accounts."""
    pairs = [issuer_and_subject(codes, codes.of(text)) for text in values.dictionary.to_pylist()]
    parts = {"issuer": 0, "account": 1}
    return {
        name: pa.array([pair[place] for pair in pairs], pa.string()).take(values.indices)
        for name, place in parts.items()
    }


def _months(values: pa.Array) -> pa.Array:
    """Return the first days of months."""
    found = values.cast(pa.int64()).dictionary_encode()
    days = pa.array([month_of(number) for number in found.dictionary.to_pylist()], pa.date32())
    return days.take(found.indices)


def refuse_large(values: pa.ChunkedArray, scale: int) -> None:
    """Raise Refused where a whole number has more digits than `as_amounts` has room for."""
    most = 10 ** (WIDEST - max(0, _FEWEST - scale))
    ends = pc.min_max(values).as_py().values()
    if any(end is not None and abs(int(end)) >= most for end in ends):
        raise refused("amount-too-large", Place("results"))


def as_amounts(values: pa.Array, scale: int) -> pa.Array:
    """Return whole numbers of 10 to the minus `scale` as decimals.

    They have as few places as hold them all, and two at least. Raises Refused where one has more
    than 38 digits.
    """
    try:
        whole = values.cast(pa.decimal128(38, 0))
        whole.validate(full=True)
    except pa.ArrowInvalid as error:
        raise refused("amount-too-large", Place("results")) from error
    amounts = pa.Array.from_buffers(
        pa.decimal128(38, scale), len(whole), whole.buffers(), whole.null_count, whole.offset
    )
    if scale <= _FEWEST:
        return amounts.cast(pa.decimal128(38, _FEWEST))
    return amounts.cast(pa.decimal128(38, _places(amounts, scale)))


def _places(amounts: pa.Array, scale: int) -> int:
    """Return the fewest places that hold all amounts, of a few that are tried."""
    for places in range(_FEWEST, scale, 2):
        # A sample that does not fit spares the whole.
        if _fits(amounts[:_SAMPLE], places) and _fits(amounts, places):
            return places
    return scale


def _fits(amounts: pa.Array, places: int) -> bool:
    try:
        amounts.cast(pa.decimal128(38, places))
    except pa.ArrowInvalid:
        return False
    return True
