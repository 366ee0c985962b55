"""Stored charges: the files of an import, those of several imports as one table, and facts.

`charges.parquet` has a row a charge, account by account: numbers, moments, and the texts that have
many values. `cells.parquet` has the tuples of the columns that have few, `accounts.parquet` the
accounts. Joined they are the charges as they came.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.cores import on_all_cores
from fenrun.base.ids import AT, short
from fenrun.base.problem import Place, refused
from fenrun.base.table import read_parquet
from fenrun.base.words import Message
from fenrun.charges.coded import (
    Cells,
    Coded,
    Codes,
    Numbers,
    cells,
    coded,
    coded_if_few,
    joined,
    replaced,
)
from fenrun.charges.rows import COSTS, KEYS, empty_schema, key_of
from fenrun.charges.staged import Charges
from fenrun.engine.dialect import NARROW, WIDEST, literal, quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.store.facts import Import

CHARGES, CELLS, ACCOUNTS = "charges.parquet", "cells.parquet", "accounts.parquet"
ACCOUNT = ("InvoiceIssuerName", "BillingAccountId")
_OWN = ("import_id", "row_no")
"""The columns that name a charge."""
_NUMBERED = ("BillingPeriodStart", "ChargePeriodStart", *COSTS)
"""Columns that every row has for itself."""
_TAKEN = (*_OWN, "account_no", "cell_no", *KEYS)
"""Names that a column of a source cannot have in the files."""
_MOST_VALUES = 4096
_MOST_CELLS = 65_536
ROW_GROUP = 65_536
_MOST_NEAR = 1 << 27
"""The bytes of row groups, unpacked, that are read at once for some accounts."""
_FEW_BYTES = 1 << 16
"""The most bytes of a file of accounts that is kept once it was read."""
_SOME_BYTES = 1 << 20
"""The same, where few of them are kept."""
_OF_ROW = "c.import_id"
_ORDER = b"fenrun.columns"
"""The key of a file's metadata under which the columns of the source stand in their order."""


