"""Examples in the docs run, and the commands they show exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from fenrun.book.read import book_from, yaml_tables
from fenrun.cli import COMMANDS
from fenrun.plan.read import load_plan, read_plan
from fenrun.whatif.cases import run_cases
from tests.command import fenrun

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]


def _blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)


def test_the_plan_in_the_guide_passes_its_cases() -> None:
    """The whole plan, and every piece put into it, is read without a problem and passes its cases."""
    whole, *pieces = _blocks("plan.md")
    outcomes, problems = run_cases(read_plan(whole, "plan.md"))
    assert outcomes and not problems
    assert len(pieces) >= 7
    base = yaml.load(whole, yaml.BaseLoader)
    for piece in pieces:
        put = yaml.load(piece, yaml.BaseLoader)
        merged = {
            **base,
            **put,
            "tables": {**base["tables"], "growth": GROWTH, **put.get("tables", {})},
            "cases": put.get("cases", []),
        }
        outcomes, problems = run_cases(
            read_plan(yaml.safe_dump(merged, sort_keys=False, allow_unicode=True), "plan.md")
        )
        assert not problems, [p.words("what") for p in problems]
        assert bool(outcomes) == ("cases" in put)


def test_the_commands_of_closing_run(tmp_path: Path) -> None:
    """Every shell line of closing.md, in its order, on a small demo workspace."""
    assert fenrun("demo", tmp_path / "demo-workspace", "--rows", 20_000, "--json").code == 0
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", (DOCS / "closing.md").read_text("utf-8"), re.S)
        for line in block.splitlines()
    ]
    assert len(lines) >= 10
    for line in lines:
        done = fenrun(*shlex.split(line)[1:], folder=tmp_path)
        assert done.code == 0, (line, done.err)


def test_every_setting_is_in_the_docs() -> None:
    """Each environment variable that the code reads is named on a page."""
    code = "\n".join(p.read_text("utf-8") for p in (DOCS.parent / "src").rglob("*.py"))
    pages = "\n".join(p.read_text("utf-8") for p in PAGES)
    found = set(re.findall(r"environ(?:\.get\(|\[)[\"']([A-Z_]+)", code)) - {
        "LC_ALL",
        "LANG",
        "DJANGO_SETTINGS_MODULE",
    }
    assert len(found) > 5 and not {name for name in found if name not in pages}


GROWTH = [
    {
        "from": "2024-01-01",
        "source": "Terms",
        "kind": "all units",
        "bands": ["below 30 % pays 0 %", "from 30 % pays 8 %"],
    }
]


def test_a_plan_of_twenty_lines_says_p1() -> None:
    """The first programme, short: at most 20 lines without its cases, and the same figures."""
    path = DOCS.parent / "programmes/p01-in-twenty-lines.yaml"
    file = load_plan(path)
    lines = [
        x
        for x in path.read_text("utf-8").split("\ncases:")[0].splitlines()
        if x.strip() and not x.startswith("#")
    ]
    assert len(lines) <= 20
    outcomes, problems = run_cases(file)
    assert not problems and len(outcomes) == len(
        run_cases(load_plan(path.with_name("p01-task-tiers.yaml")))[0]
    )


def test_the_book_in_the_guide_is_read() -> None:
    (text,) = _blocks("book.md")
    book, problems = book_from(
        yaml_tables(yaml.compose(text, yaml.CSafeLoader), "book.md"), "book.md"
    )
    assert not problems and all(book.tables().values()) and len(book.figures) == 13


def test_commands_and_links_in_the_docs_exist() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        shown = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)) + "\n".join(
            re.findall(r"`(fenrun [^`]+)`", text)
        )
        for command in re.findall(r"^fenrun (?:--lang \S+ )?(\w+)", shown, re.M):
            assert command in COMMANDS, f"{page.name}: {command}"
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
