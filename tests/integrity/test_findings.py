"""Findings: a market's schemes are found, with rows that exist; an honest one is left be."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import settle_period
from fenrun.integrity.chance import generator
from fenrun.integrity.checks import CHECKS, related_party
from fenrun.integrity.findings import INVARIANT, LINK, STATISTICAL, Case, Findings
from fenrun.integrity.kept import findings_of
from fenrun.integrity.seen import Seen, see
from fenrun.lab.moves import SCHEMES as MOVE_OF
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from fenrun.world.market import Market
from fenrun.world.schemes import PLAN, SCHEMES, make_market
from tests.command import fenrun
from tests.errors.gallery import KNOWN
from tests.integrity.markets import YEAR, found, imported, is_about, market_of
from tests.pricing.workspace import book, charge, workspace

pytestmark = pytest.mark.in_turn(3, whole=True)

_DATA = Path(__file__).parents[1] / "data"
IS_NIGHT = "FENRUN_NIGHTLY" in os.environ
Looked = tuple[Market, Store, Findings]


@pytest.fixture(scope="module")
def cheated() -> Looked:
    """A market in which every scheme is plain."""
    return market_of(30, 1, 0, *SCHEMES)


@pytest.fixture(scope="module")
def honest() -> Looked:
    """A market in which nobody cheats, and much looks like it."""
    return market_of(30, 1, 0)


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_plain_scheme_is_found(cheated: Looked, scheme: str) -> None:
    market, _, findings = cheated
    rows = [row for row in market.truth if row["scheme"] == scheme]
    assert rows and all(found(findings.cases, row) for row in rows)
    kinds = {check.scheme: check.kind for check in CHECKS}
    cases = [case for case in findings.cases if case.scheme == scheme]
    assert {case.kind for case in cases} == {kinds[scheme]}
    has_q = kinds[scheme] != INVARIANT
    assert all((case.q is not None) == has_q and (case.p is not None) == has_q for case in cases)
    assert all(case.amount > 0 and case.currency == "CNY" for case in cases)
    settled = [case for case in cases if case.pays and scheme != "G06"]  # trades pay by themselves
    assert {case.clause for case in settled} <= {"market-2024 volume"}


def test_an_honest_market_is_left_be(honest: Looked) -> None:
    """Though approvals, coupons, rings of returns, second partners, calls and prepayments are
    there.
    """
    market, _, findings = honest
    tables = ("approvals", "coupons", "trades", "events", "payments", "identities", "agreements")
    assert all(market.tables[table] for table in tables)
    kinds = {row["kind"] for row in market.tables["payments"]}
    assert kinds == {"invoice", "prepay", "transfer", "refund"}
    assert not findings.cases and all(check.tried for check in findings.checks)


def test_every_row_of_evidence_exists(cheated: Looked) -> None:
    _, store, findings = cheated
    keys = _keys(see(store, YEAR))
    lines = (store.path.parent / "files/charges.csv").read_text("utf-8").splitlines()
    for case in findings.cases:
        assert case.evidence
        for row in case.evidence:
            if row.table == "charges":
                name, _, number = row.key.rpartition(":")
                assert name == "charges.csv" and 2 <= int(number) <= len(lines)
            else:
                assert row.key in keys[row.table], row


def _keys(seen: Seen) -> Mapping[str, set[str]]:
    """Return the keys of the rows that are there, by table."""
    rows: Mapping[str, tuple[Any, Callable[[Any], str]]] = {
        "links": (seen.links, lambda row: row["link_id"]),
        "identities": (seen.identities, lambda r: f"{r['party']} {r['kind']} {r['value']}"),
        "events": (seen.events, lambda row: row["event"]),
        "payments": (seen.payments, lambda row: row["payment"]),
        "trades": (seen.trades, lambda row: row["trade"]),
        "approvals": (seen.terms.approvals, lambda row: row["approval"]),
        "coupons": (seen.terms.coupons, lambda row: row["coupon"]),
        "agreements": (seen.terms.agreements, lambda row: row["agreement"]),
        "floors": (seen.terms.floors, lambda row: row["floor"]),
    }
    return {name: {key(row) for row in of} for name, (of, key) in rows.items()}


def test_the_amount_is_what_is_earned_less_without_the_rows(
    cheated: Looked, tmp_path: Path
) -> None:
    """The same market is imported without the stolen orders: its payee earns so much less."""
    market, store, findings = cheated
    (truth,) = (row for row in market.truth if row["scheme"] == "G03")
    (case,) = (case for case in findings.cases if is_about(case, truth))
    without = make_market(30, 1, 0, SCHEMES)
    without.orders = [o for o in without.orders if o["order"] not in case.orders]
    (rival,) = case.parties
    before, after = (_earned(one, rival) for one in (store, imported(tmp_path, without)))
    assert case.amount == before - after > 0


def _earned(store: Store, payee: str) -> Decimal:
    rows = settle_period(store, YEAR).run.engine.query(
        "SELECT sum(earned) AS earned FROM statements WHERE payee = ?", [payee]
    )
    return Decimal(rows.to_pylist()[0]["earned"] or 0)


def test_a_case_names_the_clause_and_the_move_that_shows_who_else_could(cheated: Looked) -> None:
    _, store, findings = cheated
    shown = fenrun("findings", store.path).out
    cases = [case for case in findings.cases if case.clause]
    assert {"G01", "G03", "G04", "G05", "G09", "G12"} <= {case.scheme for case in cases}
    for case in cases:
        assert f"Earned by: {case.clause}" in shown
        move = f"fenrun attack WORKSPACE --period {case.start:%Y-%m}"
        assert (move in shown) or case.scheme not in MOVE_OF


@pytest.mark.skipif(not IS_NIGHT, reason="two more markets, by night")
def test_names_and_the_order_of_rows_move_no_finding(cheated: Looked, tmp_path: Path) -> None:
    market, _, findings = cheated
    other = make_market(30, 1, 0, SCHEMES)
    other.orders.reverse()
    for rows in other.tables.values():
        rows.reverse()
    again = findings_of(imported(tmp_path, other), YEAR)
    assert sorted(map(_said, again.cases)) == sorted(map(_said, findings.cases))
    assert market.truth


def _said(case: Case) -> tuple[object, ...]:
    return (case.id, case.parties, case.customers, case.orders, case.amount, case.p, case.q)


def test_identities_that_are_dealt_again_tie_nobody(cheated: Looked) -> None:
    """Decoys: who has which phone is dealt again among all who have one, as often as it is shared.

    What ties parties then does so by chance: of twenty such rosters at most one makes an alert.
    """
    seen = see(cheated[1], YEAR)
    assert len(related_party.run(seen).alerts) == 1
    by_kind = defaultdict[str, list[dict[str, Any]]](list)
    for row in seen.identities:
        by_kind[row["kind"]].append(row)
    made = 0
    for number in range(20):
        rng, dealt = generator("decoys", str(number)), []
        for rows in by_kind.values():
            owners = rng.permutation(np.array([row["party"] for row in rows], dtype=object))
            dealt += [row | {"party": party} for row, party in zip(rows, owners)]
        decoy = replace(seen)
        decoy.__dict__["identities"] = dealt
        made += len(related_party.run(decoy).alerts)
    assert made <= 1


@pytest.mark.skipif(not IS_NIGHT, reason="many markets, by night")
def test_chance_alone_makes_few_small_p() -> None:
    """In honest markets a tenth of the p at most is below a tenth: what is found is rare."""
    checks = [check for check in CHECKS if check.kind == STATISTICAL]
    tried, small, cases = 0, 0, 0
    for seed in range(10, 20):
        _, store, findings = market_of(60, seed, 0)
        cases += len(findings.cases)
        seen = see(store, YEAR)
        for check in checks:
            outcome = check.run(seen)
            tried += outcome.tried
            small += sum((alert.p or 1.0) <= 0.1 for alert in outcome.alerts)
    assert small <= 0.1 * tried
    assert cases <= 60 * 12 * 10 / 1000


def test_a_check_that_cannot_run_says_what_it_lacks(tmp_path: Path) -> None:
    store = workspace(tmp_path, [charge("A1", "10")], book("K1"))
    said = fenrun("findings", store.path, "--from", "2024-09", "--to", "2024-09", "--json").json()
    lacks = {one["check"]: one["skipped"] for one in said["checks"]}
    assert len(lacks) == len(CHECKS) and said["cases"] == []
    assert "identities" in lacks["related-party"] and "trades" in lacks["circular-trade"]
    assert "x_OrderId" in lacks["order-stealing"]
    shown = fenrun("findings", store.path, "--from", "2024-09", "--to", "2024-09", lang="zh-CN")
    assert shown.code == 0 and "没有案例" in shown.out and "未执行" in shown.out


def test_the_real_sample_says_of_each_check_what_it_lacks(tmp_path: Path) -> None:
    """Charges alone run no check; with a small book two run, which need no more than that.

    Nobody is found innocent by a check that did not run.
    """
    store = Store(tmp_path / "ws")
    import_file(store, _DATA / "focus_sample.csv", KNOWN)
    alone = findings_of(store, parse_period("2024-09"))
    assert all(one.skipped and not one.tried for one in alone.checks) and not alone.cases
    import_file(store, _DATA / "sample-book.yaml", KNOWN)
    found = findings_of(store, parse_period("2024-09"))
    lacks = {one.scheme: one.skipped for one in found.checks}
    assert [scheme for scheme, missing in lacks.items() if not missing] == ["G01", "G12"]
    assert lacks == {
        **{"G01": (), "G02": ("identities",), "G03": ("x_OrderId",), "G04": ("x_OrderId",)},
        **{"G05": ("floors", "passed-on"), "G06": ("trades",), "G08": ("payments",)},
        **{"G07": ("coupons", "x_CouponId"), "G09": ("x_OrderId",), "G10": ("events",)},
        **{"G11": ("floors",), "G12": (), "G13": ("coupons", "policies")},
        **{"G14": ("coupons", "x_CouponId", "payments"), "G16": ("employer links",)},
        "G15": ("agreements", "payments", "x_AgreementId"),
        "G17": ("identities", "employer links"),
    }
    assert not found.cases


COUPON = """coupons:
  - {coupon: C1, customer: K1, covers: ServiceName = 'GPU', amount: 50000, currency: CNY,
     from: 2024-09-01, to: 2024-10-01, granted_by: li}
