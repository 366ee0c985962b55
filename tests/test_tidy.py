"""Style is a test: imports go left, functions stay short, money is never a float, clocks and SQL stay in their rooms."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from tests.mutants import FAULTS

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src/fenrun"
ROOMS = (
    "base",
    "engine",
    "charges",
    "book",
    "plan",
    "credit",
    "earn",
    "payout",
    "statement",
    "integrity",
    "lab",
    "world",
    "closing",
    "proof",
    "ledger",
    "bench",
    "portal",
    "cli",
)
DOOR = ("pipeline", "cases", "workspace", "change", "estimate", "__init__", "__main__")
"""Modules above the rooms: they may use any room up to statement; those from world on may use them."""
FILES = sorted(p for p in SRC.rglob("*.py") if p.parent.name != "migrations")
MOST_LINES = 70


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [n.name for n in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [
                f"{node.module}.{n.name}" if node.module == "fenrun" else node.module
                for n in node.names
            ]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_file(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    room = path.relative_to(SRC).parts[0].removesuffix(".py")
    assert ast.get_docstring(tree), "a module says what it is"
    for module in _imports(tree):
        if not module.startswith("fenrun"):
            continue
        other = _room(module)
        if room in ROOMS and other in ROOMS:
            assert ROOMS.index(other) <= ROOMS.index(room), f"{room} imports {module}"
        if room in ROOMS[: ROOMS.index("world")]:
            assert other not in DOOR, f"{room} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < MOST_LINES, (
                f"{node.name} is longer than {MOST_LINES} lines"
            )
    assert "float(" not in text
    if room not in ("cli", "portal", "bench"):
        assert not re.search(r"\b(now|utcnow|today|time\.time|perf_counter)\(", text), (
            "the clock is read only in cli and portal"
        )
    if "duckdb" in _imports(tree):
        assert room in ("engine", "charges"), "DuckDB stays behind the engine"


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.sql")), ids=lambda p: str(p.relative_to(SRC)))
def test_sql_divides_no_money(path: Path) -> None:
    sql = "\n".join(
        line for line in path.read_text("utf-8").splitlines() if not line.startswith("--")
    )
    sql = re.sub(r"'[^']*'", "''", sql)
    assert (
        "/" not in sql
        and not re.search(r"\bavg\b", sql, re.I)
        and not re.search(r"\b(double|float|real)\b", sql, re.I)
    )


@pytest.mark.parametrize("name", ["words.yaml", "problems.yaml"])
def test_both_languages_are_complete(name: str) -> None:
    said = yaml.safe_load((SRC / "base" / name).read_text("utf-8"))
    for key, value in said.items():
        for part in (
            [value] if name == "words.yaml" else [value["what"], value["why"], value["fix"]]
        ):
            assert set(part) == {"en", "zh-CN"}, key
            assert set(re.findall(r"\{(\w+)", part["en"])) == set(
                re.findall(r"\{(\w+)", part["zh-CN"])
            ), key


def test_every_code_and_word_is_used() -> None:
    text = "\n".join(p.read_text("utf-8") for p in [*FILES, *SRC.rglob("*.html")])
    for code in yaml.safe_load((SRC / "base/problems.yaml").read_text("utf-8")):
        assert f'"{code}"' in text, f"{code} is never raised"
    for key in yaml.safe_load((SRC / "base/words.yaml").read_text("utf-8")):
        assert (
            re.search(rf"""["']{key}["']""", text)
            or key.split("-")[0]
            in (
                "reason",
                "via",
                "severity",
                "says",
                "proof",
                "round",
                "per",
                "reading",
                "counts",
                "compare",
                "kind",
                "group",
                "effect",
                "diff",
                "guide",
                "pay",
                "cause",
                "entry",
                "role",
            )
            or key.startswith(
                (
                    "portal-state-",
                    "portal-dispute-",
                    "portal-do-",
                    "portal-kind-",
                    "portal-request-",
                    "portal-role-",
                    "portal-error-",
                    "portal-trend-",
                )
            )
        ), f"{key} is never said"


def test_the_reference_names_everything() -> None:
    """Every problem code, command, plan key and book column stands in the reference; and it is what the generator makes."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec and spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (ROOT / "docs/reference.md").read_text("utf-8") == generate.reference(), "run: make docs"
    bench = (ROOT / "docs/bench.md").read_text("utf-8")
    assert (
        bench == generate.bench_page(bench)
        and (ROOT / "docs/bench.svg").read_text("utf-8") == generate.chart()
    ), "run: make docs"
    assert (SRC / "plan/schema.json").read_text("utf-8") == generate.schema(), "run: make docs"


def test_every_planted_fault_still_has_its_place() -> None:
    """`make mutants` takes long and runs seldom; that its texts are in the code is seen at once."""
    gone = [
        (what, file)
        for what, file, text, _ in FAULTS
        if (SRC / file).read_text("utf-8").count(text) != 1
    ]
    assert not gone
