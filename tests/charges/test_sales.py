"""Sales that a vendor and a marketplace both bill: found by what is sold, when and for how much."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Problem
from fenrun.base.when import parse_period
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

Row = dict[str, str]
KNOWN = datetime(2025, 1, 1)
SEPTEMBER = parse_period("2024-09")
VENDOR: Row = {
    "BilledCost": "100.50",
    "BillingAccountId": "V-1",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2024-09-01T00:00:00Z",
    "ChargePeriodStart": "2024-09-03T00:00:00Z",
    "ChargePeriodEnd": "2024-09-04T00:00:00Z",
    "InvoiceIssuerName": "Acme",
    "ServiceProviderName": "Acme",
    "HostProviderName": "Hosting",
    "PublisherName": "",
    "ResourceId": "arn:acme:db/1",
    "SkuId": "S1",
    "SkuPriceId": "",
    "SubAccountId": "",
    "Id": "",
    "seq": "",
}
"""A column may be named as anything: it must not be taken for what it is compared by."""
MARKET: Row = VENDOR | {
    "BillingAccountId": "M-1",
    "InvoiceIssuerName": "Market",
    "ServiceProviderName": "Market",
    "PublisherName": "Acme",
}
BOTH = {
    "as it is": ({}, {}),
    "amount in another form": ({}, {"BilledCost": "100.5000"}),
    "period in another zone": ({}, {"ChargePeriodStart": "2024-09-03T02:00:00+02:00"}),
    "another SKU of the marketplace": ({}, {"SkuId": "listing-7"}),
    "other capitals of the vendor's name": ({}, {"PublisherName": "ACME"}),
    "no provider said": ({"ServiceProviderName": "", "HostProviderName": ""}, {}),
    "billed a month later": ({}, {"BillingPeriodStart": "2024-08-01T00:00:00Z"}),
    "host in common": ({}, {"PublisherName": ""}),
    "by SKU and sub-account": (
        {"ResourceId": "", "SubAccountId": "sub"},
        {"ResourceId": "", "SubAccountId": "sub"},
    ),
    "resource said by one": ({"SubAccountId": "sub"}, {"ResourceId": "", "SubAccountId": "sub"}),
    "by price, account with both": (
        {"ResourceId": "", "SkuId": "", "SkuPriceId": "p"},
        {"ResourceId": "", "SkuId": "x", "SkuPriceId": "p", "BillingAccountId": "V-1"},
    ),
    "a credit": ({"BilledCost": "-7"}, {"BilledCost": "-7"}),
    "the issuer spelt otherwise": ({}, MARKET | {"InvoiceIssuerName": "Acme Inc."}),
}
APART = {
    "nothing billed by the vendor": ({"BilledCost": "0"}, {}),
    "nothing billed by the marketplace": ({}, {"BilledCost": "0"}),
    "another amount": ({}, {"BilledCost": "100.51"}),
    "another currency": ({}, {"BillingCurrency": "EUR"}),
    "another day": ({}, {"ChargePeriodStart": "2024-09-02T00:00:00Z"}),
    "another end": ({}, {"ChargePeriodEnd": "2024-09-05T00:00:00Z"}),
    "another resource": ({}, {"ResourceId": "arn:acme:db/2"}),
    "other providers": (
        {"HostProviderName": ""},
        {"PublisherName": "Other", "HostProviderName": ""},
    ),
    "a SKU of other accounts": ({"ResourceId": ""}, {"ResourceId": ""}),
    "no resource and no SKU": (
        {"ResourceId": "", "SkuId": "", "SubAccountId": "sub"},
        {"ResourceId": "", "SkuId": "", "SubAccountId": "sub"},
    ),
    "the same issuer": ({}, {"InvoiceIssuerName": "Acme"}),
}


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(VENDOR))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _open(store: Store) -> list[Problem]:
    return [p for p in undecided(store, KNOWN, SEPTEMBER) if p.code == "billed-by-two"]


def _numbered(cases: Mapping[str, tuple[Row, Row]]) -> tuple[list[Row], list[Row]]:
    """Each case with a resource, account and SKU of its own: none meets another."""
    vendor, market = [], []
    for number, (one, other) in enumerate(cases.values()):
        for rows, row in ((vendor, VENDOR | one), (market, MARKET | other)):
            own = ("ResourceId", "SkuId", "SkuPriceId", "SubAccountId", "BillingAccountId")
            rows.append(row | {name: f"{row[name]}-{number}" for name in own if row[name]})
    return vendor, market


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sales")


def test_every_form_of_one_sale_is_found_and_nothing_else(folder: Path) -> None:
    store = Store(folder / "forms")
    vendor, market = _numbered(BOTH | APART)
    import_file(store, _write(folder / "vendor.csv", vendor), KNOWN)
    assert _open(store) == []
    import_file(store, _write(folder / "market.csv", market), KNOWN)
    found = {(p.values["issuer"], p.values["other_issuer"]): p.values for p in _open(store)}
    assert {key: value["rows"] for key, value in found.items()} == {
        ("Market", "Acme"): len(BOTH) - 1,
        ("Acme Inc.", "Acme"): 1,
    }
    assert found["Market", "Acme"]["amount"] == "1,098.50 USD", "eleven of 100.50, less 7"
    assert [p.severity for p in _open(store)] == ["error", "error"]


def test_as_many_as_both_bill_until_it_is_decided(folder: Path) -> None:
    """Two of three; then both are meant, or the file of one comes again without them."""
    store, known = Store(folder / "counted"), datetime(2024, 12, 1)
    import_file(store, _write(folder / "two.csv", [VENDOR] * 2), known)
    import_file(store, _write(folder / "three.csv", [MARKET] * 3), known)
    (problem,) = _open(store)
    assert (problem.values["rows"], problem.values["amount"]) == (2, "201.00 USD")
    assert [p.source for p in (problem.place, *problem.also)] == ["three.csv", "two.csv"]
    none = [VENDOR | {"BilledCost": "0"}] * 2
    import_file(store, _write(folder / "none.csv", none), known, replaces=["two.csv"])
    assert _open(store) == []
    import_file(store, _write(folder / "again.csv", [VENDOR]), known)
    (problem,) = _open(store)
    decide(store, problem.values["one_id"], Decision(adds=problem.values["other_id"]), known)
    assert _open(store) == []


def test_one_file_with_both_issuers(folder: Path) -> None:
    store, known = Store(folder / "one"), datetime(2024, 12, 1)
    import_file(store, _write(folder / "all.csv", [VENDOR, MARKET, VENDOR]), known)
    (problem,) = _open(store)
    assert (problem.values["rows"], problem.values["issuer"]) == (1, "Market")
    decide(store, "all.csv", Decision(adds="all.csv"), known)
    assert _open(store) == []
