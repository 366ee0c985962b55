"""Files that cannot be taken: a clear problem, exit code 1, the store untouched."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.command import fenrun, what_is_known

HEAD = (
    "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,"
    "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,"
    "ChargeCategory,InvoiceIssuerName"
)
TAIL = (
    "A1,CNY,2024-09-01T00:00:00Z,2024-10-01T00:00:00Z,"
    "2024-09-02T00:00:00Z,2024-09-03T00:00:00Z,Usage,Cloud"
)
GOOD = f"{HEAD}\n1.00,1.00,1.00,1.00,{TAIL}\n"


def _gzip_cut() -> bytes:
    whole = gzip.compress((GOOD + f"2.00,2,2,2,{TAIL}\n" * 5000).encode())
    return whole[: len(whole) // 2]


def _zstd_cut(folder: Path) -> bytes:
    with pa.CompressedOutputStream(str(folder / "whole.zst"), "zstd") as out:
        out.write((GOOD + "".join(f"{n}.00,2,2,2,{TAIL}\n" for n in range(50_000))).encode())
    whole = (folder / "whole.zst").read_bytes()
    return whole[: len(whole) // 2]


def _parquet_cut(folder: Path) -> bytes:
    pq.write_table(pa.table({c: ["1"] for c in HEAD.split(",")}), folder / "whole.parquet")
    return (folder / "whole.parquet").read_bytes()[:-20]


BAD = {
    "not-focus.csv": (lambda f: b"name,age\nx,1\n", "not-focus"),
    "half-focus.csv": (lambda f: b"BilledCost,BillingAccountId\n1,A1\n", "not-focus"),
    "binary.csv": (lambda f: bytes(range(256)) * 20, "file-encoding"),
    "cut-in-row.csv": (lambda f: (GOOD + "1.00,1.0").encode(), "file-truncated"),
    "cut-in-quote.csv": (lambda f: (GOOD + f'"1.00,1.00,{TAIL}').encode(), "file-truncated"),
    "cut.csv.gz": (lambda f: _gzip_cut(), "file-truncated"),
    "cut.csv.zst": (_zstd_cut, "file-truncated"),
    "cut.parquet": (_parquet_cut, "file-truncated"),
    "latin.csv": (lambda f: GOOD.replace("Cloud", "Nébula").encode("cp1252"), "encoding-unclear"),
    "wide.csv": (
        lambda f: (",".join(f"c{n}" for n in range(1_000_000)) + "\n").encode(),
        "too-many-columns",
    ),
    "twice.csv": (lambda f: GOOD.replace("ListCost", "BilledCost").encode(), "column-twice"),
    "huge-cost.csv": (lambda f: GOOD.replace("1.00", "1e400", 1).encode(), "cost-unreadable"),
    "word-cost.csv": (lambda f: GOOD.replace("1.00", "abc", 1).encode(), "cost-unreadable"),
    "underscore-cost.csv": (lambda f: GOOD.replace("1.00", "1_000", 1).encode(), "cost-unreadable"),
    "nan-cost.csv": (lambda f: GOOD.replace("1.00", "NaN", 1).encode(), "cost-unreadable"),
    "ragged.csv": (
        lambda f: (GOOD + f"1,1,1,1,{TAIL},extra\n" + f"1,1,1,1,{TAIL}\n").encode(),
        "row-malformed",
    ),
    "empty.csv": (lambda f: b"", "file-empty"),
}


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("name", BAD)
def test_refused_whole(name: str, tmp_path: Path) -> None:
    make, code = BAD[name]
    good, bad, store = tmp_path / "good.csv", tmp_path / name, tmp_path / "ws"
    good.write_text(GOOD)
    bad.write_bytes(make(tmp_path))
    assert fenrun("import", store, good).code == 0
    before = what_is_known(store)
    done = fenrun("import", store, bad, "--json")
    assert done.code == 1
    assert code in {p["code"] for p in done.json()["problems"]}
    assert "Traceback" not in done.err and all(
        p["what"] and p["why"] and p["fix"] for p in done.json()["problems"]
    )
    assert what_is_known(store) == before


def test_a_refused_file_does_not_make_a_workspace(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    assert fenrun("import", tmp_path / "ws", tmp_path / "bad.csv").code == 1
    assert not (tmp_path / "ws").exists()


def test_rows_without_account_or_date_are_kept_aside_and_counted(tmp_path: Path) -> None:
    rows = [
        f"1.50,1,1,1,{TAIL}",
        f"2.25,2,2,2,{TAIL}".replace("A1", ""),
        f"4.00,4,4,4,{TAIL}".replace("2024-09-02T00:00:00Z", "soon"),
    ]
    (tmp_path / "some.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    done = fenrun("import", tmp_path / "ws", tmp_path / "some.csv", "--json")
    assert done.code == 1
    said = done.json()["imported"][0]
    assert (said["rows"], said["quarantined"], said["billed"], said["billed_quarantined"]) == (
        3,
        2,
        {"CNY": "7.75"},
        {"CNY": "6.25"},
    )
    aside = pq.read_table(next((tmp_path / "ws").rglob("quarantine.parquet"))).to_pylist()
    assert sorted(r["BilledCost"] for r in aside) == ["2.25", "4.00"]
    assert {
        (p["place"]["column"], p["place"]["row"])
        for p in done.json()["problems"]
        if p["code"] in ("row-quarantined", "date-unreadable")
    } == {("BillingAccountId", 3), ("ChargePeriodStart", 4)}


def test_offsets_and_exponents_are_read_exactly(tmp_path: Path) -> None:
    row = f"1.5e-7,1,1,1,{TAIL}".replace("2024-09-02T00:00:00Z", "2024-09-02T06:00:00+08:00")
    (tmp_path / "one.csv").write_text(f"{HEAD}\n{row}\n")
    assert fenrun("import", tmp_path / "ws", tmp_path / "one.csv").code == 0
    stored = pq.read_table(next((tmp_path / "ws").rglob("charges.parquet"))).to_pylist()[0]
    assert (
        str(stored["BilledCost"]) in ("1.5E-7", "0.00000015")
        and stored["ChargePeriodStart"].isoformat() == "2024-09-01T22:00:00"
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("BillingPeriodStart", "0001-01-01T00:00:00Z"),
        ("BillingPeriodStart", "1677-09-21T00:12:43Z"),
        ("BillingPeriodStart", "9999-12-31T00:00:00Z"),
        ("BillingPeriodStart", "10000-01-01"),
        ("BillingPeriodStart", "infinity"),
        ("ChargePeriodStart", "0044-03-15 (BC)"),
        ("ChargePeriodStart", "2262-04-12T00:00:00Z"),
        ("ChargePeriodEnd", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_date_that_nothing_can_hold_is_kept_aside_alone(
    column: str, value: str, tmp_path: Path
) -> None:
    good = GOOD.splitlines()[1]
    cells = dict(zip(HEAD.split(","), good.split(","))) | {column: value}
    (tmp_path / "some.csv").write_text("\n".join([HEAD, good, ",".join(cells.values())]) + "\n")
    done = fenrun("import", tmp_path / "ws", tmp_path / "some.csv", "--json")
    (said,) = done.json()["imported"]
    assert (said["rows"], said["quarantined"], said["billed"]) == (2, 1, {"CNY": "2.00"})
    assert (said["first_billed"], said["last_billed"]) == ("2024-09-01", "2024-09-01")
    assert [
        (p["place"]["column"], p["place"]["row"])
        for p in done.json()["problems"]
        if p["code"] in ("date-out-of-range", "date-unreadable")
    ] == [(column, 3)]


@pytest.mark.parametrize(
    ("column", "value", "quarantined"),
    [
        ("ChargePeriodStart", "2026-09-30T00:00:00Z", 0),
        ("ChargePeriodStart", "2026-11-01T00:00:00Z", 1),
        ("BillingPeriodStart", "2062-09-01T00:00:00Z", 1),
        ("ChargePeriodEnd", "2029-09-01T00:00:00Z", 0),
        ("ChargePeriodEnd", "2129-09-01T00:00:00Z", 1),
    ],
)
def test_no_charge_begins_over_two_years_after_its_file_is_known(
    column: str, value: str, quarantined: int, tmp_path: Path
) -> None:
    """A purchase for years may end later."""
    cells = dict(zip(HEAD.split(","), GOOD.splitlines()[1].split(","))) | {column: value}
    (tmp_path / "some.csv").write_text(f"{HEAD}\n{','.join(cells.values())}\n")
    known = datetime(2024, 9, 15)
    done = import_file(Store(tmp_path / "ws"), tmp_path / "some.csv", known)
    assert done.facts["quarantined"] == quarantined
