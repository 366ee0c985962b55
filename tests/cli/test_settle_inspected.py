"""What a reviewer sees of a settlement: its SQL, its tables, its seconds."""

from __future__ import annotations

import re
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import pytest

from fenrun.engine.recorder import Made, RecordedEngine, Recorder
from fenrun.engine.steps import Step, read_steps
from fenrun.settle.imports import import_file
from fenrun.settle.script import script
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from tests.command import Done, fenrun
from tests.engine.test_pasted_steps import differing, without_decimals

EARNED = ("portion", "divisor", "uncapped", "earned")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a world of 600 charges."""
    folder = tmp_path_factory.mktemp("world")
    store = Store(folder / "ws")
    for path, day in make_world(folder / "files", 600, 5).files:
        import_file(store, path, datetime.combine(day, time()))
    return folder / "ws"


def _settle(world: Path, *words: object, lang: str = "en") -> Done:
    return fenrun("settle", world, "--period", "2024-09", *words, lang=lang)


@pytest.fixture(scope="module")
def said(world: Path) -> Any:
    """The summary of September."""
    return _settle(world, "--json").json()


@pytest.fixture(scope="module")
def file(world: Path, said: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of September, as a file."""
    path = tmp_path_factory.mktemp("kept") / "it's kept.duckdb"
    done = _settle(world, "--keep-tables", path, "--json")
    assert done.code == 0 and done.json() == said
    assert [*path.parent.iterdir()] == [path]
    return path


@pytest.fixture(scope="module")
def sql(world: Path, file: Path) -> str:
    """The SQL of September: of a run that is kept already."""
    done = _settle(world, "--show-sql")
    assert done.code == 0
    return done.out


def _made(sql: str) -> list[str]:
    return re.findall(r'(?m)^CREATE OR REPLACE (?:TABLE|VIEW) "(\w+)"', sql)


@pytest.mark.in_turn(3)
def test_the_sql_makes_the_same_of_the_loaded_tables(sql: str, file: Path) -> None:
    assert not differing(sql, file)
    assert "credits" in differing(sql.replace("'direct' AS kind", "'indirect' AS kind"), file)


@pytest.mark.in_turn(3)
def test_kept_tables_have_sentences_codes_and_decimals(file: Path, sql: str, said: Any) -> None:
    steps = [s for room in ("book", "earn", "statement") for s in read_steps(f"fenrun.{room}")]
    about = {step.name: step.about for step in steps}
    with duckdb.connect(str(file), read_only=True) as kept:
        found: dict[str, str] = dict(
            kept.execute(
                "SELECT table_name, comment FROM duckdb_tables() UNION ALL"
                " SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
        )
        assert all(found[name] for name in _made(sql))
        assert found["earnings"] == about["earnings"] and found["links"] == about["links"]
        earned = kept.execute(
            "SELECT c.text, s.earned, r.decimals FROM statements AS s JOIN codes AS c"
            " ON c.code = s.payee JOIN readings AS r"
            " ON r.table_name = 'statements' AND r.column_name = 'earned'"
        ).fetchall()
        assert {(payee, Decimal(amount).scaleb(-places)) for payee, amount, places in earned} == {
            (one["payee"], Decimal(one["earned"])) for one in said["statements"]
        }
        issuers = kept.execute(
            "SELECT DISTINCT c.issuer IS NOT NULL FROM groups AS g JOIN codes AS c"
            " ON c.code = g.account"
        ).fetchall()
        assert issuers == [(True,)]


def test_every_amount_has_decimals(file: Path) -> None:
    """A new step's amounts must be named in readings.py."""
    assert not without_decimals(file)


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("SELECT sum(a0) FROM groups WHERE month = 24296", "groups.a0"),
        ("SELECT sum(credited) FROM charged_sums WHERE month = 24296", "charged_sums.credited"),
        (
            "SELECT sum(a0) FROM situated WHERE month = 24296",
            "situated.a0",
        ),
    ],
)
def test_sums_read_by_their_decimals_are_the_months(
    sql: str, column: str, file: Path, said: Any
) -> None:
    """All of September is credited, and so the same amount at each stage."""
    with duckdb.connect(str(file), read_only=True) as kept:
        ((amount,),) = kept.execute(sql).fetchall()
        assert Decimal(amount).scaleb(-_decimals(kept)[column]) == Decimal(said["credited"])


