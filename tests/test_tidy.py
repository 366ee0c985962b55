"""Style is a test: imports go left, functions and lines stay short, money is never a float."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants import faults

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src/fenrun"
ROOMS = (
    "base",
    "engine",
    "store",
    "charges",
    "tables",
    "book",
    "plan",
    "terms",
    "events",
    "credit",
    "earn",
    "payout",
    "statement",
    "settle",
    "pricing",
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
MOST_COLUMNS = 100


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
        ("base/when.py", "def f():\n    from fenrun.engine.duckdb import DuckDB"),
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
    assert "/" not in sql
    assert not re.search(r"\b(avg|double|float|real)\b", sql, re.IGNORECASE)


TEXTS = sorted(
    path
    for root in (SRC, ROOT / "tests", ROOT / "bench", ROOT / "docs")
    for path in root.rglob("*")
    if path.suffix in (".py", ".sql", ".html", ".css", ".j2")
    and "migrations" not in path.parts
    and "site" not in path.parts
)


def test_lines_are_short() -> None:
    """Python's are the formatter's and E501's too; SQL, pages and styles have only this."""
    wide = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in TEXTS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > MOST_COLUMNS
    ]
    assert not wide


def test_the_reference_names_everything() -> None:
    """The reference names every problem, command, key and column, as the generator finds them."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec and spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for page, said in generate.pages().items():
        assert (ROOT / "docs" / page).read_text("utf-8") == said, "run: make docs"
    bench = (ROOT / "docs/reference/bench.md").read_text("utf-8")
    assert bench == generate.bench_page(bench), "run: make docs"
    assert (ROOT / "docs/reference/bench.svg").read_text("utf-8") == generate.chart(), (
        "run: make docs"
    )
    for made_for, path in generate.SCHEMAS.items():
        assert path.read_text("utf-8") == generate.schema(*made_for), "run: make docs"


def test_every_planted_fault_still_has_its_place() -> None:
    """`make mutants` takes long and runs seldom; that its texts are in the code is seen at once."""
    for fault in faults():
        fault.planted((SRC / fault.file).read_text("utf-8"))
