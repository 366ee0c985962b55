"""The files of an import: what came is what is read back, by either way and from either format."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.problem import Refused, in_order
from fenrun.charges import checks, stored
from fenrun.charges.coded import cells, coded
from fenrun.charges.from_arrow import NotPlain, read_plain
from fenrun.charges.from_duckdb import read_any
from fenrun.charges.read import stage_charges
from fenrun.charges.rows import ESSENTIAL, KEYS, is_decimal, is_moment, key_of
from fenrun.charges.source import open_source, read_content
from fenrun.charges.staged import Staged
from fenrun.charges.stored import read_charges, write_charges
from fenrun.store.facts import Imported, Replaced, Store

Rows = list[dict[str, Any]]

_OPTIONAL = (
    "ListCost",
    "EffectiveCost",
    "PricingQuantity",
    "ListUnitPrice",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ProviderName",
    "RegionId",
    "Tags",
    "SubAccountId",
    "ResourceId",
    "SkuPriceId",
    "x_OrderId",
    "x_Note",
    "account_no",
)
_WORDS = (
    "Usage",
    "Credit",
    "Correction",
    "eu-1",
    "12",
    "北辰云",
    '{" a": "NULL"}',
    'a "b"',
    "a, b",
    "a\nb",
)
_PRINTED = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
_TEXTS = st.sampled_from(_WORDS) | st.text(_PRINTED, max_size=12)
_FEW = st.sampled_from(("A1", "A2", "B"))
_NUMBERS = st.decimals(-(10**9), 10**9, places=6) | st.decimals(-99, 99, places=15)
_MOMENTS = st.integers(0, 800).map(lambda hours: datetime(2024, 9, 1) + timedelta(hours=hours))


def _value(name: str) -> st.SearchStrategy[Any]:
    if is_decimal(name):
        value: st.SearchStrategy[Any] = _NUMBERS
    elif is_moment(name):
        value = _MOMENTS
    else:
        value = _FEW if name in ESSENTIAL else _TEXTS
    return value if name in ESSENTIAL else st.none() | value


@st.composite
def _tables(draw: st.DrawFn) -> Rows:
    """Rows of a FOCUS file; now and then one without account."""
    names = [*ESSENTIAL, *sorted(draw(st.sets(st.sampled_from(_OPTIONAL))))]
    row = st.fixed_dictionaries({name: _value(name) for name in names})
    rows = draw(st.lists(row, min_size=1, max_size=30))
    if draw(st.integers(0, 4)) == 0:
        rows[0]["BillingAccountId"] = None
    return rows


def _as_csv(rows: Rows, folder: Path) -> Path:
    path = folder / "charges.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(row[name]) for name in rows[0]] for row in rows)
    return path


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return f"{value:f}" if isinstance(value, Decimal) else value or ""


def _as_parquet(rows: Rows, folder: Path) -> Path:
    path = folder / "charges.parquet"
    columns = {}
    for name in rows[0]:
        kind = pa.timestamp("us") if is_moment(name) else pa.string()
        kind = pa.decimal128(30, 15) if is_decimal(name) else kind
        columns[name] = pa.array([row[name] for row in rows], kind)
    pq.write_table(pa.table(columns), path, row_group_size=7)
    return path


def _imported(path: Path, folder: Path) -> tuple[Imported, pa.Table]:
    store = Store(folder / "ws")
    done = stage_charges(store, path)(datetime(2025, 1, 1), Replaced())
    (item,) = store.imports("charges")
    return done, read_charges(item.folder, item.id)


def _expected(rows: Rows) -> Rows:
    """The rows that are stored; no value, and the word NULL, are null."""
    kept = [(n, row) for n, row in enumerate(rows, 2) if all(row[name] for name in _IDS)]
    return [
        {"row_no": n} | {k: None if v in ("", "NULL") else v for k, v in row.items()}
        for n, row in kept
    ]


_IDS = ("BillingAccountId", "InvoiceIssuerName", "BillingCurrency")


@pytest.mark.parametrize("write", [_as_csv, _as_parquet])
@given(rows=_tables())
def test_what_came_is_read_back(write: Callable[[Rows, Path], Path], rows: Rows) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        done, table = _imported(write(rows, Path(scratch)), Path(scratch))
    found = [{k: v for k, v in row.items() if k != "import_id"} for row in table.to_pylist()]
    assert found == _expected(rows)
    assert table.column_names == ["import_id", "row_no", *rows[0]]
    assert (done.facts["rows"], done.facts["quarantined"]) == (len(rows), len(rows) - len(found))
    assert done.facts["accounts"] == len({(r["InvoiceIssuerName"], r[_IDS[0]]) for r in found})


@pytest.mark.parametrize("write", [_as_csv, _as_parquet])
@given(rows=_tables())
def test_both_ways_read_alike(write: Callable[[Rows, Path], Path], rows: Rows) -> None:
    """What Arrow reads is what DuckDB reads, problems and types included."""
    with tempfile.TemporaryDirectory() as scratch:
        source = open_source(write(rows, Path(scratch)))
        try:
            fast = read_plain(source, read_content(source, lambda count: None))
        except NotPlain:
            return
        assert _said(fast) == _said(read_any(source, Path(scratch)))


def _said(staged: Staged) -> Any:
    columns: dict[str, Any] = {n: c.plain().to_pylist() for n, c in staged.texts.items()}
    for name, column in {**staged.moments, **staged.numbers}.items():
        columns[name] = str(column.array.type), column.array.to_pylist()
    return staged.rows, columns, staged.words, staged.facts(), in_order(checks.find(staged))


HEAD = "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart"
TAIL = "A1,CNY,2024-09-01T00:00:00Z,2024-09-02T00:00:00Z"
TEXT = f"{HEAD},InvoiceIssuerName,x_Note\n1.50,{TAIL},Cloud,n\n2.25,{TAIL},Cloud,m\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.50", "1.5e0"),
        ("1.50", "1,500"),
        (",n", ',"a\nb"'),
        (",n", ',a"b"'),
        (",n", ',"a"b'),
        (",n\n", ",n\r\n"),
        (",n", ",\0"),
        ("2024-09-02T00:00:00Z", "2024-09-02T08:00:00+08:00"),
        ("2024-09-02T00:00:00Z", "2024-09-31T00:00:00Z"),
        ("1.50", "123456789012345678901234.50"),
        ("1.50", "0.1234567890123456789"),
    ],
)
def test_what_is_not_plain_is_left_to_duckdb(old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_bytes(TEXT.replace(old, new, 1).encode())
    source = open_source(tmp_path / "odd.csv")
    with pytest.raises(NotPlain):
        read_plain(source, read_content(source, lambda count: None))


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT[:-1]])
def test_what_is_plain_is_read_by_arrow(text: str, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(text.replace(",n", ',"n, ""m"""').encode())
    source = open_source(tmp_path / "one.csv")
    staged = read_plain(source, read_content(source, lambda count: None))
    assert staged.texts["x_Note"].plain().to_pylist() == ['n, "m"', "m"]


