"""The files of a month merged into one, account by account: a cache beside the imports.

A question about some accounts reads every file of their months: of many files each a part. What is
merged is read in the place of its imports, where all of them are meant and whole; each row still
says of which import it is. It is written beside and renamed, under the digest of its imports, and
never the only copy: deleting it changes nothing but time.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache, reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.ids import digest, short
from fenrun.charges.coded import Coded, Codes, Numbers, coded, joined
from fenrun.charges.stored import (
    ACCOUNT,
    ACCOUNTS,
    CELLS,
    CHARGES,
    ROW_GROUP,
    RowGroups,
    StoredFiles,
    few_cells,
    stored_name,
)
from fenrun.store.digests import digests, digests_as_seen
from fenrun.store.facts import Import, verified

_FOLDER = Path("cache", "merged")
_MARKER = "merged.json"
_MOST = 4
"""So many files of a month are read one by one."""
_FEWEST_ROWS = 50_000
"""Of fewer charges, all are read whole."""
_AT_ONCE = 1 << 18
"""The charges that are sorted in memory, if no account has more."""
_LONG_AGO = 24 * 60 * 60
"""Seconds after which nobody reads any more what is part of something larger."""
Account = tuple[str, str]
"""Issuer and name."""
_BATCH = 65_536
"""The charges of a file that are read at once."""
_SMALLEST_GROUP, _GROUPS = 8192, 512
"""The fewest rows of a group, and its share: some accounts are in few, and few are to be seen."""
_TEXT = pa.dictionary(pa.int32(), pa.string())
_ENDS = {"first_start": min, "last_start": max, "first_billed": min, "last_billed": max}


def with_merged(imports: Sequence[Import], apart: Collection[str] = ()) -> list[Import]:
    """Return imports with what is merged of them in the place of these, as an import.

    Those whose ids are `apart` are left as they are.
    """
    if not imports:
        return []
    left = {item.id: item for item in imports if item.id not in apart}
    taken = []
    for one in _merged_in(imports[0].folder.parents[1]):
        if left.keys() >= {*one.facts["merged"]}:
            taken.append(one)
            for content in one.facts["merged"]:
                del left[content]
    return [*taken, *(item for item in imports if item.id in left or item.id in apart)]


def ids_of(item: Import) -> list[str]:
    """Return the ids of the imports that something is merged of, or an import's own."""
    return list(item.facts.get("merged", (item.id,)))


def count_merged(workspace: Path) -> int:
    """Return how many files of several imports a workspace holds."""
    return len(_all_in(workspace / _FOLDER))


def _merged_in(workspace: Path) -> list[Import]:
    """Return what is merged in a workspace and is as it was written, largest first."""
    found = _all_in(workspace / _FOLDER)
    seen = digests_as_seen(workspace, [one.folder for one in found]) if found else []
    whole = [
        one
        for one, now in zip(found, seen)
        if {name: now[name] for name in now if name != _MARKER} == one.files
    ]
    return sorted(whole, key=lambda one: (-one.facts["rows"], one.id))


def _all_in(folder: Path) -> list[Import]:
    """Return what is said to be merged in a folder, but what is still being written."""
    markers = sorted(folder.glob(f"[!.]*/{_MARKER}"))
    return [one for one in map(_read, markers) if one is not None]


