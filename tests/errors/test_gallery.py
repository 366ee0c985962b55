"""Every problem code has a smallest reproducer, and the page shows what each says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from fenrun.base.words import catalogue
from tests.errors.gallery import GALLERY, HEAD, entry

PAGE = Path(__file__).parents[2] / "docs/reference/errors.md"


def _parts() -> list[str]:
    """The page's head, and its part about each code."""
    head, *parts = PAGE.read_text("utf-8").split("\n## ")
    return [head, *(f"## {part}" for part in parts)]


def test_the_gallery_has_every_code_and_no_other() -> None:
    assert sorted(GALLERY) == sorted(catalogue("problems.yaml"))


def test_the_page_has_every_code_in_order() -> None:
    head, *parts = _parts()
    assert head == HEAD, "run: make docs"
    assert [part.split("\n")[0] for part in parts] == [f"## {code}" for code in GALLERY]


@pytest.mark.in_turn(7)
@pytest.mark.parametrize("code", GALLERY)
def test_a_reproducer_shows_its_problem_as_on_the_page(code: str) -> None:
    _, *parts = _parts()
    assert entry(code) == parts[list(GALLERY).index(code)], "run: make docs"
