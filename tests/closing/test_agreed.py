"""Terms decide about pay: what is closed stays, late terms make differences, bundles verify."""

from __future__ import annotations

import json
import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close, settle_period
from fenrun.credit.stored_charges import Source
from fenrun.engine.choose import new_engine
from fenrun.engine.runner import Bulk, SQLite
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.pipeline import spend
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store
from tests.command import fenrun
from tests.pricing.workspace import Charge, book, charge, workspace

PLAN = """
plan: small
title: Small
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit:
  first match: [{id: all, mode: double, roles: [partner]}]
exclude:
  - {id: cheap, when: floor breached and not approved}
  - {id: trials, when: coupon as granted}
  - {id: elsewhere, when: RegionId != payee.region}
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
earn:
  sum: [{id: ten, pays: partner, per: month, on: amount, by: amount, table: ten}]
"""
TERMS = """
floors:
  - {floor: F1, covers: ServiceName = 'Storage', least: 60 % of list, from: 2024-01-01, fine: 5,
     currency: CNY, source: secret-list}
coupons:
  - {coupon: C1, customer: K1, amount: 500, currency: CNY, from: 2024-01-01, granted_by: someone}
  - {coupon: C2, customer: K2, amount: 777, currency: CNY, from: 2024-01-01, granted_by: someone}
"""
APPROVAL = """
approvals:
  - {approval: A1, step: 1, customer: K1, grants: 55 % of list, from: 2024-09-01, to: 2024-10-01,
     asked_by: someone, asked_at: "2024-08-01", decided_by: li, decided_at: "2024-08-02",
     outcome: approved, reason: private}
  - {approval: A2, step: 1, customer: K2, grants: 54 % of list, from: 2024-09-01, to: 2024-10-01,
     asked_by: someone, asked_at: "2024-08-01", decided_by: li, decided_at: "2024-08-02",
     outcome: approved}
"""
MORE = """
links:
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
labels:
  - {party: P1, label: region, value: north}
parties:
  - {party: K1, kind: customer}
  - {party: K2, kind: customer}
  - {party: P1, kind: partner}
  - {party: P2, kind: partner}
"""
SEPTEMBER, OCTOBER = parse_period("2024-09"), parse_period("2024-10")


