"""Closing, as channel operations see it: a small year by hand, and the June of the demo world."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from dataclasses import fields
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close, settle_period
from fenrun.closing.differences import differences
from fenrun.closing.keys import signing_key
from fenrun.closing.sign_off import leaf_of
from fenrun.ledger.entries import balances, entries
from fenrun.ledger.revenue import revenue
from fenrun.ledger.text import to_beancount, to_hledger
from fenrun.proof.bundle import make_bundle, write_archive
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from fenrun.statement.rows import statement_of
from fenrun.store.audit_log import Log
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from tests.command import fenrun
from tests.proof.all_text import all_text

NIGHTLY = "FENRUN_NIGHTLY" in os.environ
PLAN = """
plan: small
title: Small
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables:
  tiers:
    - {from: 2024-01-01, source: Terms, kind: all units, bands: [below 1000 pays 10 %,
          from 1000 pays 20 %]}
earn: {sum: [{id: reward, pays: partner, per: month, on: amount, by: amount, table: tiers}]}
"""
BOOK = """
parties: [{party: K1, kind: customer}, {party: K2, kind: customer}, {party: P1, kind: partner},
      {party: P2, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: account, issuer: Cloud, subject: A2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
"""


class Year:
    """A workspace that becomes known day by day."""

    def __init__(self, folder: Path, plan: str = PLAN, book: str = BOOK):
        self.folder, self.store = folder, Store(folder / "ws")
        self.know("2024-01-01", "plan.yaml", plan)
        self.know("2024-01-01", "book.yaml", book)

    def know(self, day: str, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text, "utf-8")
        import_file(self.store, path, datetime.fromisoformat(day))

    def charge(self, day: str, name: str, *rows: str, columns: str = "") -> None:
        """Rows of `account cost charged-on billed-in` and, of further columns, their values."""
        lines = [
            "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,"
            "BillingCurrency,BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName" + columns
        ]
        for row in rows:
            account, cost, day_, month, *more = row.split()
            lines.append(
                ",".join(
                    (
                        cost,
                        cost,
                        cost,
                        cost,
                        account,
                        "CNY",
                        f"{month}-01T00:00:00Z",
                        f"{day_}T00:00:00Z",
                        "Cloud",
                        *("" if m == "-" else m for m in more),
                    )
                )
            )
        self.know(day, name, "\n".join(lines) + "\n")

    def close(self, period: str, known: str) -> None:
        close(self.store, parse_period(period), datetime.fromisoformat(known))

    def posted(self, period: str, what: str = "paid") -> list[tuple[str, str, Decimal]]:
        """Payee, cause and amount of what is posted in a period."""
        return [
            (d.payee, d.cause, d.amount)
            for d in settle_period(self.store, parse_period(period)).run.booked
            if d.what == what
        ]


@pytest.mark.in_turn(3)
def test_a_late_charge_is_paid_at_the_rate_it_reaches_with_its_month(tmp_path: Path) -> None:
    """January: 900 at 10 % is 90.00, closed. 200 more of January come in February: 1,100 at 20 % is
    220.00, so 130.00 is posted in February.
    """
    year = Year(tmp_path)
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A1 500 2024-02-10 2024-02")
    year.charge("2024-03-01", "late.csv", "A1 200 2024-01-20 2024-01")
    assert year.posted("2024-02") == [("P1", "late charge", Decimal(130))]
    statement = statement_of(settle_period(year.store, parse_period("2024-02")).run, "P1")
    assert (statement.total_paid, statement.difference, statement.payable) == (50, 130, 180)
    year.close("2024-02", "2024-03-02")
    closed = statement_of(settle_period(year.store, parse_period("2024-01")).run, "P1")
    assert closed.closed and closed.total_paid == 90
    year.charge("2024-04-01", "march.csv", "A1 1 2024-03-10 2024-03")
    assert year.posted("2024-03") == [], "posted once"


@pytest.mark.in_turn(3)
def test_an_explanation_leads_to_what_closed_periods_still_pay(tmp_path: Path) -> None:
    """P1 sells nothing in February and is paid 130.00 for January: it asked in vain why. The
    command that is said explains January as it would be now; a number of charges is obeyed.
    """
    year = Year(tmp_path)
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A2 500 2024-02-10 2024-02")
    year.charge("2024-03-01", "late.csv", "A1 200 2024-01-20 2024-01")
    said = fenrun("explain", year.store.path, "P1", "--period", "2024-02")
    assert said.code == 0 and "130.00 CNY of differences of closed periods" in said.out
    (command,) = (one for one in said.out.splitlines() if "as it would be now" in one)
    words = command.partition("fenrun explain WORKSPACE ")[2].split()
    assert "220.00 CNY for reward" in fenrun("explain", year.store.path, *words).out
    asked = ("explain", year.store.path, "P2", "--period", "2024-02")
    assert "february.csv:2" not in fenrun(*asked).out
    assert "february.csv:2" in fenrun(*asked, "--charges", 1).out
    books = fenrun("ledger", year.store.path, "--period", "2024-02").out.splitlines()
    assert [one.split()[1] for one in books if "true-up" in one and one.endswith("130.00 ")] == [
        "Liabilities:Accrued",
        "Expenses:Rebates",
    ], "earned and paid apart: together they were twice as much"
    closed = fenrun("close", year.store.path, "--period", "2024-02", "--known", "2024-03-02").out
    assert "to pay 180.00 CNY: of the period 50.00 CNY" in closed


def test_a_close_says_what_it_is_warned_of(tmp_path: Path) -> None:
    """Somebody whom no list of parties knows is paid: a name misspelt in the book is nobody's."""
    year = Year(tmp_path, book=BOOK.replace("role: partner, party: P2", "role: partner, party: P3"))
    year.charge("2024-02-02", "january.csv", "A2 900 2024-01-10 2024-01")
    said = fenrun("close", year.store.path, "--period", "2024-01", "--known", "2024-02-03")
    assert said.code == 0 and "P3 is used but not listed" in said.err


def test_a_reversal_takes_back_what_was_earned(tmp_path: Path) -> None:
    """1,100 at 20 % is 220.00. The 1,100 is reversed in its month: 220.00 goes back, not 10 % of it
    at the rate of the month in which the reversal came.
    """
    year = Year(tmp_path)
    year.charge("2024-02-02", "january.csv", "A1 1100 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A1 100 2024-02-10 2024-02")
    year.charge(
        "2024-03-01",
        "reversal.csv",
        "A1 -1100 2024-01-10 2024-01 Correction",
        columns=",ChargeClass",
    )
    assert year.posted("2024-02") == [("P1", "correction", Decimal(-220))]


def test_a_correction_billed_later_goes_to_whoever_held_the_customer_then(tmp_path: Path) -> None:
    """FOCUS 1.4, closed billing period: the correction of May is billed in June. May was P1's, June
    is P2's: P1 is credited.
    """
    year = Year(tmp_path)
    year.know(
        "2024-05-20",
        "move.yaml",
        "links:\n  - {of: customer, subject: K1, role: partner, party: P1, "
        "to: 2024-06-01}\n  - {of: customer, subject: K1, role: partner, party: P2, "
        "from: 2024-06-01}\n",
    )
    year.charge("2024-06-02", "may.csv", "A1 100 2024-05-10 2024-05")
    year.charge(
        "2024-07-05",
        "june.csv",
        "A1 10 2024-06-10 2024-06 -",
        "A1 -40 2024-05-10 2024-06 Correction",
        columns=",ChargeClass",
    )
    run = settle_period(year.store, parse_period("2024-06")).run
    assert {
        r["payee"]: r["credited"] for r in run.engine.table("statement_credits").to_pylist()
    } == {"P1": -40, "P2": 10}


def test_a_correction_without_a_resource_goes_where_the_corrected_charges_went(
    tmp_path: Path,
) -> None:
    """FOCUS 1.4, cost-only correction: no ResourceId, but the price and hour of the charges it
    corrects. Where all of them are of one resource, it is of that, else of the customer's holder.
    """
    year = Year(tmp_path)
    year.know(
        "2024-05-20",
        "vm.yaml",
        "links: [{of: resource, issuer: Cloud, subject: vm-1, role: partner, party: P2}]\n",
    )
    columns = ",ChargeClass,ResourceId,SkuPriceId"
    year.charge(
        "2024-06-02",
        "may.csv",
        "A1 100 2024-05-10 2024-05 - vm-1 U1",
        "A1 100 2024-05-10 2024-05 - vm-1 U2",
        "A1 100 2024-05-10 2024-05 - vm-2 U2",
        columns=columns,
    )
    year.charge(
        "2024-07-05",
        "june.csv",
        "A1 -1 2024-05-10 2024-06 Correction - U1",
        "A1 -2 2024-05-10 2024-06 Correction - U2",
        "A1 -4 2024-05-11 2024-06 Correction - U1",
        columns=columns,
    )
    run = settle_period(year.store, parse_period("2024-06")).run
    assert {
        r["payee"]: r["credited"] for r in run.engine.table("statement_credits").to_pylist()
    } == {"P2": -1, "P1": -6}


def test_what_a_correction_inherits_does_not_depend_on_the_period_asked(tmp_path: Path) -> None:
    """May's charge was of P2's machine. Its corrections come in June two years later, when no
    month of that May is looked at any more, and its files name no machine at all: P2's all the
    same, in the month, in the year, and where a kept month is used again.
    """
    year = Year(tmp_path)
    book = "links: [{of: resource, issuer: Cloud, subject: vm-1, role: partner, party: P2}]\n"
    year.know("2024-05-20", "vm.yaml", book)
    columns = ",ChargeClass,SkuPriceId"
    year.charge(
        "2024-06-02",
        "may.csv",
        "A1 100 2024-05-10 2024-05 - U1 vm-1",
        columns=f"{columns},ResourceId",
    )
    year.charge(
        "2026-07-05",
        "june.csv",
        "A1 -1 2024-05-10 2026-06 Correction U1",
        "A1 -2 2024-05-10 2026-06 Correction U2",
        columns=columns,
    )
    for period in ("2026-06", "2026-06", "2026"):
        run = settle_period(year.store, parse_period(period)).run
        credits = run.engine.table("statement_credits").to_pylist()
        assert {r["payee"]: r["credited"] for r in credits} == {"P2": -1, "P1": -2}


@pytest.mark.in_turn(3)
def test_a_file_can_replace_another(tmp_path: Path) -> None:
    """The replacement style: January's file is delivered again, whole, with 800 instead of 900."""
    year = Year(tmp_path)
    year.charge(
        "2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01", "A2 50 2024-01-10 2024-01"
    )
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A1 1 2024-02-10 2024-02")
    path = tmp_path / "january-2.csv"
    path.write_text((tmp_path / "january.csv").read_text("utf-8").replace("900", "800"), "utf-8")
    done = fenrun(
        "import", year.store.path, path, "--replaces", "january.csv", "--known", "2024-03-01"
    )
    assert done.code == 0, done.err
    assert year.posted("2024-02") == [("P1", "correction", Decimal(-10))]
    again = fenrun(
        "import",
        year.store.path,
        path,
        "--replaces",
        "nothing.csv",
        "--known",
        "2024-03-02",
        "--json",
    )
    assert again.code == 1 and again.json()["problems"][0]["code"] == "replaces-unknown"


@pytest.mark.in_turn(3)
def test_order_registrations_book_changes_and_plan_versions_have_their_own_causes(
    tmp_path: Path,
) -> None:
    """One book file moves a customer and registers an order; a letter raises the rate for January:
    three causes, which sum to the whole.
    """
    plan = PLAN.replace(
        "from 1000 pays 20 %]}\n",
        "from 1000 pays 20 %]}\n    - {from: 2024-01-01, published: 2024-02-20, "
        "source: Letter, kind: all units, bands: [below 1000 pays 15 %, "
        "from 1000 pays 20 %]}\n",
    )
    year = Year(tmp_path, plan)
    year.charge(
        "2024-02-02",
        "january.csv",
        "A1 100 2024-01-10 2024-01 -",
        "A1 50 2024-01-11 2024-01 SO-1",
        "A2 30 2024-01-11 2024-01 -",
        columns=",x_OrderId",
    )
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A1 1 2024-02-10 2024-02")
    year.know(
        "2024-02-10",
        "changes.yaml",
        "links:\n  - {of: order, issuer: Cloud, subject: SO-1, role: partner, party: P2}\n"
        "  - {of: customer, subject: K2, role: partner, party: P2, to: 2024-01-01}\n"
        "  - {of: customer, subject: K2, role: partner, party: P1, from: 2024-01-01}\n",
    )
    found = year.posted("2024-02")
    assert sorted(found) == [
        ("P1", "book change", Decimal("3.00")),
        ("P1", "order registration", Decimal("-5.00")),
        ("P1", "plan version", Decimal("6.50")),
        ("P2", "book change", Decimal("-3.00")),
        ("P2", "order registration", Decimal("5.00")),
        ("P2", "plan version", Decimal("2.50")),
    ]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The demo world, closed from January to July as a vendor would."""
    folder = tmp_path_factory.mktemp("demo")
    store = Store(folder / "ws", "ops")
    for path, day in make_world(folder / "files", 7_000, 1, late=True).files:
        import_file(store, path, datetime.combine(day, time()))
    for month in range(1, 7):
        close(store, parse_period(f"2024-{month:02d}"), datetime(2024, month + 1, 5))
    close(store, parse_period("2024-07"), datetime(2024, 9, 1))
    return store


@pytest.fixture(scope="module")
def july_bundle(demo: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A payee whose July statement pays differences of June, and its bundle."""
    booked = settle_period(demo, parse_period("2024-07")).run.booked
    payee = next(d.payee for d in booked if d.what == "earned" and d.cause == "book change")
    path = tmp_path_factory.mktemp("bundle") / "july.zip"
    done = fenrun("statement", demo.path, payee, "--period", "2024-07", "--bundle", path)
    assert done.code == 0, done.err
    return payee, path


@pytest.mark.in_turn(3)
def test_why_june_is_not_what_it_was_on_5_july(demo: Store) -> None:
    said = fenrun(
        "compare", demo.path, "--period", "2024-06", "--known", "2024-07-05", "--json"
    ).json()
    assert set(said["by_cause"]) == {
        "late charge",
        "correction",
        "book change",
        "order registration",
        "plan version",
    }
    then, now = (
        fenrun("settle", demo.path, "--period", "2024-06", "--known", day, "--json").json()[
            "earned"
        ]
        for day in ("2024-07-05", "2025-01-03")
    )
    assert (
        Decimal(now) - Decimal(then)
        == Decimal(said["difference"])
        == sum(map(Decimal, said["by_cause"].values()))
        != 0
    )
    words = ("compare", demo.path, "--period", "2024-06", "--known", "2024-07-05")
    assert "订单报备" in fenrun(*words, lang="zh-CN").out


@pytest.mark.in_turn(3)
def test_july_pays_the_differences_of_june(demo: Store, tmp_path: Path) -> None:
    run = settle_period(demo, parse_period("2024-07")).run
    found = [
        d
        for d in differences(
            demo, parse_period("2024-06"), datetime(2024, 7, 5), datetime(2024, 9, 1)
        )
        if d.what == "paid"
    ]
    assert run.closed and sum(d.amount for d in run.booked if d.what == "paid") == sum(
        d.amount for d in found
    )
    assert fenrun("settle", demo.path, "--period", "2024-06", "--json").json()["closed"]
    payee = next(d.payee for d in run.booked)
    text = fenrun("statement", demo.path, payee, "--period", "2024-07").out
    assert "Differences of closed periods" in text and "To pay" in text
    statement = statement_of(run, payee)
    rows = list(
        csv.reader(
            io.StringIO(
                fenrun("statement", demo.path, payee, "--period", "2024-07", "--format", "csv").out
            )
        )
    )
    assert sum(Decimal(r[6]) for r in rows[1:]) == statement.payable
    assert (
        fenrun(
            "statement",
            demo.path,
            payee,
            "--period",
            "2024-07",
            "--format",
            "xlsx",
            "--out",
            tmp_path / "s.xlsx",
        ).code
        == 0
    )
    cells = [
        c.value
        for row in openpyxl.load_workbook(tmp_path / "s.xlsx").active.iter_rows()
        for c in row
    ]  # type: ignore[union-attr]
    assert (
        any(isinstance(c, (int, float)) and Decimal(str(c)) == statement.payable for c in cells)
        and "To pay" in cells
    )


def test_nothing_opens_a_closed_period(demo: Store, tmp_path: Path) -> None:
    assert (
        fenrun("close", demo.path, "--period", "2024-06", "--json").json()["problems"][0]["code"]
        == "close-already"
    )
    (tmp_path / "more.yaml").write_text("parties: [{party: P9, kind: partner}]\n", "utf-8")
    assert (
        fenrun(
            "import", demo.path, tmp_path / "more.yaml", "--known", "2024-06-30", "--json"
        ).json()["problems"][0]["code"]
        == "known-closed"
    )


@pytest.mark.in_turn(3)
def test_a_bundle_holds_nobody_elses_data_and_verifies_elsewhere(
    demo: Store, july_bundle: tuple[str, Path], tmp_path: Path
) -> None:
    """A partner's bundle is scanned for every other partner, rep and customer of the world, in
    every file and column.
    """
    payee, path = july_bundle
    run = settle_period(demo, parse_period("2024-07")).run
    text = all_text(path)
    parties = {r["party"] for r in run.engine.table("parties").to_pylist()}
    own = {payee} | {p for p in parties if p in text and p.startswith("K")}
    credited = {
        r["customer"]
        for r in settle_period(demo, parse_period("2024-01/2024-07"), datetime(2024, 9, 1))
        .run.engine.query("SELECT DISTINCT customer FROM credited WHERE payee = ?", [payee])
        .to_pylist()
    }
    assert not [p for p in parties - own if p in text and not p.startswith("U-")]
    strangers = {p for p in own if p.startswith("K")} - credited - _once_credited(demo, payee)
    assert not strangers
    moved = tmp_path / "elsewhere.zip"
    shutil.copy(path, moved)
    said = fenrun("verify", moved, "--json")
    assert said.code == 3 and not said.json()["attested"], "nobody has vouched for the key"
    assert Decimal(said.json()["payable"]) == statement_of(run, payee).payable
    assert fenrun("verify", moved, "--key", "00" * 32).code == 1


def test_a_bundle_does_not_say_to_whom_a_link_went(tmp_path: Path) -> None:
    """The link L1 was P1's and becomes another's under the same id: P1 sees that it is no longer
    its own, not whose it is.
    """
    names = {"P2": "PARTNER-2", "K2": "CUSTOMER-2", "A2": "ACCOUNT-2"}  # not met by chance
    year = Year(tmp_path, book=re.sub("P2|K2|A2", lambda found: names[found[0]], BOOK))
    year.know(
        "2024-01-02",
        "link.yaml",
        "links: [{id: L1, of: customer, subject: K1, role: helper, party: P1}]\n",
    )
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    year.know(
        "2024-02-02",
        "moved.yaml",
        "links: [{id: L1, of: customer, subject: K1, role: helper, party: PARTNER-2}]\n",
    )
    year.close("2024-01", "2024-02-03")
    make_bundle(year.store, "P1", parse_period("2024-01"), tmp_path / "b.zip")
    assert verify(tmp_path / "b.zip").payable == {"CNY": 90}
    text = all_text(tmp_path / "b.zip")
    assert "K1" in text and not [name for name in names.values() if name in text]


def _once_credited(store: Store, payee: str) -> set[str]:
    """Customers for whom the payee was credited as things were known before the last close."""
    run = settle_period(store, parse_period("2024-01/2024-07"), datetime(2024, 8, 15)).run
    return {
        r["customer"]
        for r in run.engine.query(
            "SELECT DISTINCT customer FROM credited WHERE payee = ?", [payee]
        ).to_pylist()
    }


_HEADER, _ENTRY, _END = 30, 46, 22
"""Bytes of a ZIP file's header of a file, its entry in the directory, and the directory's end."""


@pytest.mark.in_turn(3)
def test_any_byte_of_a_bundle_that_is_changed_is_found(
    july_bundle: tuple[str, Path], tmp_path: Path
) -> None:
    """Bytes all over the file, of the headers of a file in it and of the directory's end, changed
    in turn (by day each third of them); and bytes put in before, after and as a comment.
    """
    _, path = july_bundle
    whole, rng = path.read_bytes(), random.Random(1)
    with zipfile.ZipFile(path) as bundle:
        first, second = bundle.infolist()[:2]
        directory = bundle.start_dir  # type: ignore[attr-defined]
    headers = [first.header_offset, second.header_offset]
    places = [
        *rng.sample(range(len(whole)), 60),
        *(start + byte for start in headers for byte in range(_HEADER + len(first.filename))),
        *range(directory, directory + _ENTRY + len(first.filename)),
        *range(len(whole) - _END, len(whole)),
    ]
    step = 1 if NIGHTLY else 3
    changed = [
        whole[:place] + bytes([whole[place] ^ (1 << rng.randrange(8))]) + whole[place + 1 :]
        for place in places[::step]
    ]
    for number, content in enumerate(
        [*changed, b"x" + whole, whole + b"x", whole[:-2] + b"\x01\x00x"]
    ):
        (tmp_path / "t.zip").write_bytes(content)
        with pytest.raises(Refused):
            verify(tmp_path / "t.zip")
            pytest.fail(f"change {number} was not found")
    verify(path)


@pytest.mark.parametrize("spoil", ["edit", "remove", "remove last", "swap", "insert", "file"])
def test_the_audit_finds_what_was_done_to_the_log(demo: Store, tmp_path: Path, spoil: str) -> None:
    shutil.copytree(demo.path, tmp_path / "ws")
    store = Store(tmp_path / "ws")
    assert fenrun("audit", "verify", store.path).code == 0
    last = store.log.events()[-1]
    sql: dict[str, tuple[str, ...]] = {
        "edit": ("UPDATE events SET reason = 'approved' WHERE seq = 7",),
        "remove": ("DELETE FROM events WHERE seq = 7",),
        "remove last": (f"DELETE FROM events WHERE seq = {last.seq}",),
        "swap": (
            "UPDATE events SET seq = -7 WHERE seq = 7",
            "UPDATE events SET seq = 7 WHERE seq = 8",
            "UPDATE events SET seq = 8 WHERE seq = -7",
        ),
        "insert": (
            "INSERT INTO events SELECT seq + 1, at, actor, act, kind, 'x', reason, "
            "before, after, previous, hash FROM events ORDER BY seq DESC LIMIT 1",
        ),
        "file": (),
    }
    with contextlib.closing(sqlite3.connect(store.log.path)) as connection:
        for statement in sql[spoil]:
            connection.execute(statement)
        connection.commit()
    if spoil == "file":
        (store.imports("closes")[0].folder / "leaves.json").write_text("{}", "utf-8")
    assert store.broken(last.hash)
    assert fenrun("audit", "verify", store.path, "--head", last.hash).code == 1


def _found(log: Log) -> bool:
    try:
        return bool(log.broken())
    except Refused:  # the row cannot be read any more
        return True


@pytest.mark.in_turn(3)
def test_any_field_of_any_log_row_that_is_changed_is_found(demo: Store, tmp_path: Path) -> None:
    """One character at the end of every field of every row, each changed in turn."""
    log = Log(tmp_path / "log.db")
    shutil.copy(demo.log.path, log.path)
    acts = log.events()
    for act in acts:
        for field in fields(act):
            value = getattr(act, field.name)
            other = (
                value + 1000
                if isinstance(value, int)
                else value[:-1] + chr(ord(value[-1]) ^ 1)
                if value
                else "x"
            )
            with contextlib.closing(sqlite3.connect(log.path)) as connection:
                connection.execute(
                    f"UPDATE events SET {field.name} = ? WHERE seq = ?", (other, act.seq)
                )
                connection.commit()
                assert _found(log), (act.seq, field.name)
                connection.execute(
                    f"UPDATE events SET {field.name} = ? WHERE seq = ?",
                    (value, other if field.name == "seq" else act.seq),
                )
                connection.commit()
    assert not log.broken() and log.events() == acts


def test_the_ledger_balances_and_others_accept_it(demo: Store, tmp_path: Path) -> None:
    """Every entry sums to zero; what is accrued is paid; Beancount and hledger agree."""
    run = settle_period(demo, parse_period("2024-07")).run
    made = entries(run)
    assert {e.kind for e in made} == {"accrual", "payout", "true-up"} and all(
        sum(a for _, a in e.postings) == 0 for e in made
    )
    assert all(
        amount == 0
        for (name, _), amount in balances(made).items()
        if name.startswith("Liabilities:Accrued")
    )
    _accepted(made, tmp_path)


PAY = """pay: {instalments: [70 % at once, 30 % after 1 month], minimum: 20, expires: 2 months,
      forms: [60 % cash, 40 % co-op]}
"""


@pytest.mark.in_turn(3)
def test_holdbacks_lapses_and_carried_amounts_stay_in_the_books(tmp_path: Path) -> None:
    """What is owed after each month, Accrued and Holdback, is what is carried and what is due
    later; a late charge does not break that.
    """
    year = Year(tmp_path, PLAN + PAY)
    year.charge(
        "2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01", "A2 40 2024-01-10 2024-01"
    )
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-02", "february.csv", "A1 500 2024-02-10 2024-02")
    year.charge("2024-03-02", "late.csv", "A1 200 2024-01-20 2024-01", "A2 30 2024-01-20 2024-01")
    year.close("2024-02", "2024-03-03")
    year.charge("2024-04-02", "march.csv", "A1 10 2024-03-10 2024-03")
    year.close("2024-03", "2024-04-03")
    made = [
        e
        for month in ("2024-01", "2024-02", "2024-03")
        for e in entries(settle_period(year.store, parse_period(month)).run)
    ]
    assert {"accrual", "true-up", "holdback", "lapse", "payout"} <= {e.kind for e in made}
    owed = balances(made)
    last = settle_period(
        year.store, parse_period("2024-01/2024-03"), datetime(2024, 4, 3)
    ).run.engine
    carried = {
        r["payee"]: r["carried"]
        for r in last.query(
            "SELECT payee, carried FROM payouts WHERE month = DATE '2024-03-01'"
        ).to_pylist()
    }
    held = {
        r["payee"]: r["n"]
        for r in last.query(
            "SELECT payee, sum(amount) AS n FROM held_back WHERE month <= DATE "
            "'2024-03-01' GROUP BY payee"
        ).to_pylist()
    }
    for payee in ("P1", "P2"):
        assert -owed.get((f"Liabilities:Accrued:{payee}", "CNY"), Decimal(0)) == carried[payee]
        assert -owed.get((f"Liabilities:Holdback:{payee}", "CNY"), Decimal(0)) == held.get(payee, 0)
    _accepted(made, tmp_path)


def _accepted(made: list[Any], folder: Path) -> None:
    (folder / "l.beancount").write_text(to_beancount(made), "utf-8")
    (folder / "l.journal").write_text(to_hledger(made), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "beancount.scripts.check", str(folder / "l.beancount")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr[:500]
    if not shutil.which("hledger"):
        pytest.skip("hledger is not installed: apt-get install hledger")
    done = subprocess.run(
        ["hledger", "-f", str(folder / "l.journal"), "check", "--strict"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:500]


def test_three_years_prepaid_are_revenue_day_by_day(tmp_path: Path) -> None:
    """1,096.00 for three years from 2024-01-01 (1,096 days) is credited whole in January and
    recognised at 1.00 a day; 60 % earned on 400 leaves 160 net.
    """
    year = Year(tmp_path, PLAN.replace("pays 10 %", "pays 60 %").replace("pays 20 %", "pays 60 %"))
    year.charge(
        "2024-02-02",
        "january.csv",
        "A1 1096 2024-01-01 2024-01 2027-01-01T00:00:00Z",
        columns=",ChargePeriodEnd",
    )
    year.charge(
        "2024-03-02",
        "february.csv",
        "A1 400 2024-02-10 2024-02 2024-02-11T00:00:00Z",
        columns=",ChargePeriodEnd",
    )
    (january,) = revenue(settle_period(year.store, parse_period("2024-01")).run)
    assert (january.gross, january.recognised, january.deferred) == (1096, 31, 1065)
    (february,) = revenue(settle_period(year.store, parse_period("2024-02")).run)
    assert (february.gross, february.earned, february.net) == (400, 240, 160)
    assert (february.recognised, february.deferred) == (429, 1036)


def _whole(year: Year, *periods: str) -> tuple[Decimal, Decimal]:
    """What was paid with these closed periods, and what is known of them at last."""
    runs = [settle_period(year.store, parse_period(p)).run for p in periods]
    paid = sum(
        (
            r["paid"]
            for run in runs
            for r in run.engine.query(
                "SELECT paid FROM payments WHERE month >= ? AND month < ?",
                [run.period.span.start, run.period.span.end],
            ).to_pylist()
        ),
        Decimal(0),
    )
    posted = sum((d.amount for run in runs for d in run.booked if d.what == "paid"), Decimal(0))
    last = settle_period(
        year.store, parse_period(f"{periods[0]}/{periods[-1]}"), runs[-1].as_of.known
    ).run
    known = sum(
        (
            r["paid"]
            for r in last.engine.query(
                "SELECT paid FROM payments WHERE month >= ? AND month < ?",
                [last.period.span.start, last.period.span.end],
            ).to_pylist()
        ),
        Decimal(0),
    )
    return paid + posted, known


def test_a_version_published_later_is_no_old_answer(tmp_path: Path) -> None:
    """Asked before and after the letter of 20 February, with nothing imported between: 10.00, then
    15.00.
    """
    year = Year(
        tmp_path,
        PLAN.replace(
            "from 1000 pays 20 %]}\n",
            "from 1000 pays 20 %]}\n    - {from: 2024-01-01, published: 2024-02-20, "
            "source: Letter, kind: all units, bands: [below 1000 pays 15 %, "
            "from 1000 pays 20 %]}\n",
        ),
    )
    year.charge("2024-02-02", "january.csv", "A1 100 2024-01-10 2024-01")
    assert [
        statement_of(
            settle_period(year.store, parse_period("2024-01"), datetime(2024, 2, day)).run, "P1"
        ).total_paid
        for day in (3, 25)
    ] == [10, 15]


def test_a_replacement_may_move_charges_out_of_a_closed_month(tmp_path: Path) -> None:
    """100 of January turn out to be of February: January's 10.00 goes back, February pays it."""
    year = Year(tmp_path)
    year.charge("2024-02-02", "january.csv", "A1 100 2024-01-10 2024-01", "A2 1 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    path = tmp_path / "fix.csv"
    path.write_text(
        (tmp_path / "january.csv").read_text("utf-8").replace("2024-01-01T", "2024-02-01T"), "utf-8"
    )
    (january,) = year.store.imports("charges")
    import_file(year.store, path, datetime(2024, 3, 1), replaces=[january.id])
    year.close("2024-02", "2024-03-02")
    assert _whole(year, "2024-01", "2024-02") == (Decimal("10.10"), Decimal("10.10"))


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("cost", range(5 if NIGHTLY else 2))
def test_a_file_and_its_replacement_may_become_known_at_once(tmp_path: Path, cost: int) -> None:
    year = Year(tmp_path)
    year.charge("2024-02-02", "january.csv", "A1 10 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    year.charge(
        "2024-03-01", "late.csv", f"A1 {100 + cost} 2024-01-10 2024-01", "A1 5 2024-02-10 2024-02"
    )
    path = tmp_path / "late-fix.csv"
    path.write_text(
        (tmp_path / "late.csv").read_text("utf-8").replace(f"{100 + cost},", "50,"), "utf-8"
    )
    import_file(year.store, path, datetime(2024, 3, 1), replaces=["late.csv"])
    year.close("2024-02", "2024-03-02")
    assert _whole(year, "2024-01", "2024-02") == (Decimal("6.50"), Decimal("6.50"))


@pytest.mark.in_turn(3)
def test_a_link_that_was_moved_under_its_id_stays_moved(tmp_path: Path) -> None:
    year = Year(tmp_path)
    year.know(
        "2024-01-02",
        "l.yaml",
        "links: [{of: account, issuer: Cloud, subject: A3, role: customer, party: K3}, "
        "{id: L, of: customer, subject: K3, role: partner, party: P1}]\n",
    )
    year.charge("2024-02-02", "january.csv", "A3 100 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    year.charge("2024-02-09", "february.csv", "A1 0 2024-02-10 2024-02")
    year.know(
        "2024-02-10",
        "m.yaml",
        "links: [{id: L, of: customer, subject: K4, role: partner, party: P1}]\n",
    )
    year.know(
        "2024-02-11", "n.yaml", "links: [{of: customer, subject: K3, role: agent, party: P2}]\n"
    )
    year.close("2024-02", "2024-03-02")
    assert _whole(year, "2024-01", "2024-02") == (0, 0)
    assert year.posted("2024-02") == [("P1", "book change", Decimal(-10))]


def test_what_a_killed_import_left_is_not_taken_for_the_import(tmp_path: Path) -> None:
    """Killed before the log named it, known on 2 February; imported again, known on 2 March: the
    closed January stays 10.00.
    """
    year = Year(tmp_path)
    year.charge("2024-02-02", "january.csv", "A1 100 2024-01-10 2024-01")
    other = Year(tmp_path / "other") if (tmp_path / "other").mkdir() is None else None
    assert other
    other.charge("2024-02-02", "late.csv", "A1 200 2024-01-20 2024-01")
    left = other.store.imports("charges")[0].folder
    shutil.copytree(left, year.store.path / "charges" / left.name)
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A1 1 2024-02-10 2024-02")
    year.charge("2024-03-02", "late.csv", "A1 200 2024-01-20 2024-01")
    assert (
        statement_of(settle_period(year.store, parse_period("2024-01")).run, "P1").total_paid == 10
    )
    assert year.posted("2024-02") == [("P1", "late charge", Decimal(20))]


def test_a_plan_that_has_ended_pays_the_quarter_that_it_began_and_no_draw(tmp_path: Path) -> None:
    """Ended on 15 February: the first quarter is paid with March. A draw ends with the plan's last
    month.
    """
    quarter = Year(
        tmp_path,
        PLAN.replace("{from: 2024-01-01}", "{from: 2024-01-01, to: 2024-02-15}").replace(
            "per: month", "per: quarter"
        ),
    )
    quarter.charge("2024-04-02", "march.csv", "A1 600 2024-03-10 2024-03")
    assert (
        statement_of(settle_period(quarter.store, parse_period("2024-03")).run, "P1").total_paid
        == 60
    )
    (tmp_path / "draw").mkdir()
    draw = Year(
        tmp_path / "draw",
        PLAN.replace("{from: 2024-01-01}", "{from: 2024-01-01, to: 2024-02-01}")
        + "pay: {draw: 100 guaranteed}\n",
    )
    draw.charge("2024-02-02", "january.csv", "A1 10 2024-01-10 2024-01", "A1 10 2024-02-10 2024-02")
    assert [
        settle_period(draw.store, parse_period(m))
        .run.engine.query(
            "SELECT coalesce(sum(paid), 0) AS n FROM payments WHERE month >= ? AND month < ?",
            list((parse_period(m).span.start, parse_period(m).span.end)),
        )
        .to_pylist()[0]["n"]
        for m in ("2024-01", "2024-02")
    ] == [100, 0]


@pytest.mark.in_turn(3)
def test_a_month_in_which_only_an_instalment_falls_due_is_settled_and_closed(
    tmp_path: Path,
) -> None:
    """70 % of 10.00 in January, the rest in February, in which nothing is billed: P1 has a
    statement of 3.00, and its bundle verifies.
    """
    year = Year(tmp_path, PLAN + "pay: {instalments: [70 % at once, 30 % after 1 month]}\n")
    year.charge("2024-02-02", "january.csv", "A1 100 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    year.know("2024-03-01", "more.yaml", "parties: [{party: P9, kind: partner}]\n")
    year.close("2024-02", "2024-03-01")
    assert statement_of(settle_period(year.store, parse_period("2024-02")).run, "P1").payable == 3
    said = fenrun("settle", year.store.path, "--period", "2024-02", "--json").json()
    assert said["closed"] and [s["payee"] for s in said["statements"]] == ["P1"]
    make_bundle(year.store, "P1", parse_period("2024-02"), tmp_path / "b.zip")
    assert verify(tmp_path / "b.zip").payable == {"CNY": 3}


@pytest.mark.in_turn(3)
def test_rows_left_out_or_doubled_are_found_though_signed_and_sealed_anew(
    demo: Store, july_bundle: tuple[str, Path], tmp_path: Path
) -> None:
    """Whoever holds the key can sign and seal anything; what does not follow from the facts, or
    follows and is missing, is named.
    """
    payee, path = july_bundle
    with zipfile.ZipFile(path) as bundle:
        whole = {name: bundle.read(name) for name in bundle.namelist()}
    for change in (
        lambda s: s["statement"].pop("differences"),
        lambda s: s["statement"]["differences"].append(s["statement"]["differences"][0]),
        lambda s: s["statement"].clear(),
        lambda s: s["attested"].append({"row": "lines:99", "clause": "channel-2024/growth"}),
        lambda s: s.update(period="2031-07"),
        lambda s: s.update(closes=[[1]]),
        lambda s: s.update(seal=[]),
    ):
        said = json.loads(whole["bundle.json"])
        change(said)
        with contextlib.suppress(Exception):
            said["seal"] = {
                **said["seal"],
                "path": [],
                "root": leaf_of(payee, said["closes"], said["statement"], said["seal"]["salt"]),
            }
        parts = {**whole, "bundle.json": json.dumps(said).encode()}
        parts["signature"] = signing_key(demo).sign(parts["bundle.json"])
        write_archive(tmp_path / "t.zip", parts)
        with pytest.raises(Refused) as refused:
            verify(tmp_path / "t.zip")
        assert {p.code for p in refused.value.problems} <= {
            "bundle-differs",
            "bundle-seal",
            "bundle-unreadable",
        }


def test_what_a_bundle_says_of_its_charges_must_follow_from_them(
    demo: Store, july_bundle: tuple[str, Path], tmp_path: Path
) -> None:
    """A settlement takes what all rows of a file share from what the import says; whoever signs
    another currency there is found.
    """
    _, path = july_bundle
    with zipfile.ZipFile(path) as bundle:
        parts = {name: bundle.read(name) for name in bundle.namelist()}
    name = next(n for n in parts if n.startswith("facts/charges/") and n.endswith("import.json"))
    was = hashlib.sha256(parts[name]).hexdigest()
    parts[name] = parts[name].replace(b'"CNY"', b'"USD"')
    now = hashlib.sha256(parts[name]).hexdigest()
    (tmp_path / "log.db").write_bytes(parts["facts/log.db"])
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as log:
        log.execute("UPDATE events SET after = replace(after, ?, ?)", [was, now])
        log.commit()
    parts["facts/log.db"] = (tmp_path / "log.db").read_bytes()
    said = json.loads(parts["bundle.json"])
    said["files"][name] = now
    said["files"]["facts/log.db"] = hashlib.sha256(parts["facts/log.db"]).hexdigest()
    parts["bundle.json"] = json.dumps(said).encode()
    parts["signature"] = signing_key(demo).sign(parts["bundle.json"])
    write_archive(tmp_path / "t.zip", parts)
    with pytest.raises(Refused) as refused:
        verify(tmp_path / "t.zip")
    assert [(p.code, p.place.column) for p in refused.value.problems] == [
        ("bundle-differs", json.loads(parts[name])["source"])
    ]
