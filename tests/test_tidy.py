"""Style is a test: imports go left, functions stay short, money is never a float, clocks and SQL stay in their rooms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fenrun.base.words import catalogue
from tests.mutants import faults

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src/fenrun"
ROOMS = (
    "base",
    "engine",
    "store",
    "charges",
    "book",
    "plan",
    "credit",
    "earn",
    "payout",
    "statement",
    "settle",
    "whatif",
    "closing",
    "proof",
    "ledger",
    "world",
    "portal",
    "cli",
)
"""The rooms in the order in which they may know each other: a room imports those before it."""
DOORS = {"__init__": "ledger", "__main__": "cli"}
"""The only modules outside a room, and the last room that each may import."""
FILES = sorted(p for p in SRC.rglob("*.py") if p.parent.name != "migrations")
MOST_LINES = 70


def _room(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module that a file imports, also inside functions, by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(
                [*(above if node.level else []), *([node.module or ""] if node.module else [])]
            )
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _upward(path: Path, text: str) -> list[str]:
    """The imports of a file that go upward, or into no room."""
    room = _room(path)
    last = ROOMS.index(DOORS.get(room, room))
    package = ".".join(["fenrun", *path.relative_to(SRC).parent.parts])
    inside = [
        m for m in _imports(ast.parse(text), package) if m.split(".")[0] in ("fenrun", "bench")
    ]
    rooms = {m: m.split(".")[1] if m.startswith("fenrun.") else m for m in inside}
    return [m for m, other in rooms.items() if other not in ROOMS or ROOMS.index(other) > last]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_file(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    room = _room(path)
    assert room in ROOMS or path.stem in DOORS, "a module stands in a room"
    assert ast.get_docstring(tree), "a module says what it is"
    assert not _upward(path, text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= MOST_LINES, f"{node.name} is longer than {MOST_LINES} lines"
    assert "float(" not in text
    if room not in ("cli", "portal"):
        clock = re.search(r"\b(now|utcnow|today|time\.time|perf_counter)\(", text)
        assert not clock, "the clock is read only in cli and portal"
    if any(m.split(".")[0] == "duckdb" for m in _imports(tree, "fenrun")):
        assert room in ("engine", "charges"), "DuckDB stays behind the engine"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("settle/runs.py", "import fenrun.portal"),
        ("settle/runs.py", "from fenrun import portal"),
        ("settle/runs.py", "from fenrun.portal.models import Grant"),
        ("settle/runs.py", "from ..portal import models"),
        ("settle/runs.py", "from fenrun.closing.close import close"),
        ("base/when.py", "def f():\n    from fenrun.engine.port import Engine"),
        ("plan/rows.py", "if TYPE_CHECKING:\n    from fenrun.credit import rows"),
        ("whatif/cases.py", "import bench.job"),
        ("__init__.py", "from fenrun.portal import models"),
    ],
)
def test_an_upward_import_is_seen(file: str, line: str) -> None:
    assert not _upward(SRC / file, "from fenrun.base.problem import Problem")
    assert _upward(SRC / file, line)


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
    said = catalogue(name)
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
    for code in catalogue("problems.yaml"):
        assert f'"{code}"' in text, f"{code} is never raised"
    for key in catalogue():
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
    for fault in faults():
        fault.planted((SRC / fault.file).read_text("utf-8"))
