"""The real FOCUS sample.

Every published defect is reported, nothing is lost, and it settles by hand.
"""

from __future__ import annotations

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.when import parse_moment, parse_period
from fenrun.charges.stored import read_charges
from fenrun.settle.explain import explain
from fenrun.settle.imports import import_file, import_files
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Imported, Store
from tests.command import what_is_known

DATA = Path(__file__).parent.parent / "data"
SAMPLE = DATA / "focus_sample.csv"
KNOWN = parse_moment("2024-10-05")

DEFECTS = [  # code, column, rows: as found by loading the sample exactly
    ("null-word", "", 1000),
    ("column-unknown", "", 1),
    ("cost-rounded", "EffectiveCost", 942),
    ("cost-rounded", "ContractedCost", 942),
    ("credit-charge", "ChargeCategory", 1),
    ("column-shift", "AvailabilityZone", 51),
    ("column-empty", "BillingAccountName", 7),
    ("null-forbidden", "ContractedCost", 7),
    ("column-empty", "ContractedUnitPrice", 7),
    ("column-empty", "RegionId", 7),
    ("column-empty", "PricingCategory", 7),
    ("column-empty", "SkuPriceId", 7),
    ("effective-zero", "EffectiveCost", 6),
    ("value-case", "ChargeFrequency", 7),
    ("negative-usage", "ChargeClass", 12),
    ("charge-outside-billing-period", "ChargePeriodStart", 1),
    ("region-name-external", "RegionName", 212),
    ("timestamp-form", "ChargePeriodStart", 1000),
    ("timestamp-form", "ChargePeriodEnd", 1000),
    ("timestamp-form", "BillingPeriodStart", 1000),
    ("timestamp-form", "BillingPeriodEnd", 1000),
    ("many-decimals", "", 1),
    ("list-cost-differs", "ListCost", 25),
    ("tag-key-space", "Tags", 23),
    ("tag-value-null", "Tags", 2),
    ("coverage", "", 1),
]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Imported]:
    store = Store(tmp_path_factory.mktemp("sample"))
    return store, import_file(store, SAMPLE, KNOWN)


def test_every_defect_is_reported_and_nothing_else(imported: tuple[Store, Imported]) -> None:
    found = [(p.code, p.place.column, p.rows) for p in imported[1].problems]
    assert sorted(found) == sorted(DEFECTS)


def test_total_is_conserved_exactly(imported: tuple[Store, Imported]) -> None:
    store, done = imported
    assert done.facts == {
        "first_billed": "2024-09-01",
        "last_billed": "2024-10-01",
        "first_start": "2024-09-01T00:00:00",
        "last_start": "2024-09-30T23:00:00",
        "corrections": 0,
        "same": {"BillingCurrency": "USD"},
        "version": "1.0",
        "rows": 1000,
        "quarantined": 0,
        "billed": {"USD": "20.52022672899"},
        "billed_quarantined": {},
        "nothing": {
            "EffectiveCost": {"rows": 610, "billed": {"USD": "7.47754286713"}},
            "ContractedCost": {"rows": 610, "billed": {"USD": "7.47754286713"}},
            "ListCost": {"rows": 2, "billed": {"USD": "0.272"}},
        },
        "scale": 11,
        "largest": "3.00",
        "accounts": 5,
        "cells": 1000,
    }
    (item,) = store.imports("charges")
    stored = read_charges(item.folder, item.id)
    assert sum(stored.column("BilledCost").to_pylist()) == Decimal("20.52022672899")
    with SAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("EffectiveCost", "ListCost"):
        assert stored.column(name).to_pylist() == [Decimal(r[name]) for r in rows]
    for name in ("Tags", "Id", "ResourceId", "SkuId"):
        assert stored.column(name).to_pylist() == [
            None if r[name] in ("NULL", "") else r[name] for r in rows
        ]


def test_importing_twice_changes_nothing_in_any_wrapping(
    imported: tuple[Store, Imported], tmp_path: Path
) -> None:
    store, first = imported
    before = what_is_known(store.path)
    for path, data in (
        (tmp_path / "again.csv", SAMPLE.read_bytes()),
        (tmp_path / "again.csv.gz", gzip.compress(SAMPLE.read_bytes())),
    ):
        path.write_bytes(data)
        again = import_file(store, path, parse_moment("2025-01-01"))
        assert (again.id, again.new) == (first.id, False)
    with pa.CompressedOutputStream(str(tmp_path / "again.csv.zst"), "zstd") as out:
        out.write(SAMPLE.read_bytes())
    assert not import_file(store, tmp_path / "again.csv.zst", KNOWN).new
    assert what_is_known(store.path) == before


def test_the_same_content_twice_in_one_import_is_new_once(tmp_path: Path) -> None:
    files = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for path in files:
        path.write_bytes(SAMPLE.read_bytes())
    done = list(
        import_files(Store(tmp_path / "ws"), [files[0], tmp_path / "missing.csv", files[1]], KNOWN)
    )
    assert [d.new if isinstance(d, Imported) else [p.code for p in d.problems] for d in done] == [
        True,
        ["file-unreadable"],
        False,
    ]


def test_parquet_holds_the_same_money(tmp_path: Path) -> None:
    with SAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {k: [None if r[k] == "NULL" else r[k] for r in rows] for k in rows[0]}
    columns["BilledCost"] = [Decimal(v) for v in columns["BilledCost"]]  # type: ignore[misc]
    pq.write_table(pa.table(columns), tmp_path / "sample.parquet")
    done = import_file(Store(tmp_path / "ws"), tmp_path / "sample.parquet", KNOWN)
    assert done.facts["billed"] == {"USD": "20.52022672899"}


def test_it_settles_by_hand(tmp_path: Path) -> None:
    """By hand (see the book and plan beside the sample).

    AWS Inc., Oracle, and Microsoft from 10 September, half of it to the partner: 9.900095482175
    credited; without the credit of -2.6137 (half: -1.30685) 11.206945482175 counts; 5 at 10 % and
    6.206945482175 at 20 % make 1.741389..., so 1.74.
    """
    store = Store(tmp_path / "ws")
    for name in ("focus_sample.csv", "sample-book.yaml", "sample-plan.yaml"):
        import_file(store, DATA / name, KNOWN)
    run = settle_workspace(store, parse_period("2024-09")).run
    ledger = run.engine.table("ledger").to_pylist()[0]
    assert (ledger["total"], ledger["credited"], ledger["uncredited"]) == (
        Decimal("20.28022672899"),
        Decimal("9.900095482175"),
        Decimal("10.380131246815"),
    )
    said = explain(run, "sample/monthly/2024-09/HARBOUR", charges=2000)
    assert (said["credited"], said["counted"], said["earned"]) == (
        "9.900095482175",
        "11.206945482175",
        "1.74",
    )
    assert [(b["part"], b["pays"]) for b in said["units"][0]["bands"]] == [
        ("5.00", "0.50"),
        ("6.206945482175", "1.241389096435"),
    ]
    assert said["excluded"][0]["amount"] == "-1.30685" and said["excluded"][0]["id"] == "no-credits"
    assert len(said["charges"]) == said["charges_total"]
    assert sum(Decimal(c["credited"]) for c in said["charges"]) == Decimal(said["credited"])
    with SAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for c in said["charges"][:50]:
        assert Decimal(rows[c["row_no"] - 2]["BilledCost"]) == Decimal(c["amount"])
    assert json.dumps(said)
    late = (
        settle_workspace(store, parse_period("2024-10")).run.engine.table("ledger").to_pylist()[0]
    )
    assert (late["total"], late["credited"]) == (Decimal("0.24"), Decimal("0.12"))