"""


def test_a_case_is_said_with_its_rows_and_both_sides(tmp_path: Path) -> None:
    """20,000 of a coupon of K1 is spent by K2: an amount without statistics, and two questions."""
    spent = {"ChargeCategory": "Credit", "x_CouponId": "C1", "ServiceName": "GPU"}
    charges = [charge("A1", "0", "-30000", **spent), charge("A2", "0", "-20000", **spent)]
    store = workspace(tmp_path, charges, book("K1", "K2"), COUPON)
    words = ("findings", store.path, "--from", "2024-09", "--to", "2024-09")
    (case,) = fenrun(*words, "--json").json()["cases"]
    assert (case["check"], case["scheme"], case["kind"]) == ("coupon-diverted", "G07", "invariant")
    assert (case["amount"], case["currency"], case["p"], case["q"]) == (
        "20000.00",
        "CNY",
        None,
        None,
    )
    assert case["customers"] == ["K1", "K2"] and case["from"] == "2024-09-02"
    keys = [(row["table"], row["key"]) for row in case["evidence"]]
    assert keys == [("coupons", "C1"), ("charges", "charges.csv:3")]
    shown = fenrun(*words, lang="zh-CN")
    assert "20,000.00 CNY" in shown.out and "也可能是" in shown.out


def test_money_that_contradicting_facts_credit_to_nobody_is_said(tmp_path: Path) -> None:
    """Two partners hold all of K2, of whose 3,000 nobody has a part: no case has an amount of it.

    What is kept says so again.
    """
    held = "".join(
        f"  - {{of: customer, subject: {customer}, role: partner, party: {partner}}}\n"
        for customer, partner in (("K1", "P1"), ("K2", "P1"), ("K2", "P2"))
    )
    charges = [charge("A1", "500"), charge("A2", "1000"), charge("A2", "2000")]
    store = workspace(tmp_path, charges, book("K1", "K2", more=held))
    (tmp_path / "plan.yaml").write_text(PLAN, "utf-8")
    import_file(store, tmp_path / "plan.yaml", KNOWN)
    words = ("findings", store.path, "--from", "2024-08", "--to", "2024-09")
    said = fenrun(*words, "--json").json()["contradicted"]
    (one,) = said
    assert (one["plan"], one["amount"], one["charges"]) == ("market-2024", "3000.00", 2)
    assert len(one["accounts"]) == 1 and "A2" in one["accounts"][0]
    assert fenrun("findings", store.path, "--json").json()["contradicted"] == said
    shown = fenrun(*words).out
    assert "3,000.00 CNY of 2 charges is credited to nobody" in shown


def test_months_that_end_before_they_begin_are_wrong_usage(tmp_path: Path) -> None:
    store = workspace(tmp_path, [charge("A1", "10")], book("K1"))
    wrong = fenrun("findings", store.path, "--from", "2024-09", "--to", "2024-08")
    assert wrong.code == 2 and "--to" in wrong.err


def test_a_market_says_its_truth(tmp_path: Path) -> None:
    made = fenrun("world", tmp_path / "m", "--cheats", "G07,G11", "--rows", "1000", "--json").json()
    assert made["schemes"] == ["G07", "G11"]
    assert (tmp_path / "m/truth.json").is_file() and (tmp_path / "m/charges.csv").is_file()
    wrong = fenrun("world", tmp_path / "n", "--cheats", "G99")
    assert wrong.code == 2 and "G99" in wrong.err


def test_kinds_are_never_mixed() -> None:
    assert {check.kind for check in CHECKS} == {INVARIANT, STATISTICAL, LINK}
    assert [check.scheme for check in CHECKS] == sorted(SCHEMES)
