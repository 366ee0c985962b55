"""The SQL that a settlement shows makes the same tables again, of the loaded ones alone.

Here that of random worlds, at night; by day that of a demo world, in
tests/cli/test_settle_inspected.py.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings

from fenrun.base.when import parse_period
from fenrun.engine.dialect import literal
from fenrun.settle.facts import Facts
from fenrun.settle.inspection import Inspection
from fenrun.settle.script import script
from tests.auditor.compare import KNOWN, sources_of, stored
from tests.properties import worlds

EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "2"))
AT_NIGHT = pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="at night")
TABLES = ("credits", "earnings", "not_counted", "payments", "statement_lines", "ledger")
COUNTS = {"charges", "rows", "lines", "label_load.held"}
"""Wide whole numbers that are no amounts."""


def loaded_tables(sql: str) -> list[str]:
    """The tables that the head of the text names as loaded."""
    named = re.search(r"(?s)file: ([^.]*)\.", sql.replace("\n-- ", " "))
    assert named
    return named[1].split(", ")


def differing(sql: str, file: Path, tables: Sequence[str] = TABLES) -> list[str]:
    """The tables of which the text makes other rows than a file of kept tables has."""
    found = []
    with duckdb.connect() as fresh:
        fresh.execute(f"ATTACH {literal(str(file))} AS kept (READ_ONLY)")
        for name in loaded_tables(sql):
            fresh.execute(f"CREATE TABLE {name} AS FROM kept.{name}")
        fresh.execute(sql)
        for name in tables:
            # Groups are numbered anew.
            columns = "* EXCLUDE (owned_id, situation)" if name == "credits" else "*"
            ours, theirs = (f"SELECT {columns} FROM {at}{name}" for at in ("", "kept."))
            for one, other in ((ours, theirs), (theirs, ours)):
                if fresh.execute(f"{one} EXCEPT ALL {other}").fetchall():
                    found.append(name)
    return found


def without_decimals(file: Path) -> list[str]:
    """The wide columns of kept tables that neither readings.py nor COUNTS names."""
    with duckdb.connect(str(file), read_only=True) as kept:
        wide = kept.execute(
            "SELECT d.table_name, d.column_name FROM duckdb_columns() AS d"
            " LEFT JOIN readings AS r"
            " ON r.table_name = d.table_name AND r.column_name = d.column_name"
            " WHERE d.data_type = 'HUGEINT'"
            " AND (r.read_as IS NULL OR r.read_as IN ('code', 'day', 'month'))"
        ).fetchall()
    return [f"{t}.{c}" for t, c in wide if not {c, f"{t}.{c}"} & COUNTS]


@AT_NIGHT
@settings(max_examples=EXAMPLES)
@given(batch=worlds.batches())
def test_random_worlds(batch: worlds.Batch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        charges = batch.charges
        parts = [(n, charges[n::2]) for n in range(2) if charges[n::2]]
        files = [stored(part, Path(folder) / str(n), n) for n, part in parts]
        facts = Facts(tuple(files), sources_of(batch.books), tuple(batch.plans))
        path = Path(folder) / "tables.duckdb"
        inspection = Inspection(for_sql=True, tables=path)
        inspection.settle(facts, parse_period(batch.period), KNOWN, lambda name: None)
        sql = script(inspection.recorder.made, inspection.readings, "en")
        assert not differing(sql, path)
        assert not without_decimals(path)