def charges_of(table: pa.Table) -> Charges:
    """Return the charges of a table that has the columns which `load_charges` gives."""
    columns = {n: table[n] for n in table.column_names if n not in _OWN}
    row_no = table["row_no"].combine_chunks().to_numpy(zero_copy_only=False)
    return Charges(
        row_no,
        {n: coded(c).packed() if _is_text(c.type) else _whole(c) for n, c in columns.items()},
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def write_charges(folder: Path, charges: Charges | pa.Table, source: str = CHARGES) -> None:
    """Write charges as the files of an import; a table has the columns of `load_charges`.

    Raises Refused, naming the source, where two orders (or the like) have one key.
    """
    charges = charges_of(charges) if isinstance(charges, pa.Table) else charges
    columns, row_no = charges.columns, charges.row_no
    texts = {name: column for name, column in columns.items() if isinstance(column, Coded)}
    account, accounts = _accounts(*(texts[name] for name in ACCOUNT))
    keys = _keys(texts, source)
    names, cell, firsts = _cells(columns, len(row_no))
    tuples = {stored_name(name): _at(columns[name], firsts) for name in names}
    number = pa.array(np.arange(len(firsts), dtype=np.int32))
    pq.write_table(pa.table({"cell_no": number} | tuples), folder / CELLS, compression="zstd")
    pq.write_table(accounts, folder / ACCOUNTS, compression="zstd")
    order = _by_account(account, row_no)
    numbers = {"account_no": account, "cell_no": cell, "row_no": row_no}
    rows: dict[str, Any] = {name: pa.array(values) for name, values in numbers.items()} | keys
    rows |= {stored_name(n): columns[n] for n in columns if n not in {*names, *ACCOUNT}}
    sorted_rows = on_all_cores(lambda v: _in_order(v, order), rows.values(), len(order))
    rows = dict(zip(rows, sorted_rows))
    with RowGroups(folder / CHARGES, list(columns)) as written:
        written.add(rows)


def _in_order(column: Coded | pa.Array, rows: Numbers) -> Coded | pa.Array:
    """Return a column with its rows in another order."""
    return column.at(rows) if isinstance(column, Coded) else column.take(pa.array(rows))


def _at(column: Coded | pa.Array, rows: Numbers) -> pa.Array:
    """Return the values of some rows."""
    return column.at(rows).plain() if isinstance(column, Coded) else column.take(pa.array(rows))


def stored_name(name: str) -> str:
    """Return the name of a column in the files: none of theirs, since names end without spaces."""
    return f"{name} " if name.lower() in _TAKEN else name


def _accounts(issuer: Coded, account: Coded) -> tuple[Codes, pa.Table]:
    """Return the number of each row's account, and the accounts, in their order."""
    codes, firsts = joined([issuer, account])
    issuers, names = issuer.at(firsts).plain(), account.at(firsts).plain()
    pairs = [(i or "", a or "") for i, a in zip(issuers.to_pylist(), names.to_pylist())]
    order = np.array(sorted(range(len(pairs)), key=pairs.__getitem__), np.int64)
    numbers = np.empty(len(pairs), np.int32)
    numbers[order] = np.arange(len(pairs), dtype=np.int32)
    number = pa.array(np.arange(len(pairs), dtype=np.int32))
    table = pa.table([number, issuers.take(order), names.take(order)], ["account_no", *ACCOUNT])
    return replaced(codes, numbers), table


def _keys(texts: Mapping[str, Coded], source: str) -> dict[str, pa.Array]:
    """Return the keys of the charges, where the text that each stands for is anywhere."""
    named = {key: column for key, column in KEYS.items() if column in texts}
    issuer = texts["InvoiceIssuerName"]
    return {
        key: _key(issuer, texts[column], Place(source, 0, column))
        for key, column in named.items()
        if len(texts[column].values)
    }


def _key(issuer: Coded, text: Coded, place: Place) -> pa.Array:
    """Return the key of each row's text. Raises Refused where two of them have the same."""
    codes, firsts = joined([issuer, text])
    issuers, named = issuer.at(firsts).plain().to_pylist(), text.at(firsts).plain().to_pylist()
    keys = [None if t is None else key_of(i or "", t) for i, t in zip(issuers, named)]
    there = [key for key in keys if key is not None]
    if len(set(there)) < len(there):
        raise refused("file-unreadable", place, detail=Message("keys-collide"))
    return pa.array(keys, pa.int64()).take(pa.array(codes))


def _cells(columns: Mapping[str, Coded | pa.Array], rows: int) -> Cells:
    """Choose the columns that are held by their tuples."""
    few = {}
    for name, column in columns.items():
        if name in ACCOUNT or name in _NUMBERED:
            continue
        by_value = column if isinstance(column, Coded) else coded_if_few(column, _MOST_VALUES)
        if by_value is not None and _fits_cells(name, by_value):
            few[name] = by_value
    return few_cells(few, rows)


def few_cells(columns: Mapping[str, Coded], rows: int) -> Cells:
    """Choose the columns whose tuples of values are few enough for a file of them."""
    return cells(columns, rows, _MOST_CELLS)


def _fits_cells(name: str, column: Coded) -> bool:
    """Return whether a column has few values: of a text with a key, one in all rows."""
    if name in KEYS.values():
        return int(np.count_nonzero(column.counts)) <= 1
    return len(column.values) <= _MOST_VALUES


def _by_account(account: Codes, row_no: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the places of the rows, account by account, in the order of their numbers."""
    if len(row_no) and (row_no[1:] < row_no[:-1]).any():
        return np.lexsort((row_no, account))
    low = np.argsort((account & 0xFFFF).astype(np.uint16), kind="stable")
    if not len(account) or account.max() < 1 << 16:
        return low  # 16 bits are sorted by counting
    return low[np.argsort((account[low] >> 16).astype(np.uint16), kind="stable")]


class RowGroups:
    """A file of charges that is written row group by row group, each with the values it has."""

    def __init__(self, path: Path, order: Sequence[str], size: int = ROW_GROUP):
        self.path, self.size = path, size
        self.order = order
        """The columns of the source, in their order."""
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> RowGroups:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer:
            self._writer.close()

    def add(self, rows: Mapping[str, Any]) -> None:
        """Write more rows, of the same columns as those before."""
        count = len(rows["row_no"])
        first = _group(rows, 0, self.size)
        writer = self._writer = self._writer or self._begun(first.schema)
        for start in range(0, count, self.size):
            writer.write_table(_group(rows, start, self.size).cast(writer.schema))

    def _begun(self, schema: pa.Schema) -> pq.ParquetWriter:
        narrow = {f.name for f in schema if f.name in COSTS and f.type.precision <= NARROW}
        packed = {"row_no", *narrow}
        writer = pq.ParquetWriter(
            self.path,
            schema,
            version="2.6",
            data_page_version="2.0",
            compression="zstd",
            store_schema=False,
            store_decimal_as_integer=True,
            use_dictionary=[name for name in schema.names if name not in packed],
            column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
            write_statistics=["account_no", "cell_no", "row_no", "ChargePeriodStart"],
        )
        order = json.dumps(list(self.order), ensure_ascii=False)
        writer.add_key_value_metadata({_ORDER: order})
        return writer


def _group(rows: Mapping[str, Any], start: int, count: int) -> pa.Table:
    return pa.table(
        {
            name: Coded(values.codes[start : start + count], values.values).packed().array
            if isinstance(values, Coded)
            else values.slice(start, count)
            for name, values in rows.items()
        }
    )


def move_files(files: Path, into: Path) -> None:
    """Move the files of an import from a scratch folder to another."""
    for file in files.iterdir():
        shutil.move(file, into / file.name)


def load_charges(
    engine: DuckDB,
    name: str,
    imports: Sequence[Import],
    only: Mapping[str, str] | None = None,
    accounts: Mapping[str, Sequence[int]] | None = None,
    tables: Mapping[str, Tables] | None = None,
) -> None:
    """Make the charges of the imports known to the engine under a name.

    They have `import_id`, `row_no` and each column of their sources. `only` gives, for some imports
    by id, the condition in SQL on those rows that are meant, `accounts` for all of them the numbers
    of the accounts, `tables` for some the tables that hold charges and accounts of these already.
    What all rows of a file share stands in the view as a constant: it is neither read nor compared
    row by row.
    """
    if not imports:
        engine.load(name, empty_schema().empty_table())
        return
    only, tables = only or {}, tables or {}
    files = [StoredFiles(item) for item in imports]
    widest = _most_decimals(file.decimal_places for file in files)
    parts = [
        file.query(
            engine,
            widest,
            only.get(id_, "true"),
            accounts[id_] if accounts and id_ not in tables else None,
            tables.get(id_),
        )
        for id_, file in zip((file.item.id for file in files), files)
    ]
    engine.view(name, " UNION ALL BY NAME ".join(parts))


Tables = tuple[str, str]
"""SQL that stands for the charges and for the accounts of a file."""


@dataclass(frozen=True)
class _Groups:
    """The row groups of a stored file: the accounts and the bytes of each, unpacked."""

    file: pq.FileMetaData
    first: Numbers
    last: Numbers
    size: Numbers


@lru_cache(maxsize=256)
def _groups_of(path: Path) -> _Groups | None:
    """Return the row groups of such a file; None where it does not say whose they are."""
    file = pq.read_metadata(path)
    place = _schema_of(path).get_field_index("account_no")
    groups = [file.row_group(n) for n in range(file.num_row_groups)]
    ends = [group.column(place).statistics for group in groups]
    if not all(one is not None and one.has_min_max for one in ends):
        return None
    first, last = (np.array([getattr(one, e) for one in ends], np.int64) for e in ("min", "max"))
    return _Groups(file, first, last, np.array([one.total_byte_size for one in groups], np.int64))


@lru_cache(maxsize=4096)
def _schema_of(path: Path) -> pa.Schema:
    """Return the columns of a stored file, which is never written again."""
    return pq.read_schema(path)


@lru_cache(maxsize=4096)
def _count_of(path: Path) -> int:
    """Return how many rows such a file has."""
    return int(pq.read_metadata(path).num_rows)


def _read_accounts(path: Path) -> pa.Table:
    table = read_parquet(path)
    names = (table[name] for name in ("InvoiceIssuerName", "BillingAccountId"))
    return table.append_column("subject", pc.binary_join_element_wise(*names, AT))


_accounts_in = lru_cache(maxsize=512)(_read_accounts)
"""The same of a file of few accounts: each settlement and explanation reads it."""
_last_accounts = lru_cache(maxsize=8)(_read_accounts)
"""The same of larger files, such as those of merged months."""


class StoredFiles:
    """The files of one import, and where each column of its source stands."""

    def __init__(self, item: Import):
        self.item = item
        self.charges, self.cells = item.folder / CHARGES, item.folder / CELLS
        self.accounts = item.folder / ACCOUNTS
        files = {"c": CHARGES, "k": CELLS, "a": ACCOUNTS}
        found = {alias: _schema_of(item.folder / file) for alias, file in files.items()}
        self._alias = {n: a for a, schema in found.items() for n in schema.names}
        self._types = {field.name: field.type for schema in found.values() for field in schema}
        stored = [n for n in self._types if n not in _TAKEN]
        order = (found["c"].metadata or {}).get(_ORDER)
        self.columns: list[str] = json.loads(order) if order else [n.rstrip() for n in stored]
        """The columns of the source, in their order."""
        self.keys = [key for key in KEYS if key in self._alias]
        """The keys that the charges have."""
        self.constants = _constants(item)
        """SQL of what all rows hold in a column."""
        self.import_id = literal(short(item.id)) if "import_id" not in found["c"].names else _OF_ROW
        """SQL of the import that a row is of: of what is merged each row says it."""

    def place_of(self, name: str) -> str:
        """Return where a column stands: charges `c`, cells `k`, accounts `a`.

        Nothing where there is none, or all rows hold the same.
        """
        if name in self.constants or name not in self.columns:
            return ""
        return self._alias[stored_name(name)]

    def name_of(self, name: str) -> str:
        """Return the name under which a column stands in its file."""
        return stored_name(name)

    def type_of(self, name: str) -> pa.DataType:
        """Return the type of a column of the source."""
        return self._types[stored_name(name)]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Counts of the accounts and cells that the files have."""
        files = {"accounts": self.accounts, "cells": self.cells}
        return {name: _count_of(file) for name, file in files.items()}

    @property
    def decimal_places(self) -> dict[str, int]:
        """The decimals of each column of decimals, by its name in the files."""
        kinds = self._types.items()
        return {name: kind.scale for name, kind in kinds if pa.types.is_decimal(kind)}

    @cached_property
    def all_accounts(self) -> pa.Table:
        """The accounts: account_no, InvoiceIssuerName, BillingAccountId, and `subject`: both."""
        size = self.accounts.stat().st_size
        if size > _SOME_BYTES:
            return _read_accounts(self.accounts)
        return (_accounts_in if size <= _FEW_BYTES else _last_accounts)(self.accounts)

    def rows_of(self, accounts: Sequence[int]) -> pa.Table | None:
        """Return the charges of some accounts as they stand in the file: only where these are is
        it read.

        None where that is too much to be held.
        """
        groups, mine = _groups_of(self.charges), np.sort(np.array(accounts, np.int64))
        schema = _schema_of(self.charges).remove_metadata()
        if groups is None or not all(map(_is_plain_kind, schema.types)):
            return None
        places = np.searchsorted(mine, groups.first)
        within = np.append(mine, np.iinfo(np.int64).max)[places] <= groups.last
        if groups.size[within].sum() > _MOST_NEAR:
            return None
        texts = [field.name for field in schema if field.type == pa.string()]
        with pq.ParquetFile(self.charges, metadata=groups.file, read_dictionary=texts) as file:
            some = np.flatnonzero(within).tolist()
            found = file.read_row_groups(some, use_threads=False)
        is_mine = pc.is_in(found["account_no"], pa.array(mine.astype(np.int32)))
        return found.filter(is_mine).cast(schema)

    def query(
        self,
        engine: DuckDB,
        widest: Mapping[str, int],
        where: str,
        accounts: Sequence[int] | None = None,
        tables: Tables | None = None,
    ) -> str:
        """Return the query of those charges, of some accounts or all, that meet a condition.

        `tables` hold the charges and accounts, where they were read before.
        """
        columns = [f"{self.import_id} AS import_id", "c.row_no AS row_no"]
        for name in self.columns:
            value = self.constants.get(name) or self._value(stored_name(name), widest)
            columns.append(f"{value} AS {quoted(name)}")
        own, pairs = tables or map(engine.file, (self.charges, self.accounts))
        rows = (
            f"SELECT {', '.join(columns)} FROM {own} AS c"
            f" JOIN {engine.file(self.cells)} AS k ON k.cell_no = c.cell_no"
            f" JOIN {pairs} AS a ON a.account_no = c.account_no"
        )
        if accounts is not None:
            rows += f" WHERE {of_accounts(accounts)}"
        return rows if where == "true" else f"SELECT * FROM ({rows}) AS t WHERE {where}"

    def _value(self, name: str, widest: Mapping[str, int]) -> str:
        """Return a column; one of decimals with the most that it has in any import."""
        value = f"{self._alias[name]}.{quoted(name)}"
        scale = widest.get(name)
        if scale is None or self.decimal_places.get(name, scale) == scale:
            return value
        return f"CAST({value} AS DECIMAL({WIDEST}, {scale}))"


def _is_plain_kind(kind: pa.DataType) -> bool:
    """Return whether DuckDB has the same of a column, read by Arrow or by itself."""
    texts_or_numbers = (pa.string(), pa.int32(), pa.int64(), pa.timestamp("us"))
    return kind in texts_or_numbers or bool(pa.types.is_decimal128(kind))


def numbers_of(item: Import, accounts: Set[tuple[str, str]]) -> list[int]:
    """Return the numbers that an import has for some accounts, by issuer and name."""
    table = StoredFiles(item).all_accounts
    subjects = pa.array([f"{issuer}{AT}{name}" for issuer, name in accounts], pa.string())
    found = table.filter(pc.is_in(table["subject"], subjects))
    numbers: list[int] = found["account_no"].to_pylist()
    return numbers


def of_accounts(numbers: Sequence[int]) -> str:
    """Return SQL of whether a charge c is of one of some accounts.

    They are mostly side by side, and of what is outside a range little is read.
    """
    if not numbers:
        return "false"
    among = ", ".join(map(str, numbers))
    return f"c.account_no BETWEEN {min(numbers)} AND {max(numbers)} AND c.account_no IN ({among})"


def _most_decimals(files: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the most decimals that each column has in any import.

    Left alone, an engine would round to the fewest.
    """
    widest: dict[str, int] = {}
    for columns in files:
        for name, scale in columns.items():
            widest[name] = max(widest.get(name, 0), scale)
    return widest


def _constants(item: Import) -> dict[str, str]:
    """Return the SQL of what all rows of an import hold in a column."""
    return {
        column: f"TIMESTAMP {literal(value)}" if column == "BillingPeriodStart" else literal(value)
        for column, value in item.facts.get("same", {}).items()
    }


def read_charges(folder: Path, import_id: str, where: str = "true") -> pa.Table:
    """Return the charges of an import's folder, by its files alone."""
    engine = DuckDB()
    item = Import(import_id, "charges", "", datetime.min, folder)
    load_charges(engine, "stored", [item], {import_id: where})
    return engine.query("FROM stored ORDER BY row_no")
