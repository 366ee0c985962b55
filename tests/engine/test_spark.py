"""Apache Spark settles to the last digit what DuckDB does.

Every day part by part, as Spark's tasks work, without Spark; and in Spark itself, whose tasks are
processes of their own: by day a settlement from one Java, at night all on a cluster of two workers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.engine.choose import new_engine
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.questions import Part, Question
from fenrun.engine.spark import Spark, Work, task
from fenrun.settle import facts
from fenrun.settle.explain import explain
from fenrun.settle.imports import import_file
from fenrun.settle.results import KEPT
from fenrun.settle.runs import Settled, settle_workspace
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from tests.auditor.compare import run_engine
from tests.properties import worlds

EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "2"))
NIGHTLY = "FENRUN_NIGHTLY" in os.environ
AT_NIGHT = pytest.mark.skipif(not NIGHTLY, reason="at night: a minute")
WITH_JAVA = pytest.mark.skipif(
    shutil.which("java") is None and "JAVA_HOME" not in os.environ,
    reason="Spark needs Java, and there is none",
)


class InParts(Spark):
    """Spark without its cluster: two tasks a file, each of a few batches of thirteen rows."""

    def __init__(self) -> None:
        DuckDB.__init__(self)

    def found(
        self, question: Question, parts: Sequence[Part], small: Mapping[str, bytes]
    ) -> pa.Table:
        found = []
        for part in parts:
            work = self.work(question, part)
            batches = list(pq.ParquetFile(part.rows).iter_batches(13, columns=work.columns))
            for half in (batches[::2], batches[1::2]):
                found += list(task(work, SimpleNamespace(value=small))(half))
        return pa.Table.from_batches(found)


def _same_tables(one: Run, other: Run) -> None:
    """Assert that two runs have the same rows, of the same types, in every table that is kept."""
    for name in KEPT:
        first, second = (run.engine.query(f"FROM {name} ORDER BY ALL") for run in (one, other))
        assert first.schema == second.schema, name
        assert first.equals(second), name


@pytest.mark.in_turn(4)
@settings(max_examples=EXAMPLES)
@given(batch=worlds.batches())
def test_parts_put_together_are_the_whole(batch: worlds.Batch) -> None:
    world = (batch.charges, batch.books, batch.plans, batch.period)
    _same_tables(run_engine(*world, in_bulk=True), run_engine(*world, engine=InParts()))


PLAN = """plan: parts
title: Parts
source: test
published: 2023-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: Asia/Shanghai
AS OF
basis: billed
credit:
  first match:
    - {id: sold, when: "ServiceCategory = 'Compute'", mode: single, roles: [partner, seller]}
    - {id: all, mode: single, roles: [seller, partner]}
exclude:
  - {id: dear, when: BilledCost > 90}
  - {id: test-order, when: "x_OrderId in ('O-3', 'O-4')"}
tables:
  month: [{from: 2024-01-01, source: test, kind: all units, bands: [from 0 pays 5.25 %]}]
  each: [{from: 2024-01-01, source: test, kind: all units, bands: [from 0 pays 3 %]}]
earn:
  sum:
    - {id: month, pays: partner, per: month, on: amount, by: amount, table: month}
    - {id: order, pays: partner, per: month, each: x_OrderId, on: amount, by: amount, table: each}
    - {id: seller, pays: seller, per: month, each: order, on: amount, by: amount, table: each}
"""
AS_OF = "as of: [{when: \"ServiceCategory = 'Storage'\", day: x_Ordered}]\n"
BOOK = """links:
  - {of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1}
  - {of: account, issuer: Beichen Cloud, subject: A2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1, to: 2024-09-05}
  - {of: customer, subject: K1, role: partner, party: P3, from: 2024-09-05}
  - {of: customer, subject: K2, role: partner, party: P2}
  - {of: customer, subject: K1, role: seller, party: S1}
  - {of: order, issuer: Beichen Cloud, subject: O-1, role: partner, party: P2}
  - {of: order, issuer: Beichen Cloud, subject: O-2, role: seller, party: S2}
parties: [{party: K1, kind: customer}, {party: K2, kind: customer}, {party: P1, kind: partner},
  {party: P2, kind: partner}, {party: P3, kind: partner}, {party: S1, kind: seller},
  {party: S2, kind: seller}]
