"""Starting: one period that cannot be settled stops neither the portal nor the other periods."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.settle.imports import import_files
from fenrun.store.facts import Store
from tests.charges.test_bad_files import GOOD
from tests.portal.served import beside, environment, served

PLAN = """plan: tried
title: Tried
source: Terms
published: 2023-12-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: double, roles: [partner]}]}
tables:
  tiers: [{from: 2024-01-01, source: Terms, kind: marginal, bands: [from 0 pays 10 %]}]
earn:
  sum: [{id: monthly, pays: partner, per: month, on: amount, by: amount, table: tiers}]
"""
BOOK = """parties:
  - {party: P1, kind: partner, name: One}
  - {party: K1, kind: customer, name: Lake}
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: customer, subject: K1, role: partner, party: P1}
"""


def _billed(month: str) -> str:
    return GOOD.replace("2024-09-0", f"{month}-0")


@pytest.mark.in_turn(3)
def test_a_period_that_cannot_be_settled_is_shown_with_its_problem(tmp_path: Path) -> None:
    """Here: history before any plan, months without charges, and one whose file was edited."""
    files = {"plan.yaml": PLAN, "book.yaml": BOOK}
    files |= {
        f"{month}.csv": _billed(month) for month in ("2019-05", "2024-06", "2024-09", "2024-10")
    }
    files["both.csv"] = _billed("2024-03") + _billed("2024-07").splitlines()[1] + "\n"
    store, paths = Store(tmp_path / "ws"), []
    for name, text in files.items():
        paths.append(tmp_path / name)
        paths[-1].write_text(text, "utf-8")
    for outcome in import_files(store, paths, datetime(2024, 12, 1)):
        assert not isinstance(outcome, Refused), outcome.problems
    october = next(i.folder for i in store.imports("charges") if i.source == "2024-10.csv")
    (october / "charges.parquet").write_bytes(b"edited")
    (store.path / "demo.json").write_text(json.dumps({"rows": 0, "seed": 0, "note": "Tried."}))
    with (
        served(store.path, "sqlite", in_place=True) as portal,
        portal.sign_in("operations") as operations,
    ):
        page = operations.get("/periods/").text
        for month in ("2024-03", "2024-06", "2024-07", "2024-09"):
            assert f"/periods/{month}/" in page
            assert operations.get(f"/periods/{month}/").status_code == 200
        assert "/periods/2019-05/" not in page.replace("/periods/2019-05/settle", "")
        assert "/periods/2024-10/" not in page.replace("/periods/2024-10/settle", "")
        assert page.count("plan-missing") == 1 and page.count("charges-missing") == 2
        assert page.count("stored-edited") == 1
        assert f"charges/{october.name}/charges.parquet" in page
        assert "No plan in the workspace is in force in 2019-05." in page


def test_settings_that_are_only_read_make_no_folder(tmp_path: Path) -> None:
    """Else `make demo` refused, after `make lint`, to write over what stood there."""
    said = {"FENRUN_WORKSPACE": str(tmp_path / "ws"), "FENRUN_SECRET": "unused"}
    code = "import fenrun.portal.settings"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **said}, check=True)
    assert not (tmp_path / "ws").exists()


_SCHEMAS = """
import json
from django.core.management import call_command
from django.db import connections
from fenrun.portal import tables

db = connections["default"]

def schema():
    found = {}
    with db.cursor() as cursor:
        names = db.introspection.table_names(cursor)
        for table in names:
            columns = db.introspection.get_table_description(cursor, table)
            limits = db.introspection.get_constraints(cursor, table).values()
            kinds = ("columns", "primary_key", "unique", "foreign_key", "index", "check")
            found[table] = [
                sorted([c.name, str(c.type_code), bool(c.null_ok)] for c in columns),
                sorted(json.dumps([limit[kind] for kind in kinds]) for limit in limits),
            ]
        cursor.execute("SELECT app, name FROM django_migrations")
        return found, sorted(map(list, cursor.fetchall()))

said = [schema()]
if db.vendor == "sqlite":
    db.close()
    db.settings_dict["NAME"] = str(db.settings_dict["NAME"]) + "-migrated"
else:
    with db.cursor() as cursor:
        cursor.execute("DROP OWNED BY CURRENT_USER CASCADE")
        cursor.execute("CREATE SCHEMA IF NOT EXISTS public")
call_command("migrate", interactive=False, verbosity=0)
call_command("createcachetable", database="default", verbosity=0)
said.append(schema())
print(json.dumps(said))
"""


@pytest.mark.in_turn(3)
def test_tables_made_from_the_models_are_those_that_the_migrations_make(tmp_path: Path) -> None:
    """By both ways the same columns, keys and indexes, and the same migrations are noted."""
    (tmp_path / "ws").mkdir()
    made, migrated = beside(tmp_path / "ws", environment(tmp_path / "ws"), _SCHEMAS)
    assert made[1] == migrated[1] and made[0].keys() == migrated[0].keys()
    for table, found in made[0].items():
        assert found == migrated[0][table], table