def test_earnings_follow_from_what_bands_pay(file: Path) -> None:
    """With the decimals of each: what bands pay, the portion, and what is rounded to cents."""
    columns = ("tier_totals.amount", *(f"component_earnings.{name}" for name in EARNED))
    with duckdb.connect(str(file), read_only=True) as kept:
        places = [_decimals(kept)[column] for column in columns]
        rows = kept.execute(
            f"SELECT {', '.join(columns)} FROM component_earnings"
            " JOIN tested USING (plan, component, payee, unit, period)"
            " JOIN tier_totals USING (plan, line_no) WHERE reason = 'band'"
        ).fetchall()
    assert rows and len(set(places)) == len(places)
    for row in rows:
        amounts = (Decimal(int(n)).scaleb(-decimals) for n, decimals in zip(row, places))
        pays, portion, divisor, uncapped, earned = amounts
        assert uncapped == pays * portion
        assert abs(uncapped / divisor - earned) <= Decimal("0.005")


def _decimals(kept: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The decimals of each column of amounts."""
    sql = "SELECT table_name || '.' || column_name, decimals FROM readings"
    return dict(kept.execute(sql).fetchall())


def test_each_step_has_seconds_and_rows(world: Path, said: Any, sql: str, file: Path) -> None:
    done = _settle(world, "--why-slow", "--json").json()
    slow = done.pop("why_slow")
    assert done == said
    steps = {one["step"]: one for one in slow["steps"]}
    assert len(steps) == len(slow["steps"]) and sorted(steps) == sorted(_made(sql))
    seconds = [one["seconds"] for one in slow["steps"]]
    assert seconds == sorted(seconds, reverse=True) and seconds[0] > 0
    assert slow["outside_steps"] >= 0
    assert sum(seconds) + slow["outside_steps"] == pytest.approx(slow["seconds"], abs=1e-3)
    with duckdb.connect(str(file), read_only=True) as kept:
        for name in ("charge_rows", "credits", "earnings"):
            assert kept.execute(f"SELECT count(*) FROM {name}").fetchall() == [
                (steps[name]["rows"],)
            ]
    assert steps["coded_charges"]["rows"] is None


def test_seconds_are_shown_as_a_table(world: Path) -> None:
    shown = _settle(world, "--why-slow", lang="zh-CN").out
    assert "各步骤用时" in shown and re.search(r"earnings +0\.\d{3} +\d+ +\d+\.\d%", shown)


def test_nothing_is_overwritten_and_sql_stands_alone(world: Path, file: Path) -> None:
    before = file.read_bytes()
    for lang, words in (("en", "istherealready"), ("zh-CN", "已存在")):
        done = _settle(world, "--keep-tables", file, lang=lang)
        assert done.code == 1 and words in re.sub(r"\s", "", done.err)  # lines break anywhere
    assert file.read_bytes() == before
    nowhere = _settle(world, "--keep-tables", file.parent / "none/tables.duckdb")
    assert nowhere.code == 1 and "path-unusable" in nowhere.err
    assert _settle(world, "--show-sql", "--json").code == 2


def test_a_step_whose_rows_are_loaded_afterwards_is_a_comment() -> None:
    made = [Made("links", "What is so.", "SELECT 1 AS one"), Made("links")]
    text = script(made, [], "en")
    assert '\n-- CREATE OR REPLACE TABLE "links" AS\n-- SELECT 1 AS one;\n' in text
    assert "file: links." in text and not _made(text)


def test_what_a_runner_made_in_vain_is_forgotten() -> None:
    """SQLite refuses what it does not hold, and DuckDB begins anew."""
    recorder = Recorder(perf_counter)
    engine = RecordedEngine(recorder)
    for make in (engine.small, engine.bulk):
        runner = make()
        runner.load("given", {"n": "BIGINT"}, [(1,), (2,)])
        runner.run(Step("taken", "Numbers.", "SELECT n FROM given WHERE n < {most}"), {"most": "2"})
        assert [(one.name, one.rows) for one in recorder.made] == [("given", None), ("taken", 1)]
        assert [one.sql for one in recorder.steps] == ["SELECT n FROM given WHERE n < 2"]
    assert engine.small().is_narrow and not engine.bulk().is_narrow
