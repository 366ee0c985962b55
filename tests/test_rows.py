"""The row types of a stage are its tables: the same columns, in order, of the same kinds."""

from __future__ import annotations

import typing
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fenrun.base.table import from_rows
from fenrun.base.when import parse_period
from fenrun.book.rows import TABLES
from fenrun.charges.rows import focus_columns
from fenrun.charges.stored import load_charges
from fenrun.earn.rows import Earning
from fenrun.engine.duckdb import DuckDB
from fenrun.payout.rows import Exchange, FundMonth, Payment, Payout, Waiting
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import DATASETS, import_file
from fenrun.settle.results import RESULT_TABLES
from fenrun.statement.tables import Credited, HeldSpend, NotCounted, TeamCredit, Uncredited
from fenrun.store.facts import FACTS, Store

DATA = Path(__file__).parent / "data"
KNOWN = datetime(2025, 1, 1)
SQL_TYPES = {
    str: "VARCHAR",
    bool: "BOOLEAN",
    int: ("BIGINT", "INTEGER", "HUGEINT"),
    date: "DATE",
    datetime: "TIMESTAMP",
    Decimal: "DECIMAL",
}
ROW_TYPES = {
    "earnings": Earning,
    "payouts": Payout,
    "payments": Payment,
    "exchanges": Exchange,
    "funds": FundMonth,
    "waiting": Waiting,
    "credited": Credited,
    "team_credits": TeamCredit,
    "held_spend": HeldSpend,
    "not_counted": NotCounted,
    "uncredited": Uncredited,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A small workspace."""
    store = Store(tmp_path_factory.mktemp("rows"))
    for name in ("focus_sample.csv", "sample-book.yaml", "sample-plan.yaml"):
        import_file(store, DATA / name, KNOWN)
    return store


@pytest.fixture(scope="module")
def engine(store: Store) -> DuckDB:
    """A small settlement, with all its tables."""
    return facts_as_of(store, KNOWN).settle(parse_period("2024-09"), KNOWN).engine


def _fits(hint: type, sql_type: str) -> bool:
    """Tell whether a field's type (`X | None` counts as X) is that of a column."""
    kinds = [one for one in typing.get_args(hint) if one is not type(None)] or [hint]
    return sql_type.startswith(SQL_TYPES[kinds[0]])


@pytest.mark.parametrize("name", ROW_TYPES)
def test_a_row_type_is_its_table(engine: DuckDB, name: str) -> None:
    columns = engine.columns(name)
    kind = ROW_TYPES[name]
    assert [field.name for field in fields(kind)] == list(columns)
    hints = typing.get_type_hints(kind)
    assert not {field: kind for field, kind in columns.items() if not _fits(hints[field], kind)}


@pytest.mark.parametrize("name", TABLES)
def test_facts_of_the_book_are_their_tables(store: Store, name: str) -> None:
    """The tables of the book as imported are the facts."""
    engine = DuckDB()
    (item,) = store.imports("book")
    file = item.folder / f"{name}.parquet"
    engine.load(name, pq.read_table(file) if file.exists() else from_rows(TABLES[name], []))
    columns = engine.columns(name)
    hints = typing.get_type_hints(TABLES[name])
    assert list(columns) == list(hints)
    assert not {field: kind for field, kind in columns.items() if not _fits(hints[field], kind)}


def test_charges_are_focus_columns(engine: DuckDB, store: Store) -> None:
    """Stored charges have their key, and each column of FOCUS in the type that FOCUS gives it."""
    imports = store.imports("charges")
    load_charges(engine, "charges", imports)
    columns = engine.columns("charges")
    assert list(columns)[:2] == ["import_id", "row_no"]
    kinds = {"Decimal": "DECIMAL", "Date/Time": "TIMESTAMP"}
    focus = focus_columns()
    known = {name: kind for name, kind in columns.items() if name in focus}
    assert len(known) > 30
    assert not {
        name: kind
        for name, kind in known.items()
        if not kind.startswith(kinds.get(focus[name].type, "VARCHAR"))
    }


def test_every_result_table_is_made(engine: DuckDB) -> None:
    """A result table is a table of the settlement."""
    for table in RESULT_TABLES:
        assert engine.columns(table.name)
    listed = [table.name for table in RESULT_TABLES]
    assert len(set(listed)) == len(listed)


def test_every_kind_of_import_has_its_dataset() -> None:
    assert {dataset.kind for dataset in DATASETS} == {*FACTS} - {"deliveries"}