"""


def _charges(number: int, rows: int) -> str:
    """A file of charges as CSV: usage of five orders or none; each eleventh is a correction.

    A correction names no order, and has the account, price and start of the row before it.
    """
    lines = []
    for n in range(rows):
        is_correction = n % 11 == 10
        at = n - 1 if is_correction else n
        cells = {
            "BilledCost": f"-{at % 7}.50" if is_correction else f"{at * 7 % 95}.{at % 9}7",
            "BillingAccountId": f"A{at % 2 + 1}",
            "BillingCurrency": "CNY",
            "BillingPeriodStart": "2024-09-01T00:00:00Z",
            "BillingPeriodEnd": "2024-10-01T00:00:00Z",
            "ChargePeriodStart": f"2024-09-{at % 9 + 1:02}T{at % 24:02}:00:00Z",
            "ChargePeriodEnd": f"2024-09-{at % 9 + 2:02}T{at % 24:02}:00:00Z",
            "ChargeCategory": "Usage",
            "ChargeClass": "Correction" if is_correction else "",
            "InvoiceIssuerName": "Beichen Cloud",
            "ServiceCategory": ("Compute", "Storage", "Network")[at % 3],
            "SkuPriceId": f"price-{at % 5}",
            "x_OrderId": "" if is_correction or at % 6 == 5 else f"O-{at % 6}",
            "x_Ordered": f"2024-09-{at % 28 + 1:02}",
        }
        costs = dict.fromkeys(("EffectiveCost", "ContractedCost", "ListCost"), cells["BilledCost"])
        cells |= costs | ({"x_File": "2", "Tags": "{}"} if number else {})
        lines += [",".join(cells)] if not n else []
        lines.append(",".join(cells.values()))
    return "\n".join(lines) + "\n"


def _workspace(folder: Path, plan: str = PLAN, points: Sequence[str] = "..") -> Path:
    """Make a workspace of a plan, a book and two files of charges; the folder's name is odd.

    The point of a cost is another text in each file, as `points` says.
    """
    store = Store(folder / "work [1] *space")
    files = {"plan.yaml": plan, "book.yaml": BOOK}
    for n, (rows, point) in enumerate(zip((60, 40), points)):
        files[f"charges-{n}.csv"] = _charges(n, rows).replace(".", point)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, datetime(2024, 10, 3))
    return store.path


def _settled(workspace: Path, copy: Path, engine: str, month: str = "2024-09") -> Settled:
    """Settle a copy of a workspace on an engine."""
    shutil.copytree(workspace, copy / engine)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FENRUN_ENGINE", engine)
        if engine == "parts":
            patched.setattr(facts, "new_engine", InParts)
        return settle_workspace(Store(copy / engine), parse_period(month))


def _same_runs(one: Settled, other: Settled, explained: int = 3) -> None:
    """Assert that two runs are the same, kept and, so many lines, explained."""
    assert one.run_id == other.run_id and one.run.problems == other.run.problems
    _same_tables(one.run, other.run)
    earning = "SELECT line_id FROM statement_lines WHERE earned <> 0 ORDER BY line_id"
    lines = one.run.engine.query(earning).column("line_id").to_pylist()[:explained]
    assert len(lines) == explained
    assert [explain(one.run, x) for x in lines] == [explain(other.run, x) for x in lines]


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("as_of", ["", AS_OF], ids=["by start", "by a day of its own"])
def test_a_workspace_in_parts(tmp_path: Path, as_of: str) -> None:
    """Orders named and inherited, units, conditions on cells and rows, days, two files."""
    workspace = _workspace(tmp_path, PLAN.replace("AS OF\n", as_of))
    one, other = (_settled(workspace, tmp_path, engine) for engine in ("duckdb", "parts"))
    _same_runs(one, other)
    plan = one.run.engine
    assert plan.query("SELECT 1 FROM earnings WHERE unit = 'O-2' AND earned <> 0").num_rows
    assert plan.query("SELECT 1 FROM credited WHERE via = 'order' AND payee = 'S2'").num_rows


LARGE = (f"{'9' * 21}.", f".{'1' * 13}")
"""Costs of up to 23 digits before the point in one file, of 15 decimals in the other."""


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("engine", ["parts"])
def test_what_does_not_fit_is_rounded_the_same(tmp_path: Path, engine: str) -> None:
    workspace = _workspace(tmp_path, PLAN.replace("AS OF\n", ""), LARGE)
    one, other = (_settled(workspace, tmp_path, engine) for engine in ("duckdb", engine))
    assert "costs-rounded" in {problem.code for problem in one.run.problems}
    _same_runs(one, other, explained=3 if NIGHTLY else 1)


class Losing(InParts):
    """Tasks of which one saw no rows."""

    def found(self, *asked: Any) -> pa.Table:
        return super().found(*asked).slice(2)


def test_rows_that_are_lost_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = _workspace(tmp_path, PLAN.replace("AS OF\n", ""))
    monkeypatch.setattr(facts, "new_engine", Losing)
    with pytest.raises(Refused) as refused:
        settle_workspace(Store(workspace), parse_period("2024-09"))
    assert [p.code for p in refused.value.problems] == ["engine-failed"]


_ALONE = """
import pickle, sys
sys.modules["fenrun"] = None
from types import SimpleNamespace
import pyarrow as pa
work = pickle.load(sys.stdin.buffer)
rows = pa.record_batch({"n": [1, 2, 2]})
print(pa.Table.from_batches(list(work([rows])))["rows"].to_pylist())
"""


def test_workers_need_no_fenrun() -> None:
    from pyspark import cloudpickle

    views = {"charge_rows": "SELECT n FROM part_rows"}
    sql = "SELECT n, count(*) AS many FROM charge_rows GROUP BY n"
    work = task(Work(["n"], views, sql, sql, {}), SimpleNamespace(value={}))
    sent = cloudpickle.dumps(work)
    found = subprocess.run([sys.executable, "-c", _ALONE], input=sent, capture_output=True)
    assert found.stdout == b"[3, 0]\n", found.stderr


def test_spark_connect_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FENRUN_ENGINE", "spark")
    monkeypatch.setenv("SPARK_REMOTE", "sc://localhost")
    with pytest.raises(Refused) as refused:
        new_engine()
    assert [p.code for p in refused.value.problems] == ["engine-missing"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of two workers of one core each, whose Java compiles no more than once."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield
    session.stop()
    del os.environ["PYSPARK_PYTHON"], os.environ["JDK_JAVA_OPTIONS"]


@AT_NIGHT
@WITH_JAVA
def test_on_a_cluster(cluster: None, tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, PLAN.replace("AS OF\n", AS_OF))
    one, other = (_settled(workspace, tmp_path, engine) for engine in ("duckdb", "spark"))
    _same_runs(one, other)


@AT_NIGHT
@WITH_JAVA
def test_what_does_not_fit_is_rounded_on_a_cluster(cluster: None, tmp_path: Path) -> None:
    test_what_does_not_fit_is_rounded_the_same(tmp_path, "spark")


@AT_NIGHT
@WITH_JAVA
def test_a_task_that_fails_is_said(cluster: None, tmp_path: Path) -> None:
    engine, path = Spark(), tmp_path / "rows.parquet"
    pq.write_table(pa.table({"n": [1, 2]}), path)
    engine.view("charge_rows", f"FROM {engine.file(path)}")
    part = Part(f"SELECT c.n, c.no_such FROM {engine.file(path)} AS c", path, {})
    question = Question("found", "SELECT DISTINCT n FROM charge_rows", ["n"])
    with pytest.raises(Refused) as refused:
        engine.answer(question, lambda _: [part])
    problem = refused.value.problems[0]
    assert problem.code == "engine-failed" and "no_such" in problem.words("what")


@AT_NIGHT
@WITH_JAVA
@pytest.mark.parametrize("seed", [5, 6])
def test_a_world_on_a_cluster(cluster: None, tmp_path: Path, seed: int) -> None:
    """Late files, and what becomes known of June in August."""
    store = Store(tmp_path / "world")
    for path, day in make_world(tmp_path / "files", 3_000, seed, late=True).files:
        import_file(store, path, datetime.combine(day, time()))
    runs = [_settled(store.path, tmp_path, engine, "2024-06") for engine in ("duckdb", "spark")]
    _same_runs(*runs)
