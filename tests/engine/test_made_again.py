"""SQLite empties and fills a table that is made again, where that gives the same table."""

from __future__ import annotations

import pytest

from fenrun.base.problem import Refused
from fenrun.engine.dialect import NUMBER, TEXT
from fenrun.engine.runner import SQLite
from fenrun.engine.steps import Step

_COLUMNS = {"a": NUMBER, "b": TEXT}


def test_tables_made_again_are_as_if_made_anew() -> None:
    """What stood in them is gone: by other rows, numbers, columns or as a view."""
    runner = SQLite()
    runner.load("given", _COLUMNS, [(1, "x"), (2, "y")])
    for rows in ([(1, "x"), (2, "y")], [(2, "y"), (3, "x")], [], [(4, "z")]):
        runner.load("given", _COLUMNS, rows)
        for query in ("SELECT a * 2 AS a FROM given", "SELECT a * 3 AS a FROM given"):
            for step in (Step("made", "", query), Step("seen", "", query, view=True)):
                runner.run(step, {})
                times = 2 if "2" in query else 3
                assert runner.rows(f"SELECT a FROM {step.name}") == [(a * times,) for a, _ in rows]
    runner.run(Step("made", "", "SELECT b AS c FROM given"), {})
    assert runner.rows("SELECT c FROM made") == [("z",)]
    runner.run(Step("made", "", "SELECT a FROM given", view=True), {})
    runner.run(Step("seen", "", "SELECT a FROM given"), {})
    runner.load("given", {"a": NUMBER}, [(7,)])
    assert runner.rows("SELECT m.a, s.a FROM made AS m, seen AS s") == [(7, 4)]


def test_columns_that_are_taken_over_are_those_of_now() -> None:
    """`SELECT *` of a table that was made again with other columns, or with other types."""
    runner = SQLite()
    steps = [Step("near", "", "SELECT * FROM given"), Step("far", "", "SELECT n.* FROM near AS n")]
    for columns, row in (
        ({"a": NUMBER}, (1,)),
        ({"a": NUMBER, "b": TEXT}, (1, "x")),
        ({"a": TEXT, "b": TEXT}, (str(2**70), "x")),
        ({"a": NUMBER, "b": TEXT}, (2, "x")),
    ):
        runner.load("given", columns, [row])
        for step in steps:
            runner.run(step, {})
        assert runner.rows("SELECT * FROM far") == [row]


def test_an_empty_table_in_place_of_a_made_one() -> None:
    """Its columns stay where they are the same; rows that are loaded are those declared."""
    runner = SQLite()
    step = Step("made", "", "SELECT 1 AS a, 'x' AS b")
    for _ in range(2):
        runner.run(step, {})
        runner.load("made", _COLUMNS, [])
        assert runner.rows("SELECT * FROM made") == []
        runner.load("made", _COLUMNS, [(5, "y")])
        assert runner.rows("SELECT a, b FROM made") == [(5, "y")]
    runner.load("made", {"c": NUMBER}, [])
    assert runner.rows("SELECT c FROM made") == []


def test_floats_are_refused_in_tables_made_again() -> None:
    """A sum past 64 bits, which SQLite goes on with as a float."""
    runner = SQLite()
    for rows, is_float in (([(1,)], False), ([(2**62,)], True)):
        runner.load("given", {"a": NUMBER}, rows)
        runner.run(Step("made", "", "SELECT a * 4 AS a FROM given"), {})
        if is_float:
            with pytest.raises(Refused):
                runner.refuse_floats(["made"])
        else:
            runner.refuse_floats(["made"])
