"""Every problem code has a smallest reproducer, and the page that shows them is what they say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from fenrun.base.words import catalogue
from tests.errors.gallery import GALLERY, page, shown

PAGE = Path(__file__).parents[2] / "docs/reference/errors.md"


def test_the_gallery_has_every_code_and_no_other() -> None:
    assert sorted(GALLERY) == sorted(catalogue("problems.yaml"))


@pytest.mark.parametrize("code", GALLERY)
def test_a_reproducer_shows_its_problem(code: str) -> None:
    problem = shown(code)
    assert problem is not None
    for lang in ("en", "zh-CN"):
        said = [problem.words(part, lang) for part in ("what", "why", "fix")]
        assert all(said) and "?" not in said[0], said


def test_the_page_is_what_they_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: make docs"
