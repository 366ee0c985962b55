"""Examples in the docs run, and the commands they show exist."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from fenrun.book.read import book_from, yaml_tables
from fenrun.cases import run_cases
from fenrun.cli import COMMANDS
from fenrun.plan.read import read_plan

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]


def _blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)


def test_the_plan_in_the_guide_passes_its_cases() -> None:
    (text,) = _blocks("plan.md")
    outcomes, problems = run_cases(read_plan(text, "plan.md"))
    assert outcomes and not problems


def test_the_book_in_the_guide_is_read() -> None:
    (text,) = _blocks("book.md")
    book, problems = book_from(yaml_tables(yaml.compose(text, yaml.CSafeLoader), "book.md"), "book.md")
    assert not problems and all(book.tables().values()) and len(book.figures) == 12


def test_commands_and_links_in_the_docs_exist() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        shown = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)) + "\n".join(re.findall(r"`(fenrun [^`]+)`", text))
        for command in re.findall(r"^fenrun (?:--lang \S+ )?(\w+)", shown, re.M):
            assert command in COMMANDS, f"{page.name}: {command}"
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
