"""A small workspace of charges, a book and terms."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from fenrun.base.when import parse_period
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.errors.gallery import KNOWN, ROW

MONTH = parse_period("2024-09")
SKU = {"ServiceName": "Storage", "SkuId": "S1", "PricingUnit": "GB", "PricingQuantity": "100"}
Charge = Mapping[str, str]


def charge(account: str, list_: str, billed: str = "", **more: str) -> Charge:
    """A charge of an account at a list price, billed at another or the same."""
    billed = billed or list_
    costs = {"ListCost": list_, "BilledCost": billed, "EffectiveCost": billed}
    return {**ROW, **SKU, "BillingAccountId": account, **costs, "ContractedCost": billed, **more}


def on_second_of(month: int) -> dict[str, str]:
    """Days of a charge of the second of a month of 2024, billed for that month."""
    return {
        "BillingPeriodStart": f"2024-{month:02d}-01T00:00:00Z",
        "ChargePeriodStart": f"2024-{month:02d}-02T00:00:00Z",
        "ChargePeriodEnd": f"2024-{month:02d}-03T00:00:00Z",
    }


def book(*customers: str, more: str = "") -> str:
    """A book in which account A1 is of the first customer, and so on."""
    issuer = "Beichen Cloud"
    links = "".join(
        f"  - {{of: account, issuer: {issuer}, subject: A{n}, role: customer, party: {party}}}\n"
        for n, party in enumerate(customers, 1)
    )
    return f"links:\n{links}{more}"


def workspace(folder: Path, charges: Iterable[Charge], book: str, terms: str = "") -> Store:
    folder.mkdir(exist_ok=True)
    rows, store = list(charges), Store(folder / "ws")
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "charges.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    files = {"book.yaml": book, "terms.yaml": terms}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    for name in ("charges.csv", *(name for name, text in files.items() if text)):
        import_file(store, folder / name, KNOWN)
    return store
