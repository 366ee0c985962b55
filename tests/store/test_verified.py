"""Facts and results are verified when they are read: an edited file stops the act, and is named."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.engine.runner import SQLite
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_files
from fenrun.settle.runs import settle_workspace
from fenrun.store import digests
from fenrun.store.facts import Store

DATA = Path(__file__).parent.parent / "data"
KNOWN = datetime(2024, 12, 1)
PERIOD = parse_period("2024-09")


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = Store(tmp_path_factory.mktemp("settled") / "ws")
    names = ("focus_sample.csv", "sample-book.yaml", "sample-plan.yaml")
    for outcome in import_files(found, [DATA / name for name in names], KNOWN):
        assert not isinstance(outcome, Refused)
    settle_workspace(found, PERIOD)
    return found.path


@pytest.fixture
def store(settled: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copytree(settled, tmp_path / "ws")))


def _flip(path: Path) -> None:
    """Change a byte in the middle, and put size and time back."""
    was, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def _replace(path: Path) -> None:
    """Put another file of the same size and time in its place."""
    _flip(Path(shutil.copy2(path, path.with_name("other"))))
    os.replace(path.with_name("other"), path)


EDITS: dict[str, Callable[[Path], object]] = {
    "flip": _flip,
    "replace": _replace,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "remove": Path.unlink,
    "unreadable": lambda path: (path.unlink(), path.symlink_to(path)),
    "add": lambda path: path.with_name("more.parquet").write_bytes(b"x"),
}
FILES = (
    "charges/*/charges.parquet",
    "book/*/links.parquet",
    "plans/*/plan.yaml",
    "runs/*/l*.parquet",
)


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_file_stops_a_settlement_and_is_named(store: Store, edit: str, file: str) -> None:
    with mock.patch.object(digests, "_SETTLES", 0):
        settle_workspace(store, PERIOD)  # all is verified, and known by its state
        path = next(store.path.glob(file))
        EDITS[edit](path)
        with pytest.raises(Refused) as stopped:
            settle_workspace(store, PERIOD)
    (problem,) = stopped.value.problems
    named = path.with_name("more.parquet") if edit == "add" else path
    assert (problem.code, problem.place.source) == (
        "stored-edited",
        named.relative_to(store.path).as_posix(),
    )


def _settle(store: Store) -> None:
    """Settle anew, whatever is kept."""
    facts_as_of(store, KNOWN).settle(PERIOD, KNOWN)


def test_files_are_read_once_until_they_change(store: Store) -> None:
    read: list[Path] = []

    def digest(path: Path) -> str:
        read.append(path)
        return digests.file_digest(path)

    with mock.patch.object(digests, "_SETTLES", 0), mock.patch.object(digests, "_digest", digest):
        digests._read.clear()
        _settle(store)
        assert len(read) == len({*read}) and {p.parent.parent.name for p in read} == {
            "charges",
            "book",
            "plans",
        }
        digests._read.clear()  # another process
        _settle(store)
        first = len(read)
        os.utime(read[0])
        _settle(store)
    assert first == len({*read}) and read[first:] == read[:1]


def test_a_file_written_a_moment_ago_is_read_again(store: Store) -> None:
    """A second change within one tick of the clock leaves the same times."""
    path = next(store.path.glob("book/*/links.parquet"))
    one_tick = [1, 1, 1, time.time_ns(), time.time_ns()]
    with (
        mock.patch.object(digests, "_SETTLES", 10**12),
        mock.patch.object(digests, "_state", lambda path: one_tick),
    ):
        _settle(store)
        _flip(path)
        with pytest.raises(Refused):
            _settle(store)


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("kept", ["", "[]", "{", '{"a": 1}', '{"book": [[]]}', None])
def test_what_is_kept_of_digests_changes_nothing_but_time(store: Store, kept: str | None) -> None:
    path = store.path / "cache" / "digests.json"
    with mock.patch.object(digests, "_SETTLES", 0):
        _settle(store)
        said = json.loads(path.read_text())
        assert any(name.startswith("charges/") for name in said)
        if kept is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(kept)
        digests._read.clear()
        _settle(store)
        assert said.items() <= json.loads(path.read_text()).items()


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("damage", ["amounts", "tables", "marker", "not one"])
def test_a_kept_month_that_was_edited_is_measured_again(store: Store, damage: str) -> None:
    """A cache is nobody's word: other sums in a good file of Parquet are not taken for ours."""
    facts = facts_as_of(store, KNOWN)

    def earned() -> list[dict[str, object]]:
        run = facts.settle(PERIOD, KNOWN, make=SQLite)
        return run.engine.table("statements").to_pylist()

    before = earned()
    kept = list((store.path / "cache").rglob("performance_measures.parquet"))
    assert before and any(pq.read_table(path).num_rows for path in kept)
    for path in kept:
        table, marker = pq.read_table(path), path.with_name("month.json")
        if damage == "amounts":
            place = table.column_names.index("amount")
            more = pa.array([Decimal(9999)] * table.num_rows, table["amount"].type)
            pq.write_table(table.set_column(place, "amount", more), path)
        elif damage == "tables":
            path.write_bytes(path.read_bytes()[:-9])
        else:
            marker.write_text(marker.read_text()[:-9] if damage == "marker" else "[1]")
    assert earned() == before
