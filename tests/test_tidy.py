"""Style is a test: imports go left, functions and lines stay short, money is never a float."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handwriting import MOST_LINES
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
    "integrity",
    "lab",
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


def _upward(path: Path, tree: ast.AST) -> list[str]:
    """The imports of a file that go upward, or into no room."""
    room = _room(path)
    last = ROOMS.index(DOORS.get(room, room))
    package = ".".join(["fenrun", *path.relative_to(SRC).parent.parts])
    inside = [m for m in _imports(tree, package) if m.split(".")[0] in ("fenrun", "bench")]
    rooms = {m: m.split(".")[1] if m.startswith("fenrun.") else m for m in inside}
    return [m for m, other in rooms.items() if other not in ROOMS or ROOMS.index(other) > last]


def test_modules_are_tidy() -> None:
    wrong = {}
    for path in FILES:
        text = path.read_text("utf-8")
        if found := [*_untidy(path, text, ast.parse(text))]:
            wrong[str(path.relative_to(SRC))] = found
    assert not wrong


def _untidy(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    """What is wrong with a module."""
    room = _room(path)
    clock = re.search(r"\b(now|utcnow|today|time\.time|perf_counter)\(", text)
    duckdb = any(m.split(".")[0] == "duckdb" for m in _imports(tree, "fenrun"))
    for is_wrong, what in (
        (room not in ROOMS and path.stem not in DOORS, "it stands in no room"),
        (not ast.get_docstring(tree), "it does not say what it is"),
        # HiGHS counts in floats: it chooses, and what its choice gains is settled.
        ("float(" in text and "highspy" not in text, "it makes a float"),
        (clock and room not in ("cli", "portal"), "it reads the clock, as only cli and portal do"),
        (duckdb and room not in ("engine", "charges"), "it imports DuckDB, as only engine does"),
    ):
        if is_wrong:
            yield what
    yield from (f"it imports {module}, which is above it" for module in _upward(path, tree))
    for node in ast.walk(tree):
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if is_function and (node.end_lineno or 0) - node.lineno >= MOST_LINES:
            yield f"{node.name} is longer than {MOST_LINES} lines"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1", "does not say what it is"),
        ('"""A."""\nx = float(1)', "makes a float"),
        ('"""A."""\nx = datetime.now()', "reads the clock"),
        ('"""A."""\nimport duckdb', "imports DuckDB"),
        ('"""A."""\ndef f():\n' + "    pass\n" * MOST_LINES, "f is longer than"),
    ],
)
def test_what_is_untidy_is_seen(text: str, what: str) -> None:
    (found,) = _untidy(SRC / "settle/runs.py", text, ast.parse(text))
    assert what in found


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
    assert not _upward(SRC / file, ast.parse("from fenrun.base.problem import Problem"))
    assert _upward(SRC / file, ast.parse(line))


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


def test_no_text_holds_what_nobody_sees() -> None:
    """A NUL in a page makes it a binary file for whoever searches it."""
    texts = [*TEXTS, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *SRC.rglob("*.yaml")]
    unseen = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
    assert not [path for path in texts if unseen.search(path.read_bytes().decode("utf-8"))]


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


def test_no_page_gives_a_name_that_every_page_has() -> None:
    """What every page has comes last: what a page gave under its name would be lost."""
    pages = SRC / "portal/pages"
    of_all = _keys(_function(ast.parse((pages / "words.py").read_text("utf-8")), "context"))
    assert {"refused", "typed", "who"} <= of_all
    lost = {}
    for path in pages.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and _renders(node) and of_all & _keys(node):
                lost[f"{path.name}: {node.name}"] = of_all & _keys(node)
    assert not lost


def _function(tree: ast.Module, name: str) -> ast.AST:
    return next(one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name)


def _renders(node: ast.AST) -> bool:
    calls = (one.func for one in ast.walk(node) if isinstance(one, ast.Call))
    return any(isinstance(one, ast.Name) and one.id.startswith("render") for one in calls)


def _keys(node: ast.AST) -> set[str]:
    """The texts that are keys of the dictionaries inside."""
    found = (key for one in ast.walk(node) if isinstance(one, ast.Dict) for key in one.keys)
    return {key.value for key in found if isinstance(key, ast.Constant)}
