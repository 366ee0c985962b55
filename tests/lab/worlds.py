"""Small workspaces whose figures can be worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from fenrun.lab.scenario import Scenario, read_scenario
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

KNOWN = datetime(2025, 1, 5)
_HEADER = (
    "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,"
    "BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName,ServiceName,RegionId\n"
)


def charge(
    account: str, billed: float | str, month: int = 6, list_: float | str = "", **more: str
) -> str:
    """A charge of an account in a month of 2024, at list price unless another is given."""
    day = f"2024-{month:02}-05T00:00:00Z"
    start = f"2024-{month:02}-01T00:00:00Z"
    service, region = more.get("service", "Compute"), more.get("region", "")
    costs = f"{billed},{billed},{billed},{list_ or billed}"
    return f"{costs},{account},CNY,{start},{day},Cloud,{service},{region}\n"


def workspace(
    folder: Path, book: str, charges: Iterable[str], *plans: str, more_columns: str = ""
) -> Store:
    """Import a book, charges and plans into a new workspace."""
    store = Store(folder / "ws")
    files = {
        "book.yaml": book,
        "charges.csv": _HEADER.replace("\n", more_columns + "\n") + "".join(charges),
    }
    files |= {f"plan-{number}.yaml": plan for number, plan in enumerate(plans)}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, KNOWN)
    return store


def owned(**holders: dict[str, str]) -> str:
    """A book: of each customer its account of the same number, and who holds its roles."""
    parties = {p: role for roles in holders.values() for role, p in roles.items()}
    kinds = {"partner": "partner", "rep": "rep"}
    lines = ["parties:"]
    lines += [f"  - {{party: {k}, kind: customer}}" for k in holders]
    lines += [f"  - {{party: {p}, kind: {kinds.get(r, 'unit')}}}" for p, r in parties.items()]
    lines.append("links:")
    for customer, roles in holders.items():
        account = "A" + customer.removeprefix("K")
        lines.append(
            f"  - {{of: account, issuer: Cloud, subject: {account}, role: customer, "
            f"party: {customer}}}"
        )
        for role, party in roles.items():
            lines.append(f"  - {{of: customer, subject: {customer}, role: {role}, party: {party}}}")
    return "\n".join(lines) + "\n"


def plan(earn: str, tables: str, credit: str = "", more: str = "", id_: str = "growth") -> str:
    """A plan of a year that pays partners, or whoever its components say."""
    credit = credit or "{first match: [{id: all, mode: single, roles: [partner]}]}"
    return f"""
plan: {id_}
title: Growth
source: test
published: 2024-01-01
effective: {{from: 2024-01-01}}
currency: CNY
timezone: UTC
basis: billed
credit: {credit}
tables: {{rates: [{{from: 2024-01-01, source: Terms, {tables}}}]}}
earn: {{sum: [{earn}]}}
{more}"""


PAYS = "{id: sales, pays: partner, per: year, on: amount, by: amount, table: rates}"


def scenario(text: str, folder: Path = Path()) -> Scenario:
    """Read a scenario that begins with the year."""
    return read_scenario(f"scenario: test\nfrom: 2024-01-01\n{text}", "test.yaml", folder)


def of(rows: Iterable[dict[str, Any]], **names: str) -> dict[str, Any]:
    """The one row that has some names."""
    (found,) = (row for row in rows if all(row[n] == v for n, v in names.items()))
    return found
