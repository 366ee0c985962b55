"""The command line as a user meets it: a small world, its statements in every form, its explanations, and the exit codes."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from fenrun.base.table import to_rows
from fenrun.base.when import parse_moment, parse_period
from fenrun.book.as_of import sources_of
from fenrun.book.read import Book
from fenrun.book.rows import TABLES
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.facts import plans_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.rows import payees
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from tests.auditor.compare import answers_for, differences
from tests.command import fenrun


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a world of 3,000 charges."""
    folder = tmp_path_factory.mktemp("world")
    store = Store(folder / "ws")
    for path, day in make_world(folder / "files", 3_000, 5, late=True).files:
        import_file(store, path, datetime.combine(day, time()))
    return folder / "ws"


@pytest.fixture(scope="module")
def payee(world: Path) -> str:
    run = settle_workspace(Store(world), parse_period("2024-09")).run
    return next(p["payee"] for p in payees(run.engine) if p["role"] == "partner")


def test_auditor_agrees_on_the_world(world: Path) -> None:
    store = Store(world)
    run = settle_workspace(store, parse_period("2024")).run
    engine = DuckDB()
    engine.load_files(
        "charges", [i.folder / "charges.parquet" for i in store.imports("charges")], None
    )  # type: ignore[arg-type]
    charges = engine.table("charges").to_pylist()
    books = [
        (known, Book(**{name: to_rows(TABLES[name], table) for name, table in tables.items()}))
        for _, known, tables in sources_of(store.imports("book"))
    ]
    known = parse_moment("2030-01-01")
    (file,) = plans_as_of(store, known)
    answers = answers_for(charges, books, [file.plan], "2024", known)
    assert len(answers[file.plan.id].own) > 150 and not differences(run, answers)


def test_settle_contract(world: Path) -> None:
    one, two = (
        fenrun("settle", world, "--period", "2024-09", "--json"),
        fenrun("settle", world, "--period", "2024-09", "--json"),
    )
    assert one.code == 0 and one.out == two.out
    said = one.json()
    assert {
        "period",
        "currency",
        "credited",
        "earned",
        "uncredited",
        "statements",
        "problems",
        "run_id",
    } <= set(said)
    assert said["period"] == "2024-09" and said["currency"] == "CNY"
    assert all(
        {"payee", "role", "credited", "earned"} <= set(s) and isinstance(s["earned"], str)
        for s in said["statements"]
    )
    assert sum(Decimal(s["earned"]) for s in said["statements"]) == Decimal(said["earned"]) > 0
    engine = DuckDB()
    engine.load_files(
        "charges", [i.folder / "charges.parquet" for i in Store(world).imports("charges")], None
    )  # type: ignore[arg-type]
    billed = engine.query(
        "SELECT sum(BilledCost) AS b FROM charges WHERE BillingPeriodStart = TIMESTAMP '2024-09-01'"
    ).to_pylist()[0]["b"]
    assert Decimal(said["credited"]) + Decimal(said["uncredited"]) == billed


def test_months_make_the_year(world: Path) -> None:
    year = fenrun("settle", world, "--period", "2024", "--json").json()
    months = [
        settle_workspace(Store(world), parse_period(m)).run for m in parse_period("2024").months
    ]
    assert sum(
        r["earned"] for run in months for r in run.engine.table("earnings").to_pylist()
    ) == Decimal(year["earned"])


def test_statement_in_every_form(world: Path, payee: str, tmp_path: Path) -> None:
    said = fenrun("statement", world, payee, "--period", "2024-09", "--format", "json").json()
    assert sum(Decimal(x["earned"]) for x in said["lines"]) == Decimal(said["earned"])
    rows = list(
        csv.reader(
            io.StringIO(
                fenrun("statement", world, payee, "--period", "2024-09", "--format", "csv").out
            )
        )
    )
    assert [r[6] for r in rows[1:]] == [x["earned"] for x in said["lines"]]
    text = fenrun("statement", world, payee, "--period", "2024-09").out
    assert payee in text and f"{Decimal(said['earned']):,.2f}" in text
    chinese = fenrun("statement", world, payee, "--period", "2024-09", lang="zh-CN").out
    assert "结算单" in chinese and "月度任务" in chinese
    assert (
        fenrun(
            "statement",
            world,
            payee,
            "--period",
            "2024-09",
            "--format",
            "xlsx",
            "--out",
            tmp_path / "s.xlsx",
        ).code
        == 0
    )
    sheet = openpyxl.load_workbook(tmp_path / "s.xlsx").active
    assert sheet is not None
    cells = [c for row in sheet.iter_rows() for c in row if c.value is not None]
    assert all(c.data_type != "f" for c in cells)
    assert any(
        isinstance(c.value, (int, float)) and Decimal(str(c.value)) == Decimal(said["earned"])
        for c in cells
    )


def test_explanation_reaches_charges(world: Path, payee: str) -> None:
    lines = [
        x["line"]
        for x in fenrun(
            "statement", world, payee, "--period", "2024-09", "--format", "json"
        ).json()["lines"]
    ]
    for line in lines:
        e = fenrun(
            "explain", world, line, "--period", "2024-09", "--charges", 5000, "--json"
        ).json()
        assert len(e["charges"]) == e["charges_total"]
        assert sum(Decimal(c["credited"]) for c in e["charges"]) == Decimal(e["credited"])
        assert Decimal(e["credited"]) - sum(Decimal(x["amount"]) for x in e["excluded"]) - sum(
            Decimal(b["credited"]) - Decimal(b["counted"]) for b in e["baselines"]
        ) == Decimal(e["counted"])
        assert e["clause"]["line"] > 0 and e["words"]
    assert (
        fenrun("explain", world, payee, "--period", "2024-09", lang="zh-CN").out.count("应得") + 1
    )


