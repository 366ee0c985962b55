"""What bundles of plans that count payments must not give away, nor what was decided about cases.

P1 has K1, P2 has K2; each customer has an invoice that is paid in part, paid ahead without one, and
paid back. Cases of findings were decided about both. The attacker reads the bundle of one.
"""

from __future__ import annotations

import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.integrity.life import decide
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import charge, workspace
from tests.proof.all_text import all_text, without_digests

SEPTEMBER = parse_period("2024-09")
PLAN = """
plan: receipts
title: Receipts
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
earn:
  sum:
    - {id: ten, pays: partner, per: month, on: amount, by: amount, table: ten,
       counted with: payments of InvoiceId}
"""
BOOK = """
links:
  - {of: account, issuer: Beichen Cloud, subject: ACCT-1, role: customer, party: KUND-1}
  - {of: account, issuer: Beichen Cloud, subject: ACCT-2, role: customer, party: KUND-2}
  - {of: customer, subject: KUND-1, role: partner, party: PART-1}
  - {of: customer, subject: KUND-2, role: partner, party: PART-2}
"""
_PAID = """
  - {{payment: WIRE-{n}, day: 2024-09-1{n}, payer: PAYER-{n}, customer: KUND-{n}, kind: invoice,
     amount: 31{n}1, currency: CNY, reference: BILL-{n}, total: 62{n}2}}
  - {{payment: BACK-{n}, day: 2024-09-2{n}, payer: PAYER-{n}, customer: KUND-{n}, kind: refund,
     amount: -4{n}.5, currency: CNY, reference: BILL-{n}}}
  - {{payment: AHEAD-{n}, day: 2024-09-0{n}, payer: PAYER-{n}, customer: KUND-{n}, kind: prepay,
     amount: 8{n}808, currency: CNY, reference: PRE-{n}}}"""
EVENTS = f"payments:{_PAID.format(n=1)}{_PAID.format(n=2)}\n"
_DECIDED = "G07-20240901-KUND-{n}", "whispers-{n}", "owner-{n}"
_UNREAD = (
    *("PAYER-1", "PAYER-2", "AHEAD-1", "AHEAD-2", "PRE-1", "PRE-2", "81808", "82808"),
    *("G07-2024", "whispers-1", "whispers-2", "owner-1", "owner-2"),
)
"""What no clause reads for anybody."""
_OF_OTHERS = {
    "PART-1": ("PART-2", "KUND-2", "ACCT-2", "WIRE-2", "BACK-2", "BILL-2", "3121", "6222", "42.5"),
    "PART-2": ("PART-1", "KUND-1", "ACCT-1", "WIRE-1", "BACK-1", "BILL-1", "3111", "6212", "41.5"),
}
SECRETS = [(payee, text) for payee in _OF_OTHERS for text in (*_UNREAD, *_OF_OTHERS[payee])]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bundle of each partner, as text, both verified."""
    folder = tmp_path_factory.mktemp("events")
    charges = [
        charge("ACCT-1", "6212", InvoiceId="BILL-1"), charge("ACCT-2", "6222", InvoiceId="BILL-2")
    ]  # fmt: skip
    store = workspace(folder, charges, BOOK)
    for name, text in {"plan.yaml": PLAN, "events.yaml": EVENTS}.items():
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, KNOWN)
    for number in "12":
        case, reason, owner = (text.format(n=number) for text in _DECIDED)
        decide(store, case, "confirmed", reason, KNOWN, owner, None)
    close(store, SEPTEMBER, KNOWN, first=True)
    found = {}
    for payee in _OF_OTHERS:
        make_bundle(store, payee, SEPTEMBER, folder / f"{payee}.zip")
        verify(folder / f"{payee}.zip")
        found[payee] = without_digests(all_text(folder / f"{payee}.zip"))
    return found


@pytest.mark.parametrize(("payee", "secret"), SECRETS)
def test_a_bundle_of_receipts_does_not_hold(texts: dict[str, str], payee: str, secret: str) -> None:
    assert secret in BOOK + EVENTS + "".join(_DECIDED).replace("{n}", secret[-1]), "not to hide"
    assert secret not in texts[payee]


@pytest.mark.parametrize("payee", _OF_OTHERS)
def test_ones_own_payments_are_in_it(texts: dict[str, str], payee: str) -> None:
    """The table above would pass where nothing is in it."""
    own = (f"KUND-{payee[-1]}", f"BILL-{payee[-1]}", {"1": "3111", "2": "3121"}[payee[-1]])
    assert all(text in texts[payee] for text in own), own
