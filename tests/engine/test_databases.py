"""Engines of one process: each has a database of its own, of which no other sees anything."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from threading import Thread
from weakref import ref

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Refused
from fenrun.engine.databases import MEMORY
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.steps import Step

NUMBERS = pa.table({"n": pa.array([1, 2, 3], pa.int64())})
TEXTS = pa.table({"t": pa.array(["b", "a", "b"]).dictionary_encode()})


def _databases(engine: DuckDB) -> set[str]:
    return {row["database_name"] for row in engine.rows("SELECT * FROM duckdb_databases()")}


def test_nothing_of_one_engine_is_seen_in_another() -> None:
    one, other = DuckDB(), DuckDB()
    one.load("loaded", NUMBERS)
    one.show("shown", TEXTS)
    one.view("seen", "FROM shown")
    one.run(Step("made", "", "SELECT n + 1 AS n FROM loaded"), {})
    with one.temporary_schema("aside"):
        one.load("inside", NUMBERS)
        for name in ("loaded", "shown", "seen", "made", "inside"):
            assert one.has(name) and not other.has(name), name
            with pytest.raises(Exception, match="does not exist"):
                other.rows(f"FROM {name}")
        with other.temporary_schema("aside"):
            other.load("inside", TEXTS)
        assert one.rows("SELECT sum(n) AS n FROM inside") == [{"n": 6}]
    assert not one.has("inside")
    other.load("loaded", TEXTS)
    assert one.rows("SELECT max(n) AS n FROM made JOIN loaded USING (n)") == [{"n": 3}]


def test_what_an_engine_held_goes_with_it() -> None:
    engine = DuckDB()
    table = pa.table({"n": pa.array(range(1000), pa.int64())})
    engine.show("numbers", table)
    engine.load("copied", table)
    (name,) = (row["name"] for row in engine.rows("SELECT current_database() AS name"))
    assert engine.rows("SELECT count(*) AS n FROM numbers") == [{"n": 1000}]
    held = ref(table)
    runner = engine.bulk()
    del engine, table
    gc.collect()
    assert runner.rows("SELECT count(*) FROM copied") == [(1000,)], "whoever still reads it can"
    del runner
    gc.collect()
    assert held() is None
    assert name not in _databases(DuckDB()), "dropped when the next one begins"


def test_engines_work_side_by_side_in_threads() -> None:
    found: list[int] = []

    def work(number: int) -> None:
        for _ in range(3):
            engine = DuckDB()
            engine.load("numbers", pa.table({"n": [number] * 1000}))
            found.append(engine.rows("SELECT CAST(sum(n) AS BIGINT) AS n FROM numbers")[0]["n"])

    threads = [Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted([number * 1000 for number in range(6)] * 3)


def test_the_environment_says_how_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = DuckDB()
    asked = "SELECT current_setting('memory_limit') AS said"
    monkeypatch.setenv(MEMORY, "300MB")
    assert DuckDB().rows(asked) == [{"said": "286.1 MiB"}]
    assert usual.rows(asked) != [{"said": "286.1 MiB"}]
    monkeypatch.setenv(MEMORY, "much")
    for spill in (None, Path(os.devnull)):
        with pytest.raises(Refused) as refusal:
            DuckDB(spill)
        assert [problem.code for problem in refusal.value.problems] == ["setting-unreadable"]


def test_tables_are_made_when_somebody_asks(tmp_path: Path) -> None:
    engine, made = DuckDB(), []

    def make() -> pa.Table:
        made.append(1)
        return TEXTS

    engine.show("texts", make)
    path = tmp_path / "numbers.parquet"
    pq.write_table(NUMBERS, path)
    engine.load_file("numbers", path)
    engine.show("none", NUMBERS.slice(0, 0))
    assert engine.has("texts") and engine.rows("SELECT 1 AS one") == [{"one": 1}]
    assert not made, "nobody asked"
    assert engine.is_empty("none") and not engine.is_empty("texts")
    assert not engine.is_empty("unknown"), "who knows"
    assert engine.table("texts").schema == pa.schema({"t": pa.string()})
    assert engine.columns("texts") == {"t": "VARCHAR"}
    joined = engine.rows("SELECT t, n FROM texts, numbers WHERE n = ? ORDER BY t LIMIT 1", [2])
    assert joined == [{"t": "a", "n": 2}] == engine.query("SELECT 'a' AS t, 2 AS n").to_pylist()
    assert made == [1], "once"
    engine.show("texts", TEXTS.slice(0, 1))
    assert engine.rows("FROM texts") == [{"t": "b"}], "shown anew"