@lru_cache(maxsize=1024)
def _read(marker: Path) -> Import | None:
    """Read what is said of something merged, which is never written again."""
    try:
        said = json.loads(marker.read_text("utf-8"))
        id_, facts, files = said["id"], said["facts"], said["files"]
        _ = (facts["merged"], facts["rows"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Import(id_, "charges", "", datetime.min, marker.parent, facts, files=files)


def merge_months(
    imports: Sequence[Import], neighbours: Callable[[], Mapping[Account, str]] = dict
) -> None:
    """Merge the files of each month that has many, where the workspace can be written.

    Raises Refused for files that were edited.

    The largest is left as it is, where the others together have fewer charges. `neighbours` tells
    of accounts a name under which those stand side by side that are mostly asked for together.
    """
    if len(imports) <= _MOST:
        return
    imports = verified(imports)
    spans: dict[tuple[Any, ...], list[Import]] = {}
    for item in with_merged(imports):
        spans.setdefault(_likeness(item), []).append(item)
    by_id = {item.id: item for item in imports}
    for of_span in spans.values():
        of_span.sort(key=lambda item: -item.facts["rows"])
        rows = [item.facts["rows"] for item in of_span]
        some = of_span[rows[0] > sum(rows[1:]) :]
        if len(of_span) > _MOST and sum(rows) >= _FEWEST_ROWS:
            ids = sorted(content for item in some for content in ids_of(item))
            with suppress(OSError, ValueError):
                _Merging([by_id[content] for content in ids], neighbours()).write()


def _likeness(item: Import) -> tuple[Any, ...]:
    """Return what imports have in common that can be merged: their months, and their columns."""
    files = StoredFiles(item)
    kinds = {name: files.type_of(name) for name in files.columns}
    columns = {n: "" if pa.types.is_decimal(kind) else str(kind) for n, kind in kinds.items()}
    months = (item.facts.get(name, "")[:7] for name in ("first_billed", "last_billed"))
    return (*months, tuple(files.keys), *sorted(columns.items()))


class _Rows:
    """Some charges of one import, written beside in the order in which accounts are merged."""

    def __init__(self, files: StoredFiles, tuples: pa.Table, cells: Codes, path: Path):
        self.import_id = short(files.item.id)
        self.tuples, self.cells, self.path = tuples, cells, path

    def write(self, rows: pa.Table, account: Numbers, ends: Numbers) -> None:
        """Write the charges, whose accounts have these numbers, up to each of the ends in a part of
        its own.
        """
        order = np.argsort(account, kind="stable")
        place = rows.schema.get_field_index("account_no")
        rows = rows.set_column(place, "account_no", pa.array(account)).take(pa.array(order))
        (whole,) = rows.unify_dictionaries().combine_chunks().to_batches()
        places = np.searchsorted(account[order], ends)
        with pa.ipc.new_file(str(self.path), rows.schema) as written:
            for start, end in pairwise([0, *places.tolist()]):
                written.write_batch(whole.slice(start, end - start))

    def take(self, part: int) -> pa.Table:
        """Return the charges of a part."""
        with pa.ipc.open_file(str(self.path)) as written:
            return pa.Table.from_batches([written.get_batch(part)])

    def column(self, rows: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
        """Return a column of some charges, also one that their tuples hold; texts as codes."""
        is_here = name in rows.column_names
        found = rows[name] if is_here else self.tuples[name].take(rows["cell_no"])
        return found if pa.types.is_dictionary(kind) else found.cast(kind)


@dataclass(frozen=True)
class _Merging:
    """Imports of like columns."""

    items: Sequence[Import]
    neighbours: Mapping[Account, str]

    @cached_property
    def files(self) -> list[StoredFiles]:
        return [StoredFiles(item) for item in self.items]

    @cached_property
    def tuples(self) -> list[pa.Table]:
        """The tuples of each file; texts as codes, since they repeat."""
        tables = (_file_of_codes(files.cells).read() for files in self.files)
        return [table.unify_dictionaries().combine_chunks() for table in tables]

    @cached_property
    def kinds(self) -> dict[str, pa.DataType]:
        """The type of each column in the files, with the most digits that it has in any."""
        found: dict[str, pa.DataType] = {}
        for files in self.files:
            for name in files.columns:
                kind, own = files.type_of(name), stored_name(name)
                found[own] = _TEXT if pa.types.is_string(kind) else _wider(found.get(own), kind)
        return found

    def write(self) -> None:
        """Write what is merged beside, and move it to its place. Raises OSError."""
        id_ = digest("merged", sorted(item.id for item in self.items))
        folder = self.items[0].folder.parents[1] / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".", dir=folder))
        try:
            self._write_files(scratch)
            said = {"id": id_, "facts": self._facts(), "files": digests(scratch)}
            (scratch / _MARKER).write_text(json.dumps(said, ensure_ascii=False), "utf-8")
            os.replace(scratch, folder / short(id_))  # fails where somebody else was first
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._clear_parts(folder)

    def _clear_parts(self, folder: Path) -> None:
        """Delete what was merged of some of these, and what was left half written, long ago."""
        mine = {item.id for item in self.items}
        parts = [one.folder for one in _all_in(folder) if mine > {*ids_of(one)}]
        for path in [*parts, *folder.glob(".*")]:
            if path.stat().st_mtime < folder.stat().st_mtime - _LONG_AGO:
                shutil.rmtree(path, ignore_errors=True)

    def _facts(self) -> dict[str, Any]:
        """Return what is known of all, as far as each of the imports says it."""
        facts = [item.facts for item in self.items]
        found: dict[str, Any] = {"merged": [item.id for item in self.items]}
        for name, end in _ENDS.items():
            if all(one.get(name) for one in facts):
                found[name] = end(one[name] for one in facts)
        same = set.intersection(*({*one.get("same", {}).items()} for one in facts))
        sums = {name: sum(one.get(name, 1) for one in facts) for name in ("rows", "corrections")}
        return found | sums | {"same": dict(sorted(same))}

    def _write_files(self, scratch: Path) -> None:
        accounts, account_numbers = self._accounts()
        tuples, cell_numbers = self._cells()
        pq.write_table(accounts, scratch / ACCOUNTS, compression="zstd")
        pq.write_table(tuples, scratch / CELLS, compression="zstd")
        order = dict.fromkeys(name for files in self.files for name in files.columns)
        beside = {"cell_no", *ACCOUNT, *tuples.column_names}
        kinds = {name: kind for name, kind in self.kinds.items() if name not in beside}
        counts = self._counts(account_numbers, accounts.num_rows)
        ends = _ends(counts)
        size = min(ROW_GROUP, max(_SMALLEST_GROUP, int(counts.sum()) // _GROUPS))
        with tempfile.TemporaryDirectory(dir=scratch) as beside_it:
            some = self._rows(Path(beside_it), account_numbers, cell_numbers, ends)
            with RowGroups(scratch / CHARGES, [*order], size) as written:
                for part in range(len(ends)):
                    taken = [(one, one.take(part)) for one in some]
                    written.add(_sorted([t for t in taken if len(t[1])], self.files[0].keys, kinds))

    def _counts(self, numbers: Sequence[Numbers], accounts: int) -> Numbers:
        """Return how many charges each of the accounts has, which are so numbered for each file."""
        counts = np.zeros(accounts, np.int64)
        for files, own in zip(self.files, numbers):
            column = pq.read_table(files.charges, columns=["account_no"])["account_no"]
            counts += np.bincount(own[column.to_numpy()], minlength=accounts)
        return counts

    def _rows(
        self, folder: Path, accounts: Sequence[Numbers], cells: Sequence[Codes], ends: Numbers
    ) -> list[_Rows]:
        """Return the charges of all files, some at a time, of which those of the accounts up to
        each of the ends are a part.
        """
        found: list[_Rows] = []
        for files, own, tuples, codes in zip(self.files, accounts, self.tuples, cells):
            for rows in _some_at_a_time(_file_of_codes(files.charges)):
                path = folder / f"{len(found)}.arrow"
                found.append(_Rows(files, tuples, codes, path))
                found[-1].write(rows, own[rows["account_no"].to_numpy()], ends)
        return found

    def _accounts(self) -> tuple[pa.Table, list[Numbers]]:
        """Return the accounts of all in their order, and the numbers that those of each have."""
        tables = [pq.read_table(files.accounts) for files in self.files]
        issuer, account = (coded(_joined([one[name] for one in tables])) for name in ACCOUNT)
        codes, firsts = joined([issuer, account])
        names = (column.at(firsts).plain().to_pylist() for column in (issuer, account))
        pairs = [(issuer or "", name or "") for issuer, name in zip(*names)]
        near = self.neighbours
        order = sorted(range(len(pairs)), key=lambda n: (near.get(pairs[n], ""), pairs[n]))
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        columns = (pa.array(column, pa.string()) for column in zip(*(pairs[n] for n in order)))
        table = pa.table([_numbered(len(order)), *columns], ["account_no", *ACCOUNT])
        ends = np.cumsum([len(one) for one in tables])
        return table, np.split(places[codes], ends[:-1])

    def _cells(self) -> tuple[pa.Table, list[Codes]]:
        """Return the tuples of all, and the numbers that those of each have.

        Of columns that every file holds in tuples, as many as have few tuples in all.
        """
        tables = self.tuples
        held = set.intersection(*({*one.column_names} for one in tables)) - {"cell_no"}
        columns = {name: coded(_joined([one[name] for one in tables])) for name in held}
        ends = np.cumsum([len(one) for one in tables])
        names, codes, firsts = few_cells(columns, int(ends[-1]))
        tuples = {name: columns[name].at(firsts).plain() for name in names}
        return pa.table({"cell_no": _numbered(len(firsts))} | tuples), np.split(codes, ends[:-1])


def _file_of_codes(path: Path) -> pq.ParquetFile:
    """Return a file whose texts are read as codes."""
    texts = [field.name for field in pq.read_schema(path) if pa.types.is_string(field.type)]
    return pq.ParquetFile(path, read_dictionary=texts)


def _numbered(count: int) -> pa.Array:
    return pa.array(np.arange(count, dtype=np.int32))


def _wider(one: pa.DataType | None, other: pa.DataType) -> pa.DataType:
    """Return a type that holds what two do, which differ in digits at most.

    Raises ValueError where that takes too many.
    """
    if one is None or one == other:
        return other
    scale = max(one.scale, other.scale)
    return pa.decimal128(
        max(one.precision - one.scale, other.precision - other.scale) + scale, scale
    )


def _joined(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Return columns one after the other, decimals with the most digits that any has."""
    kind = reduce(_wider, (column.type for column in columns))
    return pa.chunked_array([chunk for one in columns for chunk in one.cast(kind).chunks], kind)


_Taken = Sequence[tuple[_Rows, pa.Table]]
"""Some charges of imports: not none of any."""


def _ends(counts: Numbers) -> Numbers:
    """Return the ends of some accounts, then of the next, that have as many charges as are sorted
    at once, from how many each has.
    """
    whole = np.cumsum(counts)
    ends = np.searchsorted(whole, np.arange(_AT_ONCE, whole[-1], _AT_ONCE), "right")
    return np.unique([*(end for end in ends if end), len(counts)])


def _some_at_a_time(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """Yield the charges of a file, twice as many at once as are sorted."""
    some: list[pa.RecordBatch] = []
    for batch in file.iter_batches(min(_BATCH, _AT_ONCE)):
        some.append(batch)
        if sum(map(len, some)) >= 2 * _AT_ONCE:
            yield pa.Table.from_batches(some)
            some = []
    if some:
        yield pa.Table.from_batches(some)


def _sorted(
    taken: _Taken, keys: Sequence[str], kinds: Mapping[str, pa.DataType]
) -> dict[str, Coded | pa.Array]:
    """Return the columns of charges, account by account, of each account import by import."""
    account = np.concatenate([part["account_no"].to_numpy() for _, part in taken])
    order = np.argsort(account, kind="stable")
    cell = np.concatenate([one.cells[part["cell_no"].to_numpy()] for one, part in taken])
    sizes, ids = [len(part) for _, part in taken], [one.import_id for one, _ in taken]
    of_import = Coded(np.repeat(np.arange(len(ids), dtype=np.int32), sizes), pa.array(ids))
    rows: dict[str, Coded | pa.Array] = {
        "account_no": pa.array(account[order].astype(np.int32)),
        "cell_no": pa.array(cell[order]),
        "import_id": of_import.at(order),
    }
    places = pa.array(order)
    for name in ("row_no", *keys):
        rows[name] = _joined([part[name] for _, part in taken]).take(places).combine_chunks()
    for name, kind in kinds.items():
        columns = [one.column(part, name, kind) for one, part in taken]
        whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind)
        is_text = pa.types.is_dictionary(kind)
        rows[name] = coded(whole).at(order) if is_text else whole.take(places).combine_chunks()
    return rows
