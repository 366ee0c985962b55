"""Business that counts otherwise than as it is billed, explained and proven.

By place among others, by weight, once it is paid; and paid apart.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close, closes, due, settle_period
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.settle.imports import import_file
from fenrun.statement.sentences import in_words
from fenrun.store.facts import Store

MARCH, KNOWN = parse_period("2024-03"), datetime(2024, 4, 2)
PLAN = """
plan: counted
title: Counted
source: Terms
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables:
  places: [{from: 2024-01-01, source: Terms, kind: all units,
            bands: [up to 1 pays 5 %, above 1 pays 3 %]}]
  ten: [{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 10 %]}]
earn:
  sum:
    - {id: place, pays: partner, per: month, on: amount, by: rank,
       rank: {ties: worse place}, table: places}
    - {id: by-quota, pays: partner, per: month, on: amount, by: rank, target: quota,
       rank: {by: attainment, ties: worse place}, table: places}
    - {id: weighted, pays: partner, per: month, on: amount, by: amount, table: ten,
       weights: [{when: ServiceName = 'Software', weight: 2.5}]}
    - {id: received, pays: partner, per: month, counted with: label paid of InvoiceId, on: amount,
       by: amount, table: ten}
    - {id: paid, pays: partner, per: month, counted with: payments of InvoiceId, on: amount,
       by: amount, table: ten}
    - {id: newcomer, pays: partner, who: day within 3 months of joined, per: month, on: amount,
       by: amount, table: ten}
    - {id: variable, pays: rep, per: month, on: amount, by: amount, table: ten}
pay:
  minimum: 5
  apart:
    - {components: [received, variable], instalments: [50 % at once, 50 % after 1 month]}
"""
BOOK = """
parties: [{party: P1, kind: partner}, {party: P2, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: account, issuer: Cloud, subject: A2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
figures:
  - {party: P1, figure: quota, period: 2024-03, amount: 1000, currency: CNY}
  - {party: P2, figure: quota, period: 2024-03, amount: 999, currency: CNY}
labels:
  - {party: INV-1, label: paid, value: in full, from: 2024-03-20}
  - {party: INV-2, label: paid, value: in full, from: 2024-01-10}
  - {party: P1, label: joined, value: 'yes', from: 2024-01-15}
"""
CHARGES = """
BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName,InvoiceId,ServiceName
300,300,300,300,A1,CNY,2024-01-01T00:00:00Z,2024-01-05T00:00:00Z,Cloud,INV-1,Compute
60,60,60,60,A1,CNY,2024-03-01T00:00:00Z,2024-03-05T00:00:00Z,Cloud,INV-2,Compute
40,40,40,40,A1,CNY,2024-03-01T00:00:00Z,2024-03-06T00:00:00Z,Cloud,INV-3,Software
100,100,100,100,A2,CNY,2024-03-01T00:00:00Z,2024-03-05T00:00:00Z,Cloud,INV-4,Compute
""".lstrip()

PAYMENTS = """
payments:
  - {payment: R1, day: 2024-02-03, payer: K1, customer: K1, amount: 30, currency: USD,
     kind: invoice, reference: INV-1, total: 90}
  - {payment: R2, day: 2024-03-31, payer: K1, customer: K1, amount: 45, currency: USD,
     kind: invoice, reference: INV-1, total: 90}
  - {payment: R3, day: 2024-03-31, payer: K2, customer: K2, amount: 1, currency: USD,
     kind: invoice, reference: INV-5, total: 90}
"""
BOUNCED = """
payments:
  - {payment: R4, day: 2024-03-31, payer: K1, customer: K1, amount: -15, currency: USD,
     kind: refund, reference: INV-1}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """March closed: P1 sold 360 for which it is paid, P2 100 for which it is not."""
    folder = tmp_path_factory.mktemp("counted")
    store = Store(folder / "ws")
    facts = {"plan.yaml": PLAN, "book.yaml": BOOK, "charges.csv": CHARGES, "paid.yaml": PAYMENTS}
    for name, text in facts.items():
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, KNOWN)
    close(store, MARCH, KNOWN, first=True)
    return store


def test_what_counts_otherwise_than_billed_is_said(store: Store) -> None:
    run = settle_period(store, MARCH).run
    place, weighted, received = (
        explain(run, f"counted/{component}/2024-03/P1")
        for component in ("place", "weighted", "received")
    )
    assert [one["earned"] for one in (place, weighted, received)] == ["3.00", "16.00", "36.00"]
    assert "That is place 2 among those who are ranked together." in in_words(place, "en")
    assert "在一起排名的各方中列第 2。" in in_words(place, "zh-CN")
    by_quota = explain(run, "counted/by-quota/2024-03/P1")
    assert "Places are by attainment, here 100.00 of the target 1,000.00." in in_words(
        by_quota, "en"
    )
    assert "名次按达成率排，本方为 100.00 对任务 1,000.00。" in in_words(by_quota, "zh-CN")
    assert by_quota["earned"] == "3.00"
    said = "It counts by weights, the first that holds: 2.5 × ServiceName = 'Software'."
    assert {said, "The qualifying amount is 160.00."} <= {*in_words(weighted, "en")}
    assert [(c["credited"], c["day"]) for c in received["charges"]] == [
        ("300.00", "2024-01-05"),
        ("60.00", "2024-03-05"),
    ]
    assert received["counted"] == "360.00" and received["charges_total"] == 2
    (not_counted,) = (r for r in run.engine.table("not_counted").to_pylist() if r["payee"] == "P1")
    assert (not_counted["rule"], not_counted["amount"]) == ("weighted.weights.1", -60)


def test_what_is_paid_in_part_counts_in_part(store: Store, tmp_path: Path) -> None:
    """300 are billed; 30 of 90 were paid in February, 45 in March, of which 15 came back."""
    settled = settle_period(store, MARCH)
    paid = explain(settled.run, "counted/paid/2024-03/P1")
    assert (paid["earned"], paid["counted"], paid["charges_total"]) == ("15.00", "150.00", 1)
    said = "Of INV-1, 45.00 was paid in the period, 75.00 of 90.00 in all; that part counts."
    assert said in in_words(paid, "en")
    assert "INV-1 期间内回款 45.00，累计 75.00／90.00，按此比例计入。" in in_words(paid, "zh-CN")
    (unbilled,) = (p for p in settled.run.problems if p.code == "payment-unbilled")
    assert unbilled.values == {"count": 1, "invoice": "INV-5"}
    copy = Store(Path(shutil.copytree(store.path, tmp_path / "ws")))
    (tmp_path / "bounced.yaml").write_text(BOUNCED, "utf-8")
    import_file(copy, tmp_path / "bounced.yaml", datetime(2024, 5, 2))
    late = [d for d in due(copy, closes(copy), datetime(2024, 5, 3)) if d.what == "earned"]
    assert [(d.cause, d.component, d.amount) for d in late] == [("payment", "paid", -5)]


def test_a_bundle_derives_all_but_the_places_among_others(store: Store, tmp_path: Path) -> None:
    """50 % of 36 is due later, and the place of P1 rests on what P2 sold."""
    make_bundle(store, "P1", MARCH, tmp_path / "P1.zip")
    found = verify(tmp_path / "P1.zip")
    assert found.payable == {"CNY": 3 + 3 + 16 + 18 + 10 + 15}
    assert {row.partition(" ")[2] for row in found.attested} == {
        "(counted/by-quota)",
        "(counted/place)",
    }
