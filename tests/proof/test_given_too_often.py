"""What is given away more than once is nobody's: in a payee's bundle as in the workspace.

A close stops for it; who accepts that is owed a bundle that says what was settled. The bundle
holds all the links that are too many, since one alone would credit; it names nobody by them.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.closing import close as closing
from fenrun.closing.close import close, settle_period
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.proof.all_text import all_text

JANUARY = parse_period("2024-01")
KNOWN = datetime(2024, 2, 2)
PLAN = """
plan: orders
title: Orders
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: double, roles: [partner, rep]}]}
tables: {rates: [{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 10 %]}]}
earn:
  sum:
    - {id: deals, pays: partner, per: month, on: amount, by: amount, table: rates}
    - {id: visits, pays: rep, per: month, on: amount, by: amount, table: rates}
"""
PARTIES = """
parties:
  - {party: P1, kind: partner}
  - {party: P2, kind: partner}
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K3}
  - {of: customer, subject: K3, role: partner, party: P1}
"""
HEADER = (
    "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,"
    "BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName,SubAccountId,ResourceId,x_OrderId\n"
)
CHARGE = ",CNY,2024-01-01T00:00:00Z,2024-01-05T00:00:00Z,Cloud,"
GIVEN_TOO_OFTEN = {
    "an account, whose resource is ours": (
        """
  - {of: account, issuer: Cloud, subject: A2, role: customer, party: K1, share: 0.3}
  - {of: account, issuer: Cloud, subject: A2, role: customer, party: K2}
  - {of: account, issuer: Cloud, subject: A2, role: customer, party: K3, share: 0.3}
  - {of: resource, issuer: Cloud, subject: vm-1, role: partner, party: P1}
""",
        "A2" + CHARGE + ",vm-1,",
    ),
    "a sub-account of our account": (
        """
  - {of: sub-account, issuer: Cloud, subject: S1, role: customer, party: K1}
  - {of: sub-account, issuer: Cloud, subject: S1, role: customer, party: K2, share: 0.3}
  - {of: resource, issuer: Cloud, subject: vm-1, role: partner, party: P1}
""",
        "A1" + CHARGE + "S1,vm-1,",
    ),
    "an order, in a role of two": (
        """
  - {of: order, issuer: Cloud, subject: SO-1, role: partner, party: P1, share: 0.6}
  - {of: order, issuer: Cloud, subject: SO-1, role: partner, party: P2, share: 0.6}
  - {of: customer, subject: K3, role: rep, party: P1}
""",
        "A1" + CHARGE + ",,SO-1",
    ),
    "a resource, in a role of two": (
        """
  - {of: resource, issuer: Cloud, subject: vm-1, role: rep, party: P1, share: 0.6}
  - {of: resource, issuer: Cloud, subject: vm-1, role: rep, party: P2, share: 0.6}
""",
        "A1" + CHARGE + ",vm-1,",
    ),
    "a customer, in a role of two": (
        """
  - {of: customer, subject: K3, role: rep, party: P1, share: 0.6}
  - {of: customer, subject: K3, role: rep, party: P2, share: 0.6}
""",
        "A1" + CHARGE + ",,",
    ),
    "a customer, for some days": (
        """
  - {of: customer, subject: K3, role: rep, party: P1, share: 0.6, from: 2023-01-01}
  - {of: customer, subject: K3, role: rep, party: P2, share: 0.6, from: 2024-01-05}
""",
        "A1" + CHARGE + ",,",
    ),
}


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("name", GIVEN_TOO_OFTEN)
def test_the_bundle_of_a_payee_says_what_was_settled(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 of what is given away too often, beside 100 of what is not."""
    monkeypatch.setattr(closing, "ERROR", "nothing")
    links, charge = GIVEN_TOO_OFTEN[name]
    plain = "A1" + CHARGE + ",,"
    rows = "".join(f"100,100,100,100,{row}\n" for row in (plain, charge))
    store = Store(tmp_path / "ws")
    files = (("plan.yaml", PLAN), ("book.yaml", PARTIES + links), ("charges.csv", HEADER + rows))
    for file, text in files:
        (tmp_path / file).write_text(text, "utf-8")
        import_file(store, tmp_path / file, KNOWN)
    close(store, JANUARY, KNOWN, first=True)
    run = settle_period(store, JANUARY).run
    assert any(row["payee"] == "P1" for row in run.engine.table("statements").to_pylist())
    make_bundle(store, "P1", JANUARY, tmp_path / "bundle.zip")
    verify(tmp_path / "bundle.zip")
    text = all_text(tmp_path / "bundle.zip")
    assert not [other for other in ("K1", "K2", "P2") if other in text]
