"""Examples in the docs run, and the commands they show exist."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from fenrun.book.read import book_from, yaml_tables
from fenrun.cases import run_cases
from fenrun.cli import COMMANDS
from fenrun.plan.read import load_plan, read_plan

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
        merged = {**base, **put, "tables": {**base["tables"], "growth": GROWTH, **put.get("tables", {})}, "cases": put.get("cases", [])}
        outcomes, problems = run_cases(read_plan(yaml.safe_dump(merged, sort_keys=False, allow_unicode=True), "plan.md"))
        assert not problems, [p.words("what") for p in problems]
        assert bool(outcomes) == ("cases" in put)


GROWTH = [{"from": "2024-01-01", "source": "Terms", "kind": "all units", "bands": ["below 30 % pays 0 %", "from 30 % pays 8 %"]}]


def test_a_plan_of_twenty_lines_says_p1() -> None:
    """The first programme, short: at most 20 lines without its cases, and the same figures."""
    path = DOCS.parent / "programmes/p01-in-twenty-lines.yaml"
    file = load_plan(path)
    lines = [x for x in path.read_text("utf-8").split("\ncases:")[0].splitlines() if x.strip() and not x.startswith("#")]
    assert len(lines) <= 20
    outcomes, problems = run_cases(file)
    assert not problems and len(outcomes) == len(run_cases(load_plan(path.with_name("p01-task-tiers.yaml")))[0])


def test_the_book_in_the_guide_is_read() -> None:
    (text,) = _blocks("book.md")
    book, problems = book_from(yaml_tables(yaml.compose(text, yaml.CSafeLoader), "book.md"), "book.md")
    assert not problems and all(book.tables().values()) and len(book.figures) == 13


def test_commands_and_links_in_the_docs_exist() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        shown = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)) + "\n".join(re.findall(r"`(fenrun [^`]+)`", text))
        for command in re.findall(r"^fenrun (?:--lang \S+ )?(\w+)", shown, re.M):
            assert command in COMMANDS, f"{page.name}: {command}"
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
