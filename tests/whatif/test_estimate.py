"""What more sales would earn, on cases that one can work out on paper; and the same as if the
charge had really come.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.settle.standing import Standing
from fenrun.statement.rows import statement_of
from fenrun.store.facts import Store
from fenrun.whatif.estimate import Estimator

KNOWN, SEPTEMBER = datetime(2024, 10, 1), parse_period("2024-09")
PLAN = """plan: tried
title: Tried
source: Terms
published: 2023-12-01
effective: {from: 2024-01-01, to: 2025-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
exclude: [{id: no-cdn, when: ServiceName = 'CDN'}]
tables:
  rates: [{from: 2024-01-01, source: Terms, kind: all units, bands: [below 100 pays 5 %,
        from 100 pays 10 %]}]
earn: {sum: [{id: reward, pays: partner, per: month, on: amount, by: amount, table: rates}]}
"""
BOOK = """links:
  - {of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1}
  - {of: account, issuer: Beichen Cloud, subject: A2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
parties: [{party: K1, kind: customer}, {party: K2, kind: customer}, {party: P1, kind: partner},
      {party: P2, kind: partner}]
"""
HEAD = (
    "InvoiceIssuerName,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "ChargePeriodEnd,ChargeCategory,ServiceName,BilledCost,EffectiveCost,ContractedCost,"
    "ListCost\n"
)


def _row(account: str, service: str, amount: str) -> str:
    return (
        f"Beichen Cloud,{account},CNY,2024-09-01T00:00:00Z,2024-09-05T00:00:00Z,"
        f"2024-09-06T00:00:00Z,Usage,{service},{amount},{amount},{amount},{amount}\n"
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "ws")
    for name, text in (
        ("plan.yaml", PLAN),
        ("book.yaml", BOOK),
        (
            "charges.csv",
            HEAD
            + _row("A1", "Compute", "60.00")
            + _row("A1", "CDN", "10.00")
            + _row("A2", "Compute", "500.00"),
        ),
    ):
        (tmp_path / name).write_text(text, "utf-8")
        import_file(made, tmp_path / name, KNOWN)
    return made


@pytest.mark.parametrize(
    ("amount", "after"), [("39.99", "5.00"), ("40", "10.00"), ("940", "100.00")]
)
def test_up_to_a_band_and_over_it(store: Store, amount: str, after: str) -> None:
    """60 earns 5 % = 3.00. With 39.99 more, 99.99 still earns 5 % = 4.9995, rounded 5.00; with 40
    more the whole 100 earns 10 %.
    """
    said = _estimator(store).sell("P1", Decimal(amount))
    assert (said["before"], said["after"], said["service"], said["account"]) == (
        "3.00",
        after,
        "Compute",
        "A1",
    )
    assert Decimal(said["more"]) == Decimal(after) - 3


def _estimator(store: Store) -> Estimator:
    return Estimator(Standing(facts_as_of(store, KNOWN), SEPTEMBER, KNOWN))


def test_what_does_not_count_earns_nothing_more(store: Store) -> None:
    said = _estimator(store).sell("P1", Decimal(1000), "CDN")
    assert (said["before"], said["after"], said["more"]) == ("3.00", "3.00", "0.00")


def test_each_estimate_stands_alone_and_changes_nothing(store: Store) -> None:
    estimator, acts = (
        _estimator(store),
        len(store.log.events()),
    )
    assert [
        estimator.sell(p, Decimal(a))["after"]
        for p, a in (("P1", 40), ("P2", 100), ("P1", 40), ("P1", "39.99"))
    ] == ["10.00", "60.00", "10.00", "5.00"]
    assert (
        len(store.log.events()) == acts
        and statement_of(settle_workspace(store, SEPTEMBER).run, "P1").earned == 3
    )


def test_it_is_what_the_charge_would_really_earn(store: Store, tmp_path: Path) -> None:
    said = _estimator(store).sell("P1", Decimal("777.77"))
    (tmp_path / "more.csv").write_text(HEAD + _row("A1", "Compute", "777.77"), "utf-8")
    import_file(store, tmp_path / "more.csv", KNOWN)
    assert (
        str(statement_of(settle_workspace(store, SEPTEMBER).run, "P1").earned)
        == said["after"]
        == "83.78"
    )


def test_who_sells_nothing_is_told_so(store: Store) -> None:
    with pytest.raises(Refused) as refused:
        _estimator(store).sell("P9", Decimal(1))
    assert [p.code for p in refused.value.problems] == ["estimate-nothing"]


def test_nobody_is_told_of_a_service_that_another_alone_is_credited_for(
    store: Store, tmp_path: Path
) -> None:
    """An order of the payee's own customer, registered to another, and what others have tried."""
    path, book = tmp_path / "order.csv", tmp_path / "order.yaml"
    with_order = HEAD.replace("ListCost", "ListCost,x_OrderId")
    path.write_text(with_order + _row("A1", "Secret", "900").rstrip() + ",O1\n", "utf-8")
    book.write_text(
        "links: [{of: order, issuer: Beichen Cloud, subject: O1, role: partner, party: P2}]\n"
    )
    for file in (path, book):
        import_file(store, file, KNOWN)
    estimator = Estimator(Standing(facts_as_of(store, KNOWN), SEPTEMBER, KNOWN))
    before = {payee: estimator.services(payee) for payee in ("P1", "P2")}
    assert "Secret" not in before["P1"] and "Secret" in before["P2"]
    with pytest.raises(Refused):
        estimator.sell("P1", Decimal(5), "Secret")
    largest = estimator.sell("P1", Decimal(100_000))["service"]
    assert estimator.sell("P1", Decimal(5))["service"] == largest != "Secret"
    assert {payee: estimator.services(payee) for payee in before} == before


def test_without_a_service_it_is_what_sells_most_not_what_was_one_large_charge(
    store: Store, tmp_path: Path
) -> None:
    """Compute bills 60 + 30 + 30 = 120, Support 90 in one charge: Compute sells most."""
    path = tmp_path / "support.csv"
    more = _row("A1", "Compute", "30.00") + _row("A1", "Compute", "30.00")
    path.write_text(HEAD + more + _row("A1", "Support", "90.00"), "utf-8")
    import_file(store, path, KNOWN)
    estimator = _estimator(store)
    assert estimator.services("P1") == ["Compute", "Support", "CDN"]
    assert estimator.sell("P1", Decimal(5))["service"] == "Compute"
    assert estimator.sell("P1", Decimal(5), "Support")["service"] == "Support"
