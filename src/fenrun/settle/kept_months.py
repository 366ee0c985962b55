"""The sums of months, kept in a workspace from one settlement to the next.

A cache: what is not there is measured again, and deleting it changes nothing but time. A month is
kept under what its sums follow from: how plans credit and measure, the charges billed in it, and
the book. What is kept of a table is its rows with codes of the month's own, and beside the tables
the texts of these codes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.ids import digest, short
from fenrun.base.kept import new_folder
from fenrun.engine.codes import Codes
from fenrun.store.digests import digests

CODE, NUMBER, WORD, AMOUNT = "code", "number", "word", "amount"
"""How a column of sums is kept: a code of the month's own, a number, a word, an amount to add."""
_TEXTS = "texts"
"""The table of the month's texts, each the code of its place."""
_MARKER = "month.json"
_EXACT = pa.decimal128(38, 0)
Tables = Mapping[str, pa.Table]


def _columns(text: str) -> dict[str, str]:
    """Return columns written `name other: how they are kept; ...`."""
    parts = (part.split(":") for part in text.split(";"))
    return {name: how.strip() for names, how in parts for name in names.split()}


SUMS = {
    "performance_measures": _columns(
        "plan component payee unit customer excluded_by: code;"
        "month column_no baselined weight_no: number; amount charges: amount"
    ),
    "uncredited_sums": _columns(
        "plan account customer: code; month: number; reason: word; amount charges: amount"
    ),
    "charged_sums": _columns("plan: code; month: number; total credited charges: amount"),
    "foreign_sums": _columns("currency: code; month day: number; amount charges: amount"),
    "lacking_sums": _columns("account: code; month basis: number; charges: amount"),
    "credited_sums": _columns(
        "plan payee role customer link: code; month: number; kind via: word; amount charges: amount"
    ),
    "team_sums": _columns("plan payee member role: code; month: number; amount charges: amount"),
    "held_sums": _columns(
        "payee role customer party link: code; month: number; via: word; amount charges: amount"
    ),
}
"""The tables of sums, by name, with their columns. A row without charges is no row."""
IF_ASKED = frozenset(("credited_sums", "team_sums", "held_sums"))
"""Those that have rows of the months alone that are asked for."""


@dataclass(frozen=True)
class KeptMonth:
    """A month that is kept."""

    month: int
    charges: tuple[str, ...]
    """Ids of the imports that can have charges billed in it."""
    book: tuple[str, ...]
    """Ids of the sources of the book, in the order in which they became known."""
    is_asked: bool
    """True if it was settled as a month that was asked for: other months lack some sums."""


class KeptMonths:
    """The months that are kept in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def of(self, measured_by: str, month: int) -> list[KeptMonth]:
        """Return what is kept of a month, measured in that way."""
        found = []
        for marker in (self.folder / short(measured_by) / str(month)).glob(f"*/{_MARKER}"):
            said = _said(marker)
            if said.get("measured_by") == measured_by:
                lists = {name: tuple(said[name]) for name in ("charges", "book")}
                found.append(KeptMonth(month, **lists, is_asked=said["is_asked"]))
        return sorted(found, key=lambda one: (one.charges, one.book))

    def _path(self, measured_by: str, one: KeptMonth) -> Path:
        name = short(digest(one.charges, one.book))
        return self.folder / short(measured_by) / str(one.month) / name

    def read(self, measured_by: str, one: KeptMonth, codes: Codes) -> dict[str, pa.Table] | None:
        """Return the sums of a month as codes, or None where they are gone, damaged or edited."""
        found, folder = {}, self._path(measured_by, one)
        if _said(folder / _MARKER).get("files") != _tables(folder):
            return None
        for name in (_TEXTS, *SUMS):
            path = folder / f"{name}.parquet"
            try:
                with pq.ParquetFile(path, page_checksum_verification=True) as file:
                    found[name] = file.read()
            except (OSError, pa.ArrowInvalid):
                return None
        own = codes.of_column(found.pop(_TEXTS)["text"])
        return {
            name: _typed(_recoded(found[name], columns, own), columns)
            for name, columns in SUMS.items()
        }

    def keep(
        self, measured_by: str, months: Iterable[tuple[KeptMonth, Tables]], codes: Codes
    ) -> None:
        """Keep the sums of months, side by side; what was kept of the same before gives way.

        Where nothing can be written, nothing is kept.
        """
        texts = pa.array(codes.texts, pa.string())

        def keep_one(month: tuple[KeptMonth, Tables]) -> None:
            with suppress(OSError):
                self._write(measured_by, *month, texts)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(keep_one, months))

    def _write(self, measured_by: str, one: KeptMonth, sums: Tables, texts: pa.Array) -> None:
        target = self._path(measured_by, one)
        occurs = _occurring(sums, len(texts))
        own = pa.array(np.cumsum(occurs, dtype=np.int32) - 1)
        with new_folder(target) as scratch:
            _write_table(pa.table({"text": texts.filter(pa.array(occurs))}), scratch, _TEXTS, [])
            for name, columns in SUMS.items():
                words = [column for column, how in columns.items() if how == WORD]
                table = _narrowed(_recoded(sums[name], columns, own))
                _write_table(table, scratch, name, words)
            said = {"measured_by": measured_by, **asdict(one), "files": _tables(scratch)}
            (scratch / _MARKER).write_text(json.dumps(said), "utf-8")

    def sizes(self) -> tuple[int, int]:
        """Return how many months are kept, and how many bytes they take."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        months = sum(1 for path in files if path.name == _MARKER)
        return months, sum(path.stat().st_size for path in files)

    def clear(self) -> None:
        """Delete all that is kept."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _said(marker: Path) -> dict[str, Any]:
    """Return what is said of a month that is kept; nothing where that is gone or damaged."""
    try:
        said = json.loads(marker.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _tables(folder: Path) -> dict[str, str]:
    """Return the digest of each table of a month, by the name of its file."""
    return {name: content for name, content in digests(folder).items() if name != _MARKER}


def _write_table(table: pa.Table, folder: Path, name: str, words: list[str]) -> None:
    """Write a table; only `words` repeat so much that a dictionary is worth its time."""
    path = folder / f"{name}.parquet"
    how = {"compression": "zstd", "write_page_checksum": True, "write_statistics": False}
    pq.write_table(table, path, use_dictionary=words or False, **how)


def _occurring(sums: Tables, count: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which codes below a count occur in sums."""
    occurs = np.zeros(count, bool)
    for name, columns in SUMS.items():
        for column, how in columns.items():
            if how == CODE:
                occurs[sums[name][column].combine_chunks().drop_null().to_numpy()] = True
    return occurs


