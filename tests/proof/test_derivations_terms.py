"""What bundles of plans with terms and places must not give away.

P1 has K1, P2 has K2, and each has an approval, a coupon and an agreement of its customer's. They
are ranked against each other by what they attain. The attacker reads the bundle of one; all that
is asked for stands in what was imported. Costs that are rounded: test_rounded.py.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from tests.pricing.workspace import charge, workspace
from tests.proof.all_text import all_text, without_digests

SEPTEMBER, KNOWN = parse_period("2024-09"), datetime(2024, 12, 1)
PLAN = """
plan: agreed
title: Agreed
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
exclude:
  - {id: cheap, when: floor breached and not approved}
  - {id: trials, when: coupon as granted}
  - {id: elsewhere, when: RegionId != payee.region}
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
  places: [{from: 2024-01-01, source: test, kind: all units,
            bands: [up to 1 pays 5 %, above 1 pays 3 %]}]
earn:
  sum:
    - {id: ten, pays: partner, per: month, on: amount, by: amount, table: ten}
    - {id: place, pays: partner, per: month, on: amount, by: rank, target: quota,
       rank: {by: attainment, ties: worse place}, table: places}
"""
BOOK = """
links:
  - {of: account, issuer: Beichen Cloud, subject: ACCT-1, role: customer, party: KUND-1}
  - {of: account, issuer: Beichen Cloud, subject: ACCT-2, role: customer, party: KUND-2}
  - {of: customer, subject: KUND-1, role: partner, party: PART-1}
  - {of: customer, subject: KUND-2, role: partner, party: PART-2}
labels:
  - {party: PART-1, label: region, value: north-one}
  - {party: PART-2, label: region, value: south-two}
  - {party: PART-1, label: mood, value: unread-mood}
figures:
  - {party: PART-1, figure: quota, period: 2024-09, amount: 1234567.75, currency: CNY}
  - {party: PART-2, figure: quota, period: 2024-09, amount: 2345678.75, currency: CNY}
parties:
  - {party: KUND-1, kind: customer, name: Full name of KUND-1}
  - {party: KUND-2, kind: customer, name: Full name of KUND-2}
  - {party: PART-1, kind: partner, name: Full name of PART-1}
  - {party: PART-2, kind: partner, name: Full name of PART-2}
"""
_APPROVAL = """
  - {{approval: APPR-{n}, step: 1, customer: KUND-{n}, grants: 5{n}.5 % of list, from: 2024-09-01,
     to: 2024-10-01, asked_by: asker-{n}, asked_at: "2024-08-01", decided_by: decider-{n},
     decided_at: "2024-08-02", outcome: approved, reason: because-{n}}}"""
TERMS = f"""
floors:
  - {{floor: F1, covers: ServiceName = 'Storage', least: 60 % of list, from: 2024-01-01,
     fine: 31415, currency: CNY, source: list-letter}}
coupons:
  - {{coupon: COUP-1, customer: KUND-1, amount: 5551, currency: CNY, from: 2024-01-01,
     granted_by: giver-1}}
  - {{coupon: COUP-2, customer: KUND-2, amount: 7772, currency: CNY, from: 2024-01-01,
     granted_by: giver-2}}
agreements:
  - {{agreement: AGREE-1, kind: commit, customer: KUND-1, from: 2024-01-01, to: 2025-01-01,
     amount: 600001, currency: CNY, shortfall: 21 %}}
  - {{agreement: AGREE-2, kind: commit, customer: KUND-2, from: 2024-01-01, to: 2025-01-01,
     amount: 600002, currency: CNY, shortfall: 22 %}}
prices:
  - {{sku: SKU-17, price: 0.000817, currency: CNY, from: 2024-01-01, source: price-letter}}
approvals:{_APPROVAL.format(n=1)}{_APPROVAL.format(n=2)}
"""
_UNREAD = (
    *("Full name of", "unread-mood", "31415", "list-letter", "price-letter", "0.000817", "SKU-17"),
    *("AGREE-1", "AGREE-2", "600001", "600002", "asker-1", "asker-2", "decider-1", "decider-2"),
    *("because-1", "because-2", "giver-1", "giver-2", "margin-1", "margin-2", "terms.yaml"),
)
"""What no clause reads for anybody."""
_OF_OTHERS = {
    "PART-1": ("PART-2", "KUND-2", "ACCT-2", "APPR-2", "COUP-2", "7772", "2345678.75", "52.5"),
    "PART-2": ("PART-1", "KUND-1", "ACCT-1", "APPR-1", "COUP-1", "5551", "1234567.75", "51.5"),
}
_REGIONS = {"PART-1": ("south-two", "8208", "13680"), "PART-2": ("north-one", "6204", "10340")}
"""Of others: their labels, and what their customers were charged, by list and as billed."""
SECRETS = [(p, s) for p in _OF_OTHERS for s in (*_UNREAD, *_OF_OTHERS[p], *_REGIONS[p])]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bundle of each partner, as text, both verified."""
    folder = tmp_path_factory.mktemp("terms")
    (folder / "plan.yaml").write_text(PLAN, "utf-8")
    charges = [
        charge("ACCT-1", "10340", "6204", RegionId="north-one", x_Margin="margin-1"),
        charge("ACCT-2", "13680", "8208", RegionId="south-two", x_Margin="margin-2"),
    ]
    store = workspace(folder, charges, BOOK, TERMS)
    import_file(store, folder / "plan.yaml", KNOWN)
    close(store, SEPTEMBER, KNOWN, first=True)
    found = {}
    for payee in _OF_OTHERS:
        make_bundle(store, payee, SEPTEMBER, folder / f"{payee}.zip")
        verify(folder / f"{payee}.zip")
        found[payee] = without_digests(all_text(folder / f"{payee}.zip"))
    return found


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(("payee", "secret"), SECRETS)
def test_a_bundle_of_terms_does_not_hold(texts: dict[str, str], payee: str, secret: str) -> None:
    imported = PLAN + BOOK + TERMS + "10340 6204 13680 8208 margin-1 margin-2 terms.yaml"
    assert secret in imported, "nothing to hide"
    assert secret not in texts[payee]


@pytest.mark.parametrize("payee", _OF_OTHERS)
def test_what_is_ones_own_is_in_it(texts: dict[str, str], payee: str) -> None:
    """The table above would pass where nothing is in it."""
    number = payee[-1]
    own = (f"KUND-{number}", f"APPR-{number}", {"1": "1234567.75", "2": "2345678.75"}[number])
    assert all(text in texts[payee] for text in own), own