def test_known_looks_back(world: Path) -> None:
    """As known in mid-July, June is there and August is not."""
    assert fenrun("settle", world, "--period", "2024-06", "--known", "2024-07-15").code == 0
    done = fenrun("settle", world, "--period", "2024-08", "--known", "2024-07-15", "--json")
    assert done.code == 1 and done.json()["problems"][0]["code"] == "charges-missing"


@pytest.mark.parametrize(
    "words, code",
    [
        (["settle"], 2),
        (["settle", "nowhere", "--period", "2024-09"], 1),
        (["settle", "WS", "--period", "September"], 2),
        (["dance"], 2),
        (["--help"], 0),
        (["--version"], 0),
        (["statement", "WS", "NOBODY", "--period", "2024-09"], 1),
        (["explain", "WS", "a/b/2024-09/c", "--period", "2024-09"], 1),
        (["statement", "WS", "P00001", "--period", "2024-09", "--format", "xlsx"], 2),
        (["settle", "WS", "--period", "2031-01"], 1),
        (["check", "WS"], 0),
        (["import", "WS", "missing.csv"], 1),
        (["plan", "check", "missing.yaml"], 1),
        (["demo", "WS"], 1),
    ],
)
def test_exit_codes(words: list[str], code: int, world: Path) -> None:
    done = fenrun(*[str(world) if w == "WS" else w for w in words])
    assert done.code == code, done.err
    assert "Traceback" not in done.err and (done.err or code == 0)


def test_formulas_from_outside_stay_text(tmp_path: Path) -> None:
    """Party ids and names that look like formulas come out as text in CSV and XLSX."""
    evil = "=HYPERLINK(1)"
    (tmp_path / "book.yaml").write_text(
        json.dumps(
            {
                "parties": [
                    {"party": evil, "kind": "partner", "name": "@SUM(1)"},
                    {"party": "+K", "kind": "customer"},
                ],
                "links": [
                    {
                        "of": "account",
                        "issuer": "Cloud",
                        "subject": "A1",
                        "role": "customer",
                        "party": "+K",
                    },
                    {"of": "customer", "subject": "+K", "role": "partner", "party": evil},
                ],
            }
        )
    )
    (tmp_path / "plan.yaml").write_text(
        (Path(__file__).parent.parent / "data/sample-plan.yaml").read_text().replace("USD", "CNY")
    )
    (tmp_path / "charges.csv").write_text(
        "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName,ChargeCategory\n10,A1,CNY,2024-09-01T00:00:00Z,2024-09-02T00:00:00Z,Cloud,Usage\n"
    )
    assert (
        fenrun(
            "import",
            tmp_path / "ws",
            *[tmp_path / n for n in ("book.yaml", "plan.yaml", "charges.csv")],
        ).code
        == 0
    )
    rows = list(
        csv.reader(
            io.StringIO(
                fenrun(
                    "statement", tmp_path / "ws", evil, "--period", "2024-09", "--format", "csv"
                ).out
            )
        )
    )
    assert rows[1][0] == "'" + evil and rows[1][6] == "1.50"
    assert (
        fenrun(
            "statement",
            tmp_path / "ws",
            evil,
            "--period",
            "2024-09",
            "--format",
            "xlsx",
            "--out",
            tmp_path / "s.xlsx",
        ).code
        == 0
    )
    for sheet in openpyxl.load_workbook(tmp_path / "s.xlsx"):
        assert all(c.data_type != "f" for row in sheet.iter_rows() for c in row)


def test_a_world_imported_at_once_has_no_problems(tmp_path: Path) -> None:
    assert fenrun("world", tmp_path / "files", "--rows", 2000).code == 0
    assert fenrun("import", tmp_path / "ws", tmp_path / "files").code == 0
    done = fenrun("settle", tmp_path / "ws", "--period", "2024-09", "--json")
    assert done.code == 0 and done.json()["problems"] == 0 and len(done.json()["statements"]) > 5


def test_world_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert fenrun("world", tmp_path / name, "--rows", 1000, "--seed", 3).code == 0
    files = sorted(
        p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()
    )
    assert len(files) > 15 and all(
        (tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files
    )


@pytest.mark.parametrize("how", ["environment", "option"])
def test_a_refusal_speaks_the_language_asked_for(tmp_path: Path, how: str) -> None:
    """What stops a command is said in Chinese where that was asked for, as text and as JSON."""
    words, lang = ([], "zh-CN") if how == "environment" else (["--lang", "zh-CN"], "en")
    refused = fenrun(
        *words, "settle", tmp_path / "nowhere", "--period", "2024-09", "--json", lang=lang
    )
    assert refused.code == 1 and "原因" in refused.err and not refused.err.isascii()
    assert not refused.json()["problems"][0]["what"].isascii()
    assert fenrun("settle", tmp_path / "nowhere", "--period", "2024-09").err.isascii()
