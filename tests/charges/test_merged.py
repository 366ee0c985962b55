"""Files of a month that are merged give what they give one by one, and only where they may."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from fenrun.base.when import parse_period
from fenrun.charges import merged, stored
from fenrun.charges.merged import ids_of, merge_months, with_merged
from fenrun.charges.stored import StoredFiles, load_charges
from fenrun.cli.cache_ import command
from fenrun.closing.close import close
from fenrun.credit import stored_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.explain import explain
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.runs import settle_workspace
from fenrun.settle.standing import earned_by_payee
from fenrun.store.digests import digests
from fenrun.store.facts import Import, Store

_FILES = 5
_KNOWN = datetime(2024, 3, 1)
_MONTH = parse_period("2024-01")
_HEAD = (
    "BilledCost,ContractedCost,EffectiveCost,ListCost,BillingAccountId,BillingCurrency,"
    "BillingPeriodStart,BillingPeriodEnd,ChargeCategory,ChargeClass,ChargePeriodStart,"
    "ChargePeriodEnd,InvoiceIssuerName,ServiceName,ResourceId,x_Note"
)
_PLAN = """
plan: p
title: {en: P, zh-CN: P}
source: invented for the tests
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: double, roles: [partner]}]}
tables:
  rates: [{from: 2024-01-01, source: test, kind: all units, bands: [from 0 pays 10 %]}]
earn:
  sum: [{id: e, pays: partner, per: month, on: amount, by: amount, table: rates}]
