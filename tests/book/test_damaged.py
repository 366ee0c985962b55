"""Books damaged at random: refused in words, or each row taken as it stands, or said."""

from __future__ import annotations

import csv
import io
import os
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from fenrun.base.problem import Problem, Refused
from fenrun.book.read import COLUMNS, Book, read_book
from fenrun.book.to_xlsx import write_workbook
from tests.book.test_workbooks import ROWS
from tests.damaged import damaged

EACH = 40 if "FENRUN_NIGHTLY" in os.environ else 5
"""How many files are made of each form."""


def _csv(table: str) -> bytes:
    into = io.StringIO()
    writer = csv.DictWriter(into, COLUMNS[table])
    writer.writeheader()
    writer.writerows(ROWS[table])
    return into.getvalue().encode()


def _forms(folder: Path) -> dict[str, bytes]:
    workbook = folder / "book.xlsx"
    write_workbook(workbook, {name: list(rows) for name, rows in ROWS.items()}, "en")
    return {
        "links.csv": _csv("links"),
        "figures.csv": _csv("figures"),
        "parties.csv": _csv("parties"),
        "book.yaml": yaml.safe_dump(ROWS, allow_unicode=True, sort_keys=False).encode(),
        "book.xlsx": workbook.read_bytes(),
    }


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name, content in _forms(folder).items():
        rng = random.Random(name)
        for _ in range(EACH):
            yield name, damaged(content, rng)


def _check_rows(content: bytes, book: Book, problems: list[Problem]) -> None:
    """Of a CSV every row is taken or said, and what is taken stands in the file."""
    text = content.decode("utf-8-sig", "ignore")
    # A quote is doubled within quotes; within a cell that has none around it, it stands for itself.
    cells = text + text.replace('""', '"')
    taken = [asdict(row) for rows in book.tables().values() for row in rows]
    for row in taken:
        for name in ("party", "subject", "issuer", "role", "figure", "label", "value"):
            for line in str(row.get(name, "")).split("\n"):
                assert line.strip() in cells, (name, row)
    said = {row["row_no"] for row in taken} | {problem.place.row for problem in problems}
    lines = [n for n, line in enumerate(text.split("\n"), 1) if n > 1 and line.strip(" ,\r")]
    if '"' not in text and "\r" not in text.replace("\r\n", "") and not said & {0, 1}:
        assert set(lines) <= said | {row + 1 for row in said}, (lines, said)


def test_a_damaged_book_is_refused_or_each_row_taken_or_said(tmp_path: Path) -> None:
    refused = taken = 0
    for number, (name, content) in enumerate(_files(tmp_path)):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        path.write_bytes(content)
        try:
            book, problems = read_book(path)
        except Refused as refusal:
            refused, problems = refused + 1, refusal.problems
        except Exception as error:
            pytest.fail(f"{name}, {number}: {type(error).__name__}: {error}\n{content[:1500]!r}")
        else:
            taken += 1
            if name.endswith(".csv"):
                _check_rows(content, book, problems)
        for problem in problems:
            assert problem.as_json("en")["fix"] and problem.as_json("zh-CN")["fix"]
    assert refused >= EACH and taken >= EACH