def _recoded(table: pa.Table, columns: Mapping[str, str], codes: pa.Array) -> pa.Table:
    """Return sums with other codes, each at the place of the one that it replaces."""
    arrays = {
        column: codes.take(table[column].combine_chunks()) if how == CODE else table[column]
        for column, how in columns.items()
    }
    return pa.table(arrays)


def _narrowed(table: pa.Table) -> pa.Table:
    """Return sums with amounts of 64 bits where these hold all of a column."""
    for place, column in enumerate(table.columns):
        if pa.types.is_decimal(column.type):
            with suppress(pa.ArrowInvalid):
                name = table.column_names[place]
                table = table.set_column(place, name, column.cast(pa.int64()))
    return table


def by_month(sums: Tables, months: Sequence[int]) -> Iterator[dict[str, pa.Table]]:
    """Yield the sums of each of some months, which are in order."""
    parts: dict[str, list[pa.Table]] = {}
    for name, table in sums.items():
        of_row = table["month"].combine_chunks().to_numpy()
        rows = np.argsort(of_row, kind="stable")
        ends = zip(*(np.searchsorted(of_row[rows], months, side) for side in ("left", "right")))
        in_order = table.take(pa.array(rows))
        parts[name] = [in_order.slice(start, end - start) for start, end in ends]
    for place in range(len(months)):
        yield {name: tables[place] for name, tables in parts.items()}


def of_month(sums: Tables, month: int) -> dict[str, pa.Table]:
    """Return the sums of one month."""
    return {name: table.filter(pc.equal(table["month"], month)) for name, table in sums.items()}


def added_up(name: str, parts: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """Return sums of one table added up, each part times 1 or -1.

    Rows that are left without charges are gone.
    """
    found = _added(name, parts)
    return found.filter(pc.not_equal(found["charges"], 0))


def difference(name: str, parts: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """Return what parts of one table add to sums: rows that add nothing are gone.

    One that adds no charges can still add an amount.
    """
    found, keep = _added(name, parts), None
    for column, how in SUMS[name].items():
        if how == AMOUNT:
            adds = pc.not_equal(found[column], 0)
            keep = adds if keep is None else pc.or_(keep, adds)
    return found.filter(keep)


def _added(name: str, parts: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    columns = SUMS[name]
    amounts = [column for column, how in columns.items() if how == AMOUNT]
    keys = [column for column in columns if column not in amounts]
    whole = pa.concat_tables([_signed(table, amounts, sign) for sign, table in parts])
    found = whole.group_by(keys).aggregate([(amount, "sum") for amount in amounts])
    found = found.rename_columns([column.removesuffix("_sum") for column in found.column_names])
    return _typed(found.select(list(columns)), columns)


def _signed(table: pa.Table, amounts: Sequence[str], sign: int) -> pa.Table:
    for place, column in enumerate(table.column_names):
        if column in amounts and sign < 0:
            table = table.set_column(place, column, pc.negate(table[column]))
    return table


def typed(sums: Tables) -> dict[str, pa.Table]:
    """Return sums with each column of one type, whichever database they come from."""
    return {name: _typed(table, SUMS[name]) for name, table in sums.items()}


def _typed(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    kinds = {CODE: pa.int64(), NUMBER: pa.int64(), WORD: pa.string(), AMOUNT: _EXACT}
    arrays = {
        column: table[column].cast(pa.int64() if column == "charges" else kinds[how])
        for column, how in columns.items()
    }
    return pa.table(arrays)


def source_id(source: str, known: object, tables: Tables) -> str:
    """Return the id of a source of the book: of its rows, its name and since when it is known."""
    parts = []
    for name in sorted(tables):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, tables[name].schema) as writer:
            writer.write_table(tables[name].combine_chunks())
        parts.append((name, hashlib.sha256(sink.getvalue()).hexdigest()))
    return digest(source, str(known), parts)
