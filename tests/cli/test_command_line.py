"""The command line as a user meets it: a small world, statements, explanations, exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from fenrun.base.table import to_rows
from fenrun.base.when import parse_moment, parse_period
from fenrun.book.as_of import sources_of
from fenrun.book.read import Book
from fenrun.book.rows import TABLES
from fenrun.charges.stored import load_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.facts import plans_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.rows import payees
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from tests.auditor.compare import answers_for, differences
from tests.command import fenrun

SEPTEMBER = ("--period", "2024-09")


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
    """The partner that earns most in September."""
    run = settle_workspace(Store(world), parse_period("2024-09")).run
    return next(row["payee"] for row in payees(run.engine) if row["role"] == "partner")


def _charges(workspace: Path) -> DuckDB:
    """An engine with all imported charges."""
    engine = DuckDB()
    load_charges(engine, "charges", Store(workspace).imports("charges"))
    return engine


@pytest.mark.in_turn(3)
def test_auditor_agrees_on_the_world(world: Path) -> None:
    store = Store(world)
    run = settle_workspace(store, parse_period("2024")).run
    charges = _charges(world).table("charges").to_pylist()
    books = [
        (known, Book(**{name: to_rows(TABLES[name], table) for name, table in tables.items()}))
        for _, known, tables in sources_of(store.imports("book"))
    ]
    known = parse_moment("2030-01-01")
    (file,) = plans_as_of(store, known)
    answers = answers_for(charges, books, [file.plan], "2024", known)
    assert len(answers[file.plan.id].own) > 150 and not differences(run, answers)


def test_settle_contract(world: Path) -> None:
    """The keys that scripts rely on, and amounts as exact text; asked twice, the same."""
    one = fenrun("settle", world, *SEPTEMBER, "--json")
    two = fenrun("settle", world, *SEPTEMBER, "--json")
    assert one.code == 0 and one.out == two.out
    said = one.json()
    keys = "period currency credited earned uncredited statements problems problem_count run_id"
    assert set(keys.split()) <= set(said)
    assert said["period"] == "2024-09" and said["currency"] == "CNY"
    assert said["problem_count"] == len(said["problems"])
    for statement in said["statements"]:
        assert {"payee", "role", "credited", "earned"} <= set(statement)
        assert isinstance(statement["earned"], str)
    earned = sum(Decimal(statement["earned"]) for statement in said["statements"])
    assert earned == Decimal(said["earned"]) > 0


def test_all_of_a_month_is_credited_or_not(world: Path) -> None:
    said = fenrun("settle", world, *SEPTEMBER, "--json").json()
    billed = _charges(world).query(
        "SELECT sum(BilledCost) AS b FROM charges WHERE BillingPeriodStart = TIMESTAMP '2024-09-01'"
    )
    assert Decimal(said["credited"]) + Decimal(said["uncredited"]) == billed.to_pylist()[0]["b"]


@pytest.mark.in_turn(3)
def test_months_make_the_year(world: Path) -> None:
    year = fenrun("settle", world, "--period", "2024", "--json").json()
    earned = Decimal(0)
    for month in parse_period("2024").months:
        run = settle_workspace(Store(world), parse_period(month)).run
        earned += sum(row["earned"] for row in run.engine.table("earnings").to_pylist())
    assert earned == Decimal(year["earned"])


def _statement(world: Path, payee: str, form: str, *more: object, lang: str = "en") -> str:
    """What `fenrun statement` prints of September in a format."""
    done = fenrun("statement", world, payee, *SEPTEMBER, "--format", form, *more, lang=lang)
    assert done.code == 0, done.err
    return done.out


def _cells(path: Path) -> list[Any]:
    """Every cell of a workbook that holds something."""
    sheets = openpyxl.load_workbook(path)
    return [
        cell
        for sheet in sheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    ]


def test_statement_in_every_form(world: Path, payee: str, tmp_path: Path) -> None:
    said = json.loads(_statement(world, payee, "json"))
    earned = Decimal(said["earned"])
    assert sum(Decimal(line["earned"]) for line in said["lines"]) == earned
    _, *rows = csv.reader(io.StringIO(_statement(world, payee, "csv")))
    assert [row[6] for row in rows] == [line["earned"] for line in said["lines"]]
    text = _statement(world, payee, "text")
    assert payee in text and f"{earned:,.2f}" in text
    chinese = _statement(world, payee, "text", lang="zh-CN")
    assert "结算单" in chinese and "月度任务" in chinese
    _statement(world, payee, "xlsx", "--out", tmp_path / "s.xlsx")
    cells = _cells(tmp_path / "s.xlsx")
    assert all(cell.data_type != "f" for cell in cells)
    numbers = [cell.value for cell in cells if isinstance(cell.value, (int, float))]
    assert earned in {Decimal(str(number)) for number in numbers}


def test_explanation_reaches_charges(world: Path, payee: str) -> None:
    """Charges sum to what is credited; less what is excluded and the baselines, it is counted."""
    lines = json.loads(_statement(world, payee, "json"))["lines"]
    asked = ("--charges", 5000, "--json")
    for line in lines:
        found = fenrun("explain", world, line["line"], *SEPTEMBER, *asked).json()
        credited = sum(Decimal(charge["credited"]) for charge in found["charges"])
        excluded = sum(Decimal(one["amount"]) for one in found["excluded"])
        baselines = sum(
            Decimal(one["credited"]) - Decimal(one["counted"]) for one in found["baselines"]
        )
        assert len(found["charges"]) == found["charges_total"]
        assert credited == Decimal(found["credited"])
        assert credited - excluded - baselines == Decimal(found["counted"])
        assert found["clause"]["line"] > 0 and found["words"]
    chinese = fenrun("explain", world, payee, *SEPTEMBER, lang="zh-CN").out
    assert chinese.count(f"\n{payee} 2024-") == len(lines) and "归属金额" in chinese


def test_known_looks_back(world: Path) -> None:
    """As known in mid-July, June is there and August is not."""
    mid_july = ("--known", "2024-07-15")
    assert fenrun("settle", world, "--period", "2024-06", *mid_july).code == 0
    done = fenrun("settle", world, "--period", "2024-08", *mid_july, "--json")
    assert done.code == 1 and done.json()["problems"][0]["code"] == "charges-missing"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("settle", 2),
        ("settle nowhere --period 2024-09", 1),
        ("settle WS --period September", 2),
        ("dance", 2),
        ("--help", 0),
        ("--version", 0),
        ("statement WS NOBODY --period 2024-09", 1),
        ("explain WS a/b/2024-09/c --period 2024-09", 1),
        ("statement WS P00001 --period 2024-09 --format xlsx", 2),
        ("settle WS --period 2031-01", 1),
        ("check WS", 0),
        ("import WS missing.csv", 1),
        ("plan check missing.yaml", 1),
        ("demo WS", 1),
    ],
)
def test_exit_codes(words: str, code: int, world: Path) -> None:
    done = fenrun(*[str(world) if word == "WS" else word for word in words.split()])
    assert done.code == code, done.err
    assert "Traceback" not in done.err and (done.err or code == 0)


FORMULA = "=HYPERLINK(1)"
BOOK = {
    "parties": [
        {"party": FORMULA, "kind": "partner", "name": "@SUM(1)"},
        {"party": "+K", "kind": "customer"},
    ],
    "links": [
        {"of": "account", "issuer": "Cloud", "subject": "A1", "role": "customer", "party": "+K"},
        {"of": "customer", "subject": "+K", "role": "partner", "party": FORMULA},
    ],
}
CHARGE = {
    "BilledCost": "10",
    "BillingAccountId": "A1",
    "BillingCurrency": "CNY",
    "BillingPeriodStart": "2024-09-01T00:00:00Z",
    "ChargePeriodStart": "2024-09-02T00:00:00Z",
    "InvoiceIssuerName": "Cloud",
    "ChargeCategory": "Usage",
}


@pytest.fixture
def small(tmp_path: Path) -> list[Path]:
    """The files of one charge, of a book whose ids look like formulas, and of a plan."""
    plan = (Path(__file__).parent.parent / "data/sample-plan.yaml").read_text()
    texts = {
        "book.yaml": json.dumps(BOOK),
        "plan.yaml": plan.replace("USD", "CNY"),
        "charges.csv": f"{','.join(CHARGE)}\n{','.join(CHARGE.values())}\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in texts]


def test_formulas_from_outside_stay_text(small: list[Path], tmp_path: Path) -> None:
    """Party ids and names that look like formulas come out as text in CSV and XLSX."""
    workspace = tmp_path / "ws"
    assert fenrun("import", workspace, *small).code == 0
    rows = list(csv.reader(io.StringIO(_statement(workspace, FORMULA, "csv"))))
    assert rows[1][0] == "'" + FORMULA and rows[1][6] == "1.50"
    _statement(workspace, FORMULA, "xlsx", "--out", tmp_path / "s.xlsx")
    assert all(cell.data_type != "f" for cell in _cells(tmp_path / "s.xlsx"))


def test_what_a_file_holds_is_said_in_words(small: list[Path], tmp_path: Path) -> None:
    english = fenrun("import", tmp_path / "one", *small).out
    assert "2 parties, 2 links" in english and "plan sample" in english
    assert re.search(r"\b1 charge, FOCUS 1\.\d", english) and "10.00 CNY" in english
    chinese = fenrun("import", tmp_path / "two", *small, lang="zh-CN").out
    assert "2 个参与方、2 条关联" in chinese and "1 笔费用" in chinese
    assert not re.search(r"[{}]", english + chinese)


def test_the_log_says_what_happened(small: list[Path], tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    fenrun("import", workspace, *small)
    fenrun("settle", workspace, *SEPTEMBER)
    english = fenrun("audit", "show", workspace).out
    chinese = fenrun("audit", "show", workspace, lang="zh-CN").out
    for words in ("book imported", "plan imported", "charges imported", "period settled"):
        assert words in english and words not in chinese
    for words in ("导入归属簿", "导入方案", "导入费用", "结算期间"):
        assert words in chinese
    assert "4 events" in fenrun("audit", "verify", workspace).out
    kinds = [
        (one["act"], one["kind"]) for one in fenrun("audit", "show", workspace, "--json").json()
    ]
    assert sorted(kinds[:3]) == [("import", "book"), ("import", "charges"), ("import", "plans")]
    assert kinds[3] == ("settle", "runs")


def test_the_log_says_what_was_decided_about_an_import(small: list[Path], tmp_path: Path) -> None:
    """A zone changes who is credited: it stood in no row of the log, though the page said so."""
    workspace, charges = tmp_path / "ws", small[-1]
    said = ("--zone", "Asia/Shanghai", "--set", "RegionId=east")
    (one,) = fenrun("import", workspace, charges, *said, "--json").json()["imported"]
    ((event,),) = [fenrun("audit", "show", workspace, "--json").json()]
    facts = json.loads(event["after"])
    assert (facts["zone"], facts["set"]["RegionId"]["value"]) == ("Asia/Shanghai", "east")
    fenrun("resolve", workspace, one["id"], "--void")
    shown = " ".join(fenrun("audit", "show", workspace).out.split())
    assert f"{one['id'][:12]}: RegionId=east, Asia/Shanghai" in shown
    assert f"{one['id'][:12]}: void" in shown


@pytest.mark.parametrize(
    "words",
    [
        "check WS",
        "import WS missing.csv",
        "settle WS --period 2024-09",
        "settle nowhere --period 2024-09",
        "audit verify WS",
        "audit verify WS --head 00",
        "plan check missing.yaml",
        "plan test missing.yaml",
    ],
)
def test_problems_are_a_list_with_its_length_beside_it(words: str, world: Path) -> None:
    said = fenrun(*words.replace("WS", str(world)).split(), "--json").json()
    assert isinstance(said["problems"], list)
    assert said["problem_count"] == len(said["problems"])


def test_a_world_imported_at_once_has_no_problems(tmp_path: Path) -> None:
    assert fenrun("world", tmp_path / "files", "--rows", 2000).code == 0
    assert fenrun("import", tmp_path / "ws", tmp_path / "files").code == 0
    done = fenrun("settle", tmp_path / "ws", *SEPTEMBER, "--json")
    assert done.code == 0
    assert done.json()["problems"] == [] and len(done.json()["statements"]) > 5


def test_world_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        assert fenrun("world", folder, "--rows", 1000, "--seed", 3).code == 0
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) > 15
    for file in files:
        assert (one / file).read_bytes() == (other / file).read_bytes()


@pytest.mark.parametrize("how", ["environment", "option"])
def test_a_refusal_speaks_the_language_asked_for(tmp_path: Path, how: str) -> None:
    """What stops a command is said in Chinese where that was asked for, as text and as JSON."""
    settle = ("settle", tmp_path / "nowhere", *SEPTEMBER)
    if how == "environment":
        refused = fenrun(*settle, "--json", lang="zh-CN")
    else:
        refused = fenrun("--lang", "zh-CN", *settle, "--json")
    assert refused.code == 1 and "原因" in refused.err and not refused.err.isascii()
    assert not refused.json()["problems"][0]["what"].isascii()
    assert fenrun(*settle).err.isascii()


def test_what_the_system_refuses_is_said_in_the_readers_language(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    english = fenrun("world", tmp_path / "file/inside")
    chinese = fenrun("--lang", "zh-CN", "world", tmp_path / "file/inside")
    assert english.code == chinese.code == 1
    assert "is not a folder" in english.err and "不是文件夹" in chinese.err
    assert "directory" not in chinese.err