"""
_BOOK = """
links:
  - {of: account, issuer: V, subject: A1, role: customer, party: K1}
  - {of: account, issuer: V, subject: "A,2", role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
"""


def _rows(number: int) -> Iterator[str]:
    """Yield a file's rows: accounts in no order, and costs of as many digits as the file's number.

    The same row in every file, one account in the second alone, a service that each file names
    otherwise.
    """
    day = f"2024-01-{number + 1:02}"
    accounts = ['"A,2"', "A1", "A9"] if number == 1 else ["A1", '"A,2"']
    for place, account in enumerate([*accounts, "A1", "A1"]):
        cost = f"{10**number}.{place}"
        kind = ["Usage", ""] if place else ["Usage", "Correction"]
        yield ",".join(
            [
                *[cost] * 4,
                account,
                "CNY,2024-01-01T00:00:00Z,2024-02-01T00:00:00Z",
                *kind,
                f"{day}T0{place}:00:00Z",
                f"{day}T05:00:00Z",
                f"V,s{number % 2},r{place},note {number} {place}",
            ]
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with five files of January, each known a day after the one before."""
    folder = tmp_path_factory.mktemp("merged")
    store = Store(folder / "ws")
    for name, text in (("plan.yaml", _PLAN), ("book.yaml", _BOOK)):
        (folder / name).write_text(text, "utf-8")
    _import(store, [folder / "plan.yaml", folder / "book.yaml"], _KNOWN)
    for number in range(_FILES):
        path = folder / f"january-{number}.csv"
        path.write_text("\n".join([_HEAD, *_rows(number)]) + "\n", "utf-8")
        _import(store, [path], _KNOWN + timedelta(days=number))
    return store.path


def _import(store: Store, paths: Sequence[Path], known: datetime, *replaces: str) -> None:
    for path in paths:
        import_file(store, path, known, replaces=replaces)


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it, in which as few charges are merged."""
    with mock.patch.object(merged, "_FEWEST_ROWS", 0):
        yield Store(Path(shutil.copytree(whole, tmp_path / "ws")))


def _read(imports: Sequence[Import]) -> list[tuple[object, ...]]:
    """Return the charges of imports, whatever their order."""
    engine = DuckDB()
    load_charges(engine, "charges", imports)
    names = ", ".join(f'"{name}"' for name in sorted(engine.columns("charges")))
    return sorted(engine.execute(f"SELECT {names} FROM charges").fetchall(), key=repr)


def test_what_is_merged_is_what_was_imported(store: Store) -> None:
    """Each row says its import; accounts come one after the other; the rest is as it came."""
    imports = store.imports("charges")
    near = {("V", "A9"): "a", ("V", "A1"): "b", ("V", "A,2"): "c"}
    with mock.patch.multiple(merged, _AT_ONCE=3):
        merge_months(imports, lambda: near)
    (one,) = with_merged(imports)
    assert _read([one]) == _read(imports) and sorted(ids_of(one)) == sorted(i.id for i in imports)
    account = pq.read_table(one.folder / "charges.parquet")["account_no"].to_pylist()
    assert account == sorted(account) and len(account) == one.facts["rows"] == _FILES * 4 + 1
    names = pq.read_table(one.folder / "accounts.parquet")["BillingAccountId"].to_pylist()
    assert names == ["A9", "A1", "A,2"], "those of one neighbourhood stand side by side"
    same = {name: one.facts["same"].get(name) for name in ("BillingCurrency", "ServiceName")}
    assert same == {"BillingCurrency": "CNY", "ServiceName": None}
    assert one.facts["first_start"] == "2024-01-01T00:00:00" and one.facts["corrections"] == _FILES


def test_charges_of_some_accounts_are_read_where_they_are(store: Store) -> None:
    """By Arrow as by DuckDB: each row of the accounts, and none where that would be too much."""
    with mock.patch.multiple(merged, _AT_ONCE=3, _SMALLEST_GROUP=2):
        merge_months(store.imports("charges"))
    files = StoredFiles(with_merged(store.imports("charges"))[0])
    whole = pq.read_table(files.charges)
    assert pq.read_metadata(files.charges).num_row_groups > 4
    for numbers in ([], [0], [1], [2], [2, 0], [0, 1, 2], [7]):
        wanted = whole.filter([one in numbers for one in whole["account_no"].to_pylist()])
        found = files.rows_of(numbers)
        assert found is not None and found.to_pylist() == wanted.to_pylist(), numbers
        assert found.schema.equals(whole.schema.remove_metadata())
    with mock.patch.object(stored, "_MOST_NEAR", 1):
        assert files.rows_of([1]) is None


def test_settling_merges_and_clearing_changes_nothing(store: Store) -> None:
    """What a settlement earns and explains is the same with merged files, without and after."""
    settle = facts_as_of(store, _KNOWN + timedelta(days=_FILES)).settle
    with mock.patch.object(stored_charges, "with_merged", lambda imports, apart=(): imports):
        apart = settle(_MONTH, _KNOWN)
        wanted = [explain(apart, f"p/e/2024-01/P{n}") for n in (1, 2)]
    run = settle(_MONTH, _KNOWN)
    assert [explain(run, f"p/e/2024-01/P{n}") for n in (1, 2)] == wanted
    assert wanted[0]["charges_total"] == 3 * _FILES and wanted[1]["charges_total"] == _FILES
    asked = CliRunner().invoke(command, [str(store.path), "--json"])
    assert json.loads(asked.output)["merged"] == 1
    cleared = CliRunner().invoke(command, [str(store.path), "--clear"])
    assert "1 merged file," in cleared.output
    assert len(with_merged(store.imports("charges"))) == _FILES
    assert [explain(run, f"p/e/2024-01/P{n}") for n in (1, 2)] == wanted


def test_a_close_reads_nothing_that_is_merged(store: Store) -> None:
    """Whoever can write the cache can write its digests: what is sealed rests on the imports."""
    facts = facts_as_of(store, _KNOWN + timedelta(days=_FILES))
    wanted = earned_by_payee(facts.settle(_MONTH, _KNOWN))
    (one,) = with_merged(store.imports("charges"))
    path = one.folder / "charges.parquet"
    charges = pq.read_table(path)
    pq.write_table(charges.take([0] * len(charges)), path)
    said = json.loads((one.folder / "merged.json").read_text("utf-8"))
    said["files"] = {
        name: now for name, now in digests(one.folder).items() if name in said["files"]
    }
    (one.folder / "merged.json").write_text(json.dumps(said), "utf-8")
    merged._read.cache_clear()
    anew = replace(facts, kept=KeptMonths(store.path / "cache" / "other"))
    assert earned_by_payee(anew.settle(_MONTH, _KNOWN)) != wanted, "else nothing was written"
    close(store, _MONTH, _KNOWN + timedelta(days=_FILES), first=True)
    assert earned_by_payee(settle_workspace(store, _MONTH).run) == wanted


def test_it_is_read_only_where_all_of_it_is_meant(store: Store, whole: Path) -> None:
    """Not as of an earlier moment, not where a file is replaced, not where a part is asked for."""
    imports = store.imports("charges")
    merge_months(imports)
    assert len(with_merged(imports, [imports[2].id])) == _FILES
    earlier = store.imports("charges", _KNOWN + timedelta(days=3))
    assert with_merged(earlier) == earlier and len(earlier) == 4
    later = whole.parent / "later.csv"
    later.write_text("\n".join([_HEAD, *_rows(1)][:-1]) + "\n", "utf-8")
    _import(store, [later], _KNOWN + timedelta(days=9), "january-1.csv")
    now = store.imports("charges")
    assert with_merged(now) == now and imports[1].id not in {item.id for item in now}
    with mock.patch.object(merged, "_MOST", 2):
        merge_months(now)
    (one,) = with_merged(now)
    assert _read([one]) == _read(now)
    assert [item.id for item in with_merged(imports)] != [one.id]


def test_late_files_are_merged_beside_the_largest(store: Store, whole: Path) -> None:
    """What is merged once is not written again for each few charges more."""
    merge_months(store.imports("charges"))
    for number in range(4):
        late = whole.parent / f"late-{number}.csv"
        late.write_text("\n".join([_HEAD, next(_rows(7 + number))]) + "\n", "utf-8")
        _import(store, [late], _KNOWN + timedelta(days=10 + number))
        merge_months(store.imports("charges"))
    now = store.imports("charges")
    assert [len(ids_of(one)) for one in with_merged(now)] == [_FILES, 4]
    assert _read(with_merged(now)) == _read(now)


def test_a_write_that_fails_and_a_damaged_file_change_nothing(store: Store) -> None:
    imports = store.imports("charges")
    folder = store.path / "cache" / "merged"
    with mock.patch.object(os, "replace", side_effect=OSError("full")):
        merge_months(imports)
    assert not [*folder.iterdir()] and with_merged(imports) == imports
    merge_months(imports)
    ((one,), [of_disk]) = with_merged(imports), [*folder.iterdir()]
    assert one.folder == of_disk
    with (of_disk / "charges.parquet").open("r+b") as file:
        file.seek(40)
        file.write(b"xx")
    assert with_merged(imports) == imports
    assert json.loads((of_disk / "merged.json").read_text())["id"] == one.id
