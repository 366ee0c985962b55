"""Apache Spark settles to the cent what DuckDB does.

On a cluster of two workers, each a process of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import AsOf, Period, parse_period
from fenrun.engine.choose import new_engine
from fenrun.engine.dialect import rounded, rounded_quotient
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.port import Engine
from fenrun.engine.steps import Step
from fenrun.plan.read import PlanFile, load_plan
from fenrun.plan.rows import Plan
from fenrun.plan.text import CaseText
from fenrun.settle.explain import explain
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.pipeline import settle
from fenrun.settle.results import KEPT
from fenrun.settle.runs import settle_workspace
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.whatif.cases import run_cases, settle_case
from fenrun.whatif.compare import as_other
from fenrun.world.make import make_world

ROOT = Path(__file__).parent.parent.parent
PROGRAMMES = (
    "p02a-growth-on-increment",
    "p07-sum-with-a-ceiling",
    "p08b-small-co-op-as-cash",
    "p13-tables-and-draws",
    "p14-rep-double-credit",
)
"""Between them: growth, a ceiling, forms and tax, draws carried over months, roll-ups."""
LIMITS = (
    "0",
    "0.5",
    "-0.5",
    "1.5",
    "-1.5",
    "2.5",
    "-2.5",
    "2.4999999999",
    "-7.0000000001",
    "99999999999999999.9999999999",
    "-99999999999999999.5",
)
NAMES = ("customer", "party", "subject")
"""The keys of a case's rows that name somebody."""