def _charges(rows: int, **columns: list[Any]) -> pa.Table:
    """A table of charges as the store gives them."""
    texts = {name: ["x"] for name in ("BillingCurrency", *stored.ACCOUNT)}
    moments = {name: [datetime(2024, 9, 1)] for name in ("BillingPeriodStart", "ChargePeriodStart")}
    given: dict[str, list[Any]] = texts | moments | {"BilledCost": [Decimal(1)]} | columns
    return pa.table({"row_no": range(2, rows + 2)} | {n: v * rows for n, v in given.items()})


def test_columns_of_few_values_are_cells(tmp_path: Path) -> None:
    table = _charges(5000).append_column("x_Many", pa.array([str(n) for n in range(5000)]))
    table = table.append_column("x_Few", pa.array([str(n % 7) for n in range(5000)]))
    table = table.append_column("account_no", pa.array(["own"] * 5000))
    write_charges(tmp_path, table)
    held = pq.read_schema(tmp_path / stored.CELLS).names
    assert held == ["cell_no", "BillingCurrency", "account_no ", "x_Few"]
    assert pq.read_metadata(tmp_path / stored.CELLS).num_rows == 7
    read = read_charges(tmp_path, "0" * 64)
    assert read.drop_columns("import_id").select(table.column_names).equals(table.cast(_of(read)))


def _of(table: pa.Table) -> pa.Schema:
    return table.drop_columns("import_id").schema


def test_cells_are_at_most_so_many() -> None:
    """The column that would make too many tuples is left out; later ones are still asked."""
    numbers = range(64)
    columns = {
        "a": [str(n % 4) for n in numbers],
        "b": [str(n // 8) for n in numbers],
        "c": [str(n % 4 + 10) for n in numbers],
    }
    held = {name: coded(pa.chunked_array([values])) for name, values in columns.items()}
    names, codes, firsts = cells(held, 64, 8)
    assert (names, len(firsts), codes.max()) == (["a", "c"], 4, 3)


def test_charges_lie_by_account_and_number(tmp_path: Path) -> None:
    table = _charges(4)
    accounts = pa.array(["b", "a", "b", "a"])
    table = table.set_column(
        table.schema.get_field_index("BillingAccountId"), "BillingAccountId", accounts
    )
    write_charges(tmp_path, table.take([3, 2, 1, 0]))
    rows = pq.read_table(tmp_path / stored.CHARGES)
    assert rows["account_no"].to_pylist() == [0, 0, 1, 1]
    assert rows["row_no"].to_pylist() == [3, 5, 2, 4]
    named = pq.read_table(tmp_path / stored.ACCOUNTS)
    assert named["BillingAccountId"].to_pylist() == ["a", "b"]


def test_a_key_stands_for_an_issuer_and_a_text(tmp_path: Path) -> None:
    table = _charges(2, ResourceId=["r"], SubAccountId=[None])
    table = table.append_column("x_OrderId", pa.array(["o", None]))
    write_charges(tmp_path, table)
    rows = pq.read_table(tmp_path / stored.CHARGES)
    assert rows["order_key"].to_pylist() == [key_of("x", "o"), None]
    assert rows["resource_key"].to_pylist() == [key_of("x", "r")] * 2
    assert {"sub_account_key", "price_key"}.isdisjoint(rows.column_names)
    assert len({key_of("a", "bc"), key_of("ab", "c"), key_of("a", "b")}) == 3
    assert 0 <= key_of("x", "o") < 2**63


def test_two_texts_of_one_key_refuse_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "key_of", lambda issuer, text: 1)
    table = _charges(2).append_column(KEYS["order_key"], pa.array(["o", "p"]))
    with pytest.raises(Refused) as refusal:
        write_charges(tmp_path, table, "charges.csv")
    (problem,) = refusal.value.problems
    assert (problem.code, str(problem.place)) == ("file-unreadable", "charges.csv:x_OrderId")


def test_the_archive_holds_the_bytes_that_came(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(TEXT)
    store = Store(tmp_path / "ws")
    stage_charges(store, tmp_path / "one.csv")(datetime(2025, 1, 1), Replaced())
    (item,) = store.imports("charges")
    with pa.input_stream(str(item.folder / "archive.csv.zst"), compression="zstd") as file:
        assert file.read() == TEXT.encode()
