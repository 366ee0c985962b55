"""An order that is lost, and an invoice that is not paid: stated, explained and proven by a bundle.

The bundle holds the labels of the payee's own orders and invoices, and nobody else's.
"""

from __future__ import annotations

import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.formats.text import to_text
from fenrun.statement.rows import statement_of
from fenrun.statement.sentences import in_words
from fenrun.store.facts import Store

MARCH = parse_period("2024-03")
KNOWN = datetime(2024, 4, 2)
PLAN = """
plan: orders
title: Orders
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables: {rates: [{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 10 %]}]}
earn:
  sum:
    - {id: deals, pays: partner, per: month, each: order, on: amount, by: amount, table: rates,
       clawback: {when: status = 'cancelled', within: 100 days of label active, takes: pro rata}}
    - {id: paid, pays: partner, per: month, each: InvoiceId, on: amount, by: amount, table: rates}
pay: {frozen: waits = 'yes'}
"""
BOOK = """
parties: [{party: P1, kind: partner}, {party: P2, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: account, issuer: Cloud, subject: A2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
labels:
  - {party: SO-1, label: active, value: since, from: 2024-01-01}
  - {party: SO-1, label: status, value: cancelled, from: 2024-03-11}
  - {party: SO-9, label: status, value: cancelled, from: 2024-03-12}
  - {party: INV-1, label: waits, value: "yes", to: 2024-03-20}
  - {party: INV-2, label: waits, value: "yes"}
"""
CHARGES = """
BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName,x_OrderId,InvoiceId
100,100,100,100,A1,CNY,2024-01-01T00:00:00Z,2024-01-05T00:00:00Z,Cloud,SO-1,INV-1
500,500,500,500,A1,CNY,2024-03-01T00:00:00Z,2024-03-05T00:00:00Z,Cloud,SO-2,INV-2
300,300,300,300,A2,CNY,2024-01-01T00:00:00Z,2024-01-05T00:00:00Z,Cloud,SO-9,INV-9
""".lstrip()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """P1 has an order that is cancelled, an invoice that is paid and one that is not."""
    folder = tmp_path_factory.mktemp("lost")
    store = Store(folder / "ws")
    for name, text in (("plan.yaml", PLAN), ("book.yaml", BOOK), ("charges.csv", CHARGES)):
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, KNOWN)
    close(store, MARCH, KNOWN, first=True)
    return store


def test_an_order_is_taken_back_for_the_days_that_are_left(store: Store) -> None:
    """Active since 1 January and cancelled on 11 March, 70 of the 100 days are gone."""
    run = settle_workspace(store, MARCH).run
    lines = {line.component: line for line in statement_of(run, "P1").lines}
    assert lines["deals"].earned == Decimal("47.00")
    said = "\n".join(in_words(explain(run, "orders/deals/2024-03/P1"), "en"))
    assert "3.00 is clawed back, because SO-1 was lost." in said


def test_what_waits_for_an_invoice_is_earned_and_not_paid(store: Store) -> None:
    """INV-2 waits with its 50; the 10 of INV-1, earned in January, are paid with March."""
    statement = statement_of(settle_workspace(store, MARCH).run, "P1")
    assert sum(line.earned for line in statement.lines) == Decimal("97.00")
    assert [payout["paid"] for payout in statement.payouts] == [Decimal("57.00")]
    waits = [(row["component"], row["unit"], row["amount"]) for row in statement.waiting]
    assert waits == [("paid", "INV-2", Decimal("50.00"))]
    assert "INV-2" in to_text(statement, "zh-CN").decode()


def test_the_bundle_holds_the_labels_of_own_orders(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "p1.zip"
    make_bundle(store, "P1", MARCH, path)
    found = verify(path)
    assert found.payable == {"CNY": Decimal("57.00")} and not found.attested
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("labels.parquet"))
        labels = pq.read_table(pa.BufferReader(archive.read(name)))
    assert set(labels["party"].to_pylist()) == {"SO-1", "INV-1", "INV-2"}