SETTLES = pytest.mark.skip(reason="Spark settles nothing until it runs steps on whole numbers")
pytestmark = pytest.mark.skipif(
    shutil.which("java") is None and "JAVA_HOME" not in os.environ,
    reason="Spark needs Java, and there is none",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of two worker processes of one core each; FENRUN_ENGINE asks for it."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    os.environ["FENRUN_ENGINE"] = "spark"
    yield
    del os.environ["FENRUN_ENGINE"]
    session.stop()


@pytest.fixture(scope="module")
def both(cluster: None) -> tuple[Engine, Engine]:
    """DuckDB and Spark with one table `v` of values at their limits."""
    amounts = [Decimal(text) for text in LIMITS]
    numbers = range(len(amounts))
    modes = [("half up", "half even", "down")[n % 3] for n in numbers]
    table = pa.table(
        {
            "n": pa.array(numbers, pa.int64()),
            "a": pa.array(amounts, pa.decimal128(38, 10)),
            "whole": pa.array([int(a * 2) for a in amounts], pa.decimal128(38, 0)),
            "mode": pa.array(modes),
            "text": pa.array([None, "b", "a", None, "c", "it's", "a\\b", "", "Z", "中", "a"]),
            "day": pa.array([date(2024, 1 + n, 29) for n in numbers]),
        }
    )
    engines = DuckDB(), new_engine()
    for engine in engines:
        engine.load("v", table)
    return engines


SAID = {
    "cut": "SELECT n, trunc(a) AS x FROM v",
    "sign": "SELECT n, CAST(sign(a) AS DECIMAL(38, 0)) AS x FROM v",
    "rest": "SELECT n, CAST(whole AS HUGEINT) % 3 AS x FROM v",
    "in full": "SELECT n, CAST(CAST(whole AS HUGEINT) // 3 AS DECIMAL(38, 0)) AS x FROM v",
    "rounded": f"SELECT n, {rounded('a', 'mode')} AS x FROM v",
    "quotient": f"SELECT n, {rounded_quotient('CAST(whole AS HUGEINT)', '7', 'mode')} AS x FROM v",
    "first of what holds something": "SELECT mode AS n, min_by(text, n) AS x FROM v GROUP BY mode",
    "last of what holds something": "SELECT mode AS n, max_by(text, n) AS x FROM v GROUP BY mode",
    "months later": "SELECT n, CAST(day + to_months(n) AS DATE) AS x FROM v",
    "months earlier": "SELECT n, CAST(day - to_months(n) AS DATE) AS x FROM v",
    "a year earlier": "SELECT n, CAST(day - INTERVAL 1 YEAR AS DATE) AS x FROM v",
    "by name": "SELECT n, a AS x, text FROM v UNION ALL BY NAME SELECT text, n + 100 AS n FROM v",
    "a number's digits": "SELECT n, CAST(a AS VARCHAR) AS x FROM v",
    "not told apart": "SELECT n, text IS NOT DISTINCT FROM NULL AS x FROM v",
    "order of texts": """
        SELECT row_number() OVER (ORDER BY text) AS n, text AS x
        FROM (SELECT DISTINCT text FROM v) AS t""",
    "product": "SELECT n, a * CAST(0.123456 AS DECIMAL(38, 6)) AS x FROM v",
    "no number": "SELECT n, TRY_CAST(text AS DECIMAL(38, 15)) IS NULL AS x FROM v",
    "in a list": "SELECT n, text IN ('it''s', 'a\\b') AS x FROM v",
    "exploded": "SELECT n, unnest([n, n + 1]) AS x FROM v",
}


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows whatever their order, numbers by their value."""
    found = zip(*(column.to_pylist() for column in table.columns))
    return sorted(
        (
            tuple(
                f"{Decimal(v).normalize():f}"
                if isinstance(v, int | Decimal) and not isinstance(v, bool)
                else v
                for v in row
            )
            for row in found
        ),
        key=repr,
    )


@pytest.mark.parametrize("name", SAID)
def test_means_the_same(both: tuple[Engine, Engine], name: str) -> None:
    one, other = (_rows(engine.query(SAID[name])) for engine in both)
    assert one == other and one


def test_spark_connect_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FENRUN_ENGINE", "spark")
    monkeypatch.setenv("SPARK_REMOTE", "sc://localhost")
    with pytest.raises(Refused) as refused:
        new_engine()
    assert [p.code for p in refused.value.problems] == ["engine-missing"]


def test_settling_on_spark_is_refused_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FENRUN_ENGINE", "spark")
    with pytest.raises(Refused) as refused:
        facts_as_of(Store(tmp_path), datetime(2025, 1, 1)).settle(
            parse_period("2024-06"), datetime(2025, 1, 1)
        )
    assert [p.code for p in refused.value.problems] == ["engine-missing"]


def test_what_does_not_fit_is_refused(both: tuple[Engine, Engine]) -> None:
    for engine in both:
        with pytest.raises(Refused) as refused:
            engine.run(Step("wide", "", "SELECT sum(a * a * a * a) AS x FROM v"), {})
        assert [p.code for p in refused.value.problems] == ["amount-too-large"]


@SETTLES
@pytest.mark.parametrize("name", PROGRAMMES)
def test_cases(cluster: None, name: str) -> None:
    """The first case of a programme; all of them are for DuckDB."""
    file = load_plan(ROOT / "programmes" / f"{name}.yaml")
    outcomes, problems = run_cases(
        replace(file, text=file.text.model_copy(update={"cases": file.text.cases[:1]}))
    )
    assert outcomes and all(o.ok for o in outcomes) and not problems


@SETTLES
def test_cases_of_five_programmes_at_once(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five plans over the facts of the first case of each settle on Spark as on DuckDB."""
    files = [load_plan(ROOT / "programmes" / f"{name}.yaml") for name in PROGRAMMES]
    plans = [_alike(file, files[0]) for file in files]
    case = _joined([file.text.cases[0] for file in files])

    def settle_all(engine: Engine, _: Any, period: Period, as_of: AsOf) -> Run:
        return settle(engine, plans, period, as_of)

    monkeypatch.setattr("fenrun.whatif.cases.settle", settle_all)
    found = {}
    for engine in ("spark", "duckdb"):
        monkeypatch.setenv("FENRUN_ENGINE", engine)
        found[engine] = settle_case(files[0], case, parse_period("2024-01/2025-12"), 1)
    _same_tables(found["spark"], found["duckdb"])
    earned = found["duckdb"].engine.query("SELECT DISTINCT plan_id FROM earnings WHERE earned <> 0")
    assert earned.num_rows == len(plans)


def _alike(file: PlanFile, first: PlanFile) -> Plan:
    """The plan in the currency, time zone and limits of the first, so that both settle at once."""
    terms = first.plan.terms[0]
    shared = ("currency", "timezone", "as_of")
    limits = ("registration_days", "open_registrations", "cooldown_months")
    return as_other(file.plan, file.plan.id, **{k: getattr(terms, k) for k in (*shared, *limits)})


def _joined(cases: list[CaseText]) -> CaseText:
    """One case of the facts of all; who is named in the second and later ones is somebody else."""
    facts: dict[str, list[dict[str, str]]] = {}
    for number, case in enumerate(cases):
        mark = f".{number}" if number else ""
        for table, rows in case.given:
            facts.setdefault(table, []).extend(
                {k: f"{v}{mark}" if k in NAMES else v for k, v in row.items()} for row in rows
            )
    return cases[0].model_copy(update={"given": cases[0].given.model_copy(update=facts)})


def _same_tables(one: Run, other: Run) -> None:
    """Assert that two runs have the same rows in every table that is kept."""
    for name in KEPT:
        tables = [run.engine.table(name) for run in (one, other)]
        assert tables[0].column_names == tables[1].column_names, name
        assert _rows(tables[0]) == _rows(tables[1]), name


@SETTLES
def test_a_workspace(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is kept and explained in the same way, whichever engine settled."""
    for path, day in make_world(tmp_path / "files", 3_000, 5, late=True).files:
        import_file(Store(tmp_path / "one"), path, datetime.combine(day, time()))
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    june = parse_period("2024-06")
    one = settle_workspace(Store(tmp_path / "one"), june)
    monkeypatch.setenv("FENRUN_ENGINE", "duckdb")
    other = settle_workspace(Store(tmp_path / "other"), june)
    assert one.run_id == other.run_id and one.run.problems == other.run.problems
    _same_tables(one.run, other.run)
    earning = "SELECT line_id FROM statement_lines WHERE earned <> 0 ORDER BY line_id LIMIT 3"
    lines = one.run.engine.query(earning).column("line_id").to_pylist()
    assert len(lines) == 3
    assert [explain(one.run, x) for x in lines] == [explain(other.run, x) for x in lines]
