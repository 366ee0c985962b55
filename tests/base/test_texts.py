"""Texts that no database holds are said when they come, and stop nothing beside them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.portal.test_start import BOOK, PLAN

KNOWN = datetime(2024, 12, 1)
NUL = '"a\\0b"'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("book.yaml", BOOK.replace("name: One", f"name: {NUL}")),
        ("plan.yaml", PLAN.replace("title: Tried", f"title: {NUL}")),
        ("plan.yaml", PLAN.replace("id: monthly", f"id: {NUL}")),
    ],
)
def test_a_nul_in_yaml_is_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(Refused, match="holds a NUL character"):
        import_file(Store(tmp_path / "ws"), tmp_path / name, KNOWN)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("party", "P\x002", "holds a NUL character"),
        ("name", "n" * 501, "has 501 characters, where 500 are the most"),
        ("party", "北" * 201, "has 201 characters, where 200 are the most"),
    ],
)
def test_a_row_of_the_book_that_no_database_holds_is_left_out_alone(
    column: str, value: str, said: str, tmp_path: Path
) -> None:
    row = {"party": "P2", "kind": "partner", "name": "Two"} | {column: value}
    longest = f"P1,partner,{'n' * 500}"
    (tmp_path / "parties.csv").write_text(
        "\n".join(["party,kind,name", longest, ",".join(row.values())]) + "\n", "utf-8"
    )
    done = import_file(Store(tmp_path / "ws"), tmp_path / "parties.csv", KNOWN)
    (problem,) = done.problems
    assert done.facts == {"parties": 1}
    assert (problem.code, problem.place.row, problem.place.column) == ("book-value", 3, column)
    assert said in problem.words("what")
