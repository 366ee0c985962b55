"""A fund over closed periods: a late claim is a difference, in the ledger too, and is proven."""

from __future__ import annotations

import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close, closed_run, closes
from fenrun.ledger.entries import balances, entries
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from fenrun.statement.formats.text import to_text
from fenrun.statement.formats.xlsx import to_xlsx
from fenrun.statement.rows import statement_of
from fenrun.statement.run import Run
from fenrun.store.facts import Store

MARCH, APRIL = parse_period("2024-03"), parse_period("2024-04")
PLAN = """
plan: co-op
title: Co-op
source: test
published: 2024-01-01
effective: {from: 2024-03-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables: {rates: [{from: 2024-03-01, source: Terms, kind: all units, bands: [pays 10 %]}]}
earn:
  sum:
    - {id: commission, pays: partner, per: month, on: amount, by: amount, table: rates}
pay:
  forms: [60 % cash, 40 % co-op]
  funds: [{form: co-op, claims: claims, cap: 100}]
"""
BOOK = """
parties: [{party: P1, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: customer, subject: K1, role: partner, party: P1}
"""
CLAIM = """
figures: [{party: P1, figure: claims, period: 2024-03, amount: 30, currency: CNY}]
"""
CHARGES = """
BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName
1000,1000,1000,1000,A1,CNY,2024-03-01T00:00:00Z,2024-03-05T00:00:00Z,Cloud
2000,2000,2000,2000,A1,CNY,2024-04-01T00:00:00Z,2024-04-05T00:00:00Z,Cloud
""".lstrip()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """March is closed; then a claim of March becomes known, and April is closed."""
    folder = tmp_path_factory.mktemp("funds")
    store = Store(folder / "ws")

    def bring(name: str, text: str, known: datetime) -> None:
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, known)

    for name, text in (("plan.yaml", PLAN), ("book.yaml", BOOK), ("charges.csv", CHARGES)):
        bring(name, text, datetime(2024, 4, 2))
    close(store, MARCH, datetime(2024, 4, 2), first=True)
    bring("claim.yaml", CLAIM, datetime(2024, 5, 1))
    close(store, APRIL, datetime(2024, 5, 2))
    return store


def _closed(store: Store) -> list[Run]:
    """Return the runs of the closed months, March and April."""
    return [closed_run(store, done).run for done in closes(store)]


def test_a_late_claim_is_a_difference_of_the_closed_month(store: Store) -> None:
    """40 came in March, of which 30 are granted; 80 more in April leave 90."""
    before, statement = (statement_of(run, "P1") for run in _closed(store))
    assert [fund["balance"] for fund in before.funds] == [Decimal(40)]
    found = [(d.what, d.component, d.amount) for d in statement.differences]
    assert found == [("granted", "co-op", Decimal(30))]
    (fund,) = statement.funds
    assert (fund["brought"], fund["accrued"], fund["balance"]) == (10, 80, 90)


def test_the_ledger_holds_what_the_fund_holds(store: Store) -> None:
    made = [entry for run in _closed(store) for entry in entries(run)]
    held = sum(
        amount for (name, _), amount in balances(made).items() if name.startswith("Liabilities:For")
    )
    assert held == Decimal(-90)
    assert all(sum(amount for _, amount in entry.postings) == 0 for entry in made)


def test_the_fund_is_stated_in_text_and_in_excel(store: Store) -> None:
    statement = statement_of(_closed(store)[1], "P1")
    assert "Funds" in to_text(statement, "en").decode()
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(statement, "zh-CN")))
    rows = list(book["基金"].iter_rows(values_only=True))
    assert rows[1] == ("2024-04", "co-op", 10, 80, 90)


def test_the_bundle_derives_the_fund(store: Store, tmp_path: Path) -> None:
    make_bundle(store, "P1", APRIL, tmp_path / "p1.zip")
    found = verify(tmp_path / "p1.zip")
    assert not found.attested