def _charges() -> list[Charge]:
    compute = charge("A1", "60000", ServiceName="Compute", RegionId="north")
    october = {
        "BillingPeriodStart": "2024-10-01T00:00:00Z",
        "BillingPeriodEnd": "2024-11-01T00:00:00Z",
    }
    spent = {"ChargeCategory": "Credit", "x_CouponId": "C1"}
    return [
        compute,
        charge("A1", "114545.4545", "63000"),
        charge("A1", "0", "-500", ServiceName="Compute", **spent),
        charge("A2", "300", "100"),
        charge("A1", "9000", ServiceName="Compute", RegionId="south"),
        charge("A2", "0", "-20", ServiceName="Compute", **spent),
        charge("A1", "1000", **october, ServiceName="Compute"),
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("agreed")
    (folder / "plan.yaml").write_text(PLAN, "utf-8")
    (folder / "late.yaml").write_text(APPROVAL, "utf-8")
    more = MORE.removeprefix("\nlinks:\n")
    store = workspace(folder, _charges(), book("K1", "K2", more=more), TERMS)
    import_file(store, folder / "plan.yaml", datetime(2024, 12, 1))
    return store


def _earned(store: Store, known: datetime | None = None) -> dict[str, Decimal]:
    run = settle_workspace(store, SEPTEMBER, known).run
    return {row["payee"]: row["earned"] for row in run.engine.table("statement_lines").to_pylist()}


def test_both_databases_settle_what_terms_say_alike(store: Store) -> None:
    facts = facts_as_of(store, datetime(2024, 12, 1))
    for make in (SQLite, Bulk):
        run = facts.settle(SEPTEMBER, datetime(2024, 12, 1), make=make)
        lines = run.engine.table("statement_lines").to_pylist()
        assert {row["payee"]: row["earned"] for row in lines} == {
            "P1": Decimal(6000),
            "P2": Decimal(-2),  # what is diverted of a coupon takes off what it pays for
        }
        assert not run.problems


def test_what_is_charged_to_customers_is_counted_from_stored_charges(store: Store) -> None:
    facts = facts_as_of(store, datetime(2024, 12, 1))
    (plan,) = facts.agreed_plans
    found = spend(new_engine(), Source(facts.charges), facts.agreed_book, plan, SEPTEMBER)
    assert found == {"K1": Decimal(131_500), "K2": Decimal(80)}


def test_an_explanation_names_the_terms_that_are_about_a_charge(store: Store) -> None:
    run = settle_workspace(store, SEPTEMBER, datetime(2024, 12, 1)).run
    lines = run.engine.table("statement_lines").to_pylist()
    line = next(row["line_id"] for row in lines if row["payee"] == "P1")
    named = [
        (charge["row_no"], [(one["table"], one["id"], one["says"]) for one in charge["terms"]])
        for charge in explain(run, line)["charges"]
    ]
    assert named == [
        (3, [("floors", "F1", "60 % of list")]),
        (2, []),
        (6, []),
        (4, [("coupons", "C1", "")]),
    ]
    words = ("explain", store.path, line, "--period", "2024-09")
    assert (
        "F1 (60 % of list)" in fenrun(*words).out and "协议条款" in fenrun(*words, lang="zh-CN").out
    )


@pytest.mark.in_turn(3)
def test_closed_stays_closed_and_late_terms_make_differences(store: Store, tmp_path: Path) -> None:
    folder = store.path.parent
    close(store, SEPTEMBER, datetime(2024, 12, 2), first=True)
    import_file(store, folder / "late.yaml", datetime(2024, 12, 3))
    assert _earned(store)["P1"] == 12_300, "known now"
    assert _earned(store, datetime(2024, 12, 2))["P1"] == 6000
    lines = settle_period(store, SEPTEMBER).run.engine.table("statement_lines").to_pylist()
    assert {row["payee"]: row["earned"] for row in lines}["P1"] == 6000, "closed"
    booked = settle_period(store, OCTOBER).run.booked
    assert [(d.payee, d.cause, d.source, d.amount) for d in booked if d.what == "earned"] == [
        ("P1", "terms change", "late.yaml", Decimal(6300))
    ]
    unread = folder / "unread.yaml"
    unread.write_text("agreements:\n  - {agreement: G1, kind: project, customer: K1}\n", "utf-8")
    import_file(store, unread, datetime(2024, 12, 4))
    close(store, OCTOBER, datetime(2024, 12, 5))
    for period in (SEPTEMBER, OCTOBER):
        bundle = tmp_path / f"{period.key}.zip"
        make_bundle(store, "P1", period, bundle)
        assert not verify(bundle).attested
    with zipfile.ZipFile(bundle) as archive:
        said = json.loads(archive.read("bundle.json"))
        names = [name for name in archive.namelist() if "/terms/" in name]
        archive.extractall(tmp_path / "out")
    assert len(said["statement"]["differences"]) == 2
    rows = [
        row
        for name in names
        if name.endswith(".parquet")
        for row in pq.read_table(tmp_path / "out" / name, partitioning=None).to_pylist()
    ]
    named = sorted(row.get("approval") or row.get("coupon") or row["floor"] for row in rows)
    assert named == ["A1", "C1", "F1"], "rows of others, or that no clause asks for, stay"
    text = json.dumps(rows, default=str)
    assert not [word for word in ("secret", "someone", "private", 'li"', "500") if word in text]


def test_a_hundred_customers_have_each_its_own_price(tmp_path: Path) -> None:
    """What is asked of a charge by itself can be more than one number holds."""
    count = 100
    customers = [f"K{n}" for n in range(1, count + 1)]
    steps = "".join(
        f"  - {{approval: A{n}, step: 1, customer: K{n}, grants: {n}.5 % of list,"
        " asked_by: ann, asked_at: 2024-08-01, decided_by: li, decided_at: 2024-08-02,"
        " outcome: approved}\n"
        for n in range(1, count + 1)
    )
    holders = "".join(
        f"  - {{of: customer, subject: {customer}, role: partner, party: P1}}\n"
        for customer in customers
    )
    (tmp_path / "plan.yaml").write_text(PLAN.replace("floor breached and not", "not"), "utf-8")
    charges = [charge(f"A{n}", "1000", f"{500}") for n in range(1, count + 1)]
    store = workspace(tmp_path, charges, book(*customers, more=holders), f"approvals:\n{steps}")
    import_file(store, tmp_path / "plan.yaml", datetime(2024, 12, 1))
    facts = facts_as_of(store, datetime(2024, 12, 1))
    for make in (SQLite, Bulk):
        run = facts.settle(SEPTEMBER, datetime(2024, 12, 1), make=make)
        (line,) = run.engine.table("statement_lines").to_pylist()
        assert line["earned"] == 49 * 50, "at 50 % of list: granted to K1 up to K49"


USED_UP = """
floors:
  - {floor: F1, covers: ServiceName = 'Storage', least: 60 % of list, from: 2024-01-01}
approvals:
  - {approval: A1, step: 1, grants: 50 % of list, amount: 1000, currency: CNY,
     asked_by: ann, asked_at: "2024-08-01", decided_by: li, decided_at: "2024-08-02",
     outcome: approved}
"""


def _on(day: int, account: str, billed: str, list_: str = "1000") -> Charge:
    start, end = (f"2024-09-{one:02d}T00:00:00Z" for one in (day, day + 1))
    days = {"ChargePeriodStart": start, "ChargePeriodEnd": end}
    return charge(account, list_, billed, RegionId="north", **days)


@pytest.mark.in_turn(3)
def test_a_bundle_attests_what_the_sales_of_others_use_up(tmp_path: Path) -> None:
    """1,000 for all customers: 550 of K1, then 550 of K2 is too much, then 450 of K1 fits."""
    charges = [_on(3, "A1", "550"), _on(5, "A2", "550"), _on(7, "A1", "500")]
    charges.insert(2, _on(6, "A1", "450", "900"))
    (tmp_path / "plan.yaml").write_text(PLAN, "utf-8")
    more = MORE.removeprefix("\nlinks:\n").replace("labels:", "labels:\n" + NORTH)
    store = workspace(tmp_path, charges, book("K1", "K2", more=more), USED_UP)
    import_file(store, tmp_path / "plan.yaml", datetime(2024, 12, 1))
    assert _earned(store, datetime(2024, 12, 1)) == {"P1": 100, "P2": 0}
    close(store, SEPTEMBER, datetime(2024, 12, 2), first=True)
    for payee in ("P1", "P2"):
        bundle = tmp_path / f"{payee}.zip"
        make_bundle(store, payee, SEPTEMBER, bundle)
        attested = verify(bundle).attested
        assert attested and all("(small/cheap)" in row for row in attested)
    kept = settle_workspace(store, SEPTEMBER, datetime(2024, 12, 2)).run
    line = next(
        row["line_id"]
        for row in kept.engine.table("statement_lines").to_pylist()
        if row["payee"] == "P1"
    )
    named = {
        charge["row_no"]: [one["id"] for one in charge["terms"]]
        for charge in explain(kept, line)["charges"]
    }
    assert named == {2: ["A1", "F1"], 4: ["A1", "F1"], 5: ["F1"]}


NORTH = "  - {party: P2, label: region, value: north}"


def test_what_uses_up_an_approval_late_makes_a_difference_for_others(tmp_path: Path) -> None:
    """A late charge of K2, of an earlier day, uses up what covered a charge of K1."""
    (tmp_path / "plan.yaml").write_text(PLAN, "utf-8")
    more = MORE.removeprefix("\nlinks:\n").replace("labels:", "labels:\n" + NORTH)
    store = workspace(tmp_path, [_on(5, "A1", "550")], book("K1", "K2", more=more), USED_UP)
    import_file(store, tmp_path / "plan.yaml", datetime(2024, 12, 1))
    late = workspace(tmp_path / "late", [_on(3, "A2", "550")], "", "")
    close(store, SEPTEMBER, datetime(2024, 12, 2), first=True)
    import_file(store, late.path.parent / "charges.csv", datetime(2024, 12, 3))
    assert _earned(store) == {"P1": 0, "P2": 55}
    differences = late_differences(store)
    assert differences == {("P1", Decimal(-55)), ("P2", Decimal(55))}


def late_differences(store: Store) -> set[tuple[str, Decimal]]:
    """What October books for September, as earned."""
    october = [charge("A1", "1000", ServiceName="Compute", RegionId="north", **OCTOBERS)]
    more = workspace(store.path.parent / "october", october, "", "")
    import_file(store, more.path.parent / "charges.csv", datetime(2024, 12, 4))
    booked = settle_period(store, OCTOBER).run.booked
    return {(one.payee, one.amount) for one in booked if one.what == "earned"}


OCTOBERS = {
    "BillingPeriodStart": "2024-10-01T00:00:00Z",
    "BillingPeriodEnd": "2024-11-01T00:00:00Z",
    "ChargePeriodStart": "2024-10-02T00:00:00Z",
    "ChargePeriodEnd": "2024-10-03T00:00:00Z",
}
