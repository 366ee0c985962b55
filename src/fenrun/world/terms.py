"""The terms of a world: floors, approvals, coupons, commits, and the policy by which they come.

All of it is honest: a coupon is spent by its customer for its purpose, and what is approved was
approved step by step by others than who asked.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from fenrun.world.people import ISSUER, YEAR, People, customer_id, monthly_total, partner_id

_STORAGE, _GPU = "ServiceName = 'Object Storage'", "ServiceName = 'GPU Cluster'"
_CHAIN = (("manager", 26), ("second", 20), ("operations", 51))
"""Who decides the steps of an approval, and the hours that each takes."""
_APPROVED = 8
"""The customers that may buy storage below its floor."""
_COMMITS = ((0, 7, "20 %"), (1, 13, "20 %"), (2, 10, ""))
"""Commits: of which customer, tenths of what it is expected to use at list price, shortfall."""
_COUPONS = ((3, 50_000, (12_000, 9_500, 7_300)), (4, 20_000, (4_800,)))
"""Coupons: of which customer, its amount, and what is spent of it in November."""
_YEAR = {"from": date(YEAR, 1, 1), "to": date(YEAR + 1, 1, 1)}
_LATEST = date(YEAR, 12, 3)


def write_terms(folder: Path, world: People) -> list[tuple[Path, date]]:
    """Write the terms and the policy. Returns each with the day from which it is known."""
    folder.mkdir(parents=True, exist_ok=True)
    policy = folder / "policy.yaml"
    text = resources.files("fenrun.world").joinpath("policy.yaml").read_text("utf-8")
    policy.write_text(text, "utf-8")
    begun, approved = folder / "terms.yaml", folder / "approvals.yaml"
    _write(begun, {"floors": [_floor()], "agreements": [*_agreements(world)]})
    _write(approved, {"approvals": [*_approvals()], "coupons": [*_coupons()]})
    known, later = date(YEAR, 1, 1), date(YEAR, 8, 5)
    files = [(policy, known), (begun, known), (approved, later)]
    return [*files, (_credits(folder / f"focus-{YEAR}-11-coupons.csv"), _LATEST)]


def _write(path: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    path.write_text(yaml.safe_dump(tables, sort_keys=False, allow_unicode=True), "utf-8")


def _floor() -> dict[str, Any]:
    said = {"floor": "F-STORAGE", "covers": _STORAGE, "least": "60 % of list", "fine": "5000"}
    return said | {"currency": "CNY", "source": f"Price letter {YEAR}/3", **_YEAR}


def _agreements(world: People) -> Iterator[dict[str, Any]]:
    """Yield the commits of the largest customers, and a partner's listing on the marketplace."""
    for number, tenths, shortfall in _COMMITS:
        expected = int(world.spend[number] * monthly_total(world.size) * 12)
        amount = expected * tenths // 10 // 10_000 * 10_000
        said = {"agreement": f"COMMIT-{number + 1}", "kind": "commit"}
        said |= {"customer": customer_id(number), "amount": str(amount), "currency": "CNY"}
        yield said | ({"shortfall": shortfall} if shortfall else {}) | _YEAR
    said = {"agreement": "LISTING-1", "kind": "marketplace", "partner": partner_id(0)}
    yield said | {"covers": "ServiceName = 'CDN'", "reference": "Marketplace terms, 4", **_YEAR}


def _approvals() -> Iterator[dict[str, Any]]:
    """Yield the steps by which storage is sold at 55 % of list to some, and coupons are given."""
    wanted = [(f"A-{n + 1}", n, "discount", _STORAGE, "55 % of list") for n in range(_APPROVED)]
    wanted += [(f"A-C{n + 1}", n, "coupon", _GPU, f"C-{n + 1}") for n, *_ in _COUPONS]
    for at, (approval, number, kind, covers, grants) in enumerate(wanted):
        asked = datetime(YEAR, 1, 2, 2) + timedelta(days=at)
        for step, (by, hours) in enumerate(_CHAIN, 1):
            decided = asked + timedelta(hours=hours)
            said: dict[str, Any] = {"approval": approval, "step": step, "kind": kind}
            said |= {"customer": customer_id(number), "covers": covers, "grants": grants}
            said |= {"asked_by": "rep", "asked_at": f"{asked:%Y-%m-%dT%H:%M}", "decided_by": by}
            said |= {"decided_at": f"{decided:%Y-%m-%dT%H:%M}", "outcome": "approved"}
            yield said | {"reason": "A tender.", **_YEAR}
            asked = decided


def _coupons() -> Iterator[dict[str, Any]]:
    for number, amount, _ in _COUPONS:
        said: dict[str, Any] = {
            "coupon": f"C-{number + 1}",
            "customer": customer_id(number),
            "covers": _GPU,
        }
        said |= {"amount": str(amount), "currency": "CNY", "from": date(YEAR, 8, 1)}
        said |= {"to": date(YEAR + 1, 2, 1), "granted_by": "operations"}
        yield said | {"approval": f"A-C{number + 1}"}


def _credits(path: Path) -> Path:
    """Write the charges of category Credit by which coupons are spent."""
    rows = []
    for number, _, spent in _COUPONS:
        for at, amount in enumerate(spent):
            start = datetime(YEAR, 11, 6 + 7 * at, 2)
            rows.append(
                {
                    "BillingAccountId": f"A{number + 1:06d}",
                    "BillingAccountName": customer_id(number),
                    "BillingAccountType": "Account",
                    "BillingCurrency": "CNY",
                    "BillingPeriodStart": f"{YEAR}-11-01T00:00:00Z",
                    "BillingPeriodEnd": f"{YEAR}-12-01T00:00:00Z",
                    "ChargePeriodStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                    "ChargePeriodEnd": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
                    "ChargeCategory": "Credit",
                    "ChargeClass": "",
                    "ChargeFrequency": "One-Time",
                    "ChargeDescription": f"Coupon C-{number + 1}",
                    "ServiceName": "GPU Cluster",
                    "ServiceCategory": "AI and Machine Learning",
                    "SkuId": "SKU-003",
                    "SkuPriceId": "SKU-003-P1",
                    "InvoiceIssuerName": ISSUER,
                    "ProviderName": ISSUER,
                    "PublisherName": ISSUER,
                    "InvoiceId": f"INV-{YEAR}11",
                    "PricingQuantity": "",
                    "PricingUnit": "",
                    "ListCost": "0",
                    "ContractedCost": "0",
                    "BilledCost": f"-{amount}",
                    "EffectiveCost": f"-{amount}",
                    "x_CouponId": f"C-{number + 1}",
                    "x_OrderId": "",
                }
            )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
