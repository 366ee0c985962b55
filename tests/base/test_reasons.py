"""The reason why a text cannot be read is said in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fenrun.base.money import parse_amount, parse_rate, parse_share
from fenrun.base.nodes import Overgrown, compose
from fenrun.base.when import parse_day, parse_moment, parse_period, parse_periods
from fenrun.base.words import Unreadable, reason
from fenrun.book.read import book_from
from fenrun.settle.imports import import_files
from fenrun.store.facts import Store

DEEP = "[" * 80


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (parse_amount, "ten"),
        (parse_amount, "1e30"),
        (parse_rate, "15"),
        (parse_rate, "0.1234567 %"),
        (parse_share, "120 %"),
        (parse_share, "12.34567 %"),
        (parse_period, "2024-13"),
        (parse_period, "2024-07/2024-01"),
        (parse_periods, "2024-01..2024-Q4"),
        (parse_day, "1/2/2024"),
        (parse_moment, "soon"),
        (parse_moment, "0001-01-01T00:00:00+08:00"),
        (compose, DEEP),
    ],
)
def test_a_reason_is_said_in_both_languages(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(Unreadable) as error:
        read(text)
    said = reason(error.value)
    assert not isinstance(said, str)
    assert str(error.value) == said.words("en")
    assert not re.search(r"[a-z]{3}", said.words("zh-CN").replace(text, ""))


def test_what_is_overgrown_is_no_yaml_either() -> None:
    with pytest.raises(Overgrown):
        compose(DEEP)


def test_a_row_of_the_book_is_explained_in_chinese() -> None:
    rows = [(2, {"of": "moon", "subject": "A", "role": "rep", "party": "", "colour": "red"})]
    book, problems = book_from({"links": rows}, "links.csv")
    assert not book.links
    assert [(p.code, p.place.column, p.words("what", "zh-CN")) for p in problems] == [
        ("book-key", "colour", "“colour”不是 links 的列。"),
        (
            "book-value",
            "of",
            "of：“moon”不在 account, sub-account, order, resource, customer, party 之中。",
        ),
        ("book-value", "party", "party：为空。"),
    ]


def test_a_file_that_cannot_be_read_is_explained_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(DEEP)
    files = [tmp_path / "book.yaml", tmp_path / "missing.csv"]
    outcomes = list(import_files(Store(tmp_path / "ws"), files, datetime(2025, 1, 1)))
    said = [p.words("what", "zh-CN") for outcome in outcomes for p in outcome.problems]
    assert said == [
        "文件无法读取：嵌套超过 60 层，或别名超过 1000 个。",
        "文件无法读取：没有这个文件。",
    ]
