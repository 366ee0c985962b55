"""Coupons and agreements: balances conserve, what is diverted is named, a shortfall is exact."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.when import parse_period
from fenrun.ledger.shortfalls import shortfalls
from fenrun.pricing.agreements import Agreements, Drawdown, agreements_of
from fenrun.pricing.breaches import breaches_of
from fenrun.pricing.coupons import Coupons, coupons_of
from fenrun.store.facts import Store
from tests.command import fenrun
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import MONTH, Charge, book, charge, workspace

COUPONS = """coupons:
  - {coupon: C1, customer: K1, covers: ServiceName = 'GPU', amount: 50000, currency: CNY,
     from: 2024-09-01, to: 2024-10-01, granted_by: li}
  - {coupon: C2, customer: K1, covers: ServiceName = 'GPU', amount: 50000, currency: CNY,
     from: 2024-09-01, to: 2024-10-01, granted_by: li}
"""
END = date(2024, 9, 30)
BEFORE = date(2024, 9, 29)


def _credit(account: str, coupon: str, amount: str, **more: str) -> Charge:
    same = {"ChargeCategory": "Credit", "x_CouponId": coupon, "ServiceName": "GPU"}
    return charge(account, "0", f"-{amount}", **(same | more))


def _coupons(folder: Path, charges: list[Charge], on: date = BEFORE) -> Coupons:
    return coupons_of(workspace(folder, charges, book("K1", "K2"), COUPONS), on)


def test_what_another_customer_spends_of_a_coupon_is_diverted_and_named(tmp_path: Path) -> None:
    charges = [_credit("A1", "C1", "50000"), _credit("A1", "C2", "30000")]
    charges.append(_credit("A2", "C2", "20000"))
    found = _coupons(tmp_path, charges)
    (diverted,) = found.diverted
    assert (diverted.coupon, diverted.customer, diverted.reason) == ("C2", "K2", "customer")
    assert (diverted.amount, diverted.rows) == (20_000, ["charges.csv:4"])
    assert [(one.spent, one.diverted, one.left) for one in found.balances] == [
        (50_000, 0, 0), (30_000, 20_000, 0)
    ]  # fmt: skip
    said = fenrun("terms", "coupons", tmp_path / "ws", "--on", "2024-09-29", "--json").json()
    assert said["diverted"][0]["amount"] == "20000.00"
    shown = fenrun("terms", "coupons", tmp_path / "ws", "--on", "2024-09-29", lang="zh-CN")
    assert shown.code == 0 and "由其他客户使用" in shown.out


@pytest.mark.parametrize(
    ("credit", "reason"),
    [
        (_credit("A1", "C1", "1"), ""),
        (_credit("A1", "C1", "50000.01"), "amount"),
        (_credit("A2", "C1", "1"), "customer"),
        (_credit("A9", "C1", "1"), "customer"),
        (_credit("A1", "C1", "1", BillingCurrency="USD"), "currency"),
        (_credit("A1", "C1", "1", ServiceName="CDN"), "purpose"),
        (_credit("A1", "C1", "1", ChargePeriodStart="2024-08-31T00:00:00Z"), "days"),
        (_credit("A1", "C9", "1"), "unknown"),
    ],
)
def test_a_coupon_is_spent_as_granted_or_diverted_for_a_reason(
    tmp_path: Path, credit: Charge, reason: str
) -> None:
    found = _coupons(tmp_path, [credit])
    assert [one.reason for one in found.diverted] == ([reason] if reason else [])
    assert found.balances[0].spent == (0 if reason else 1)


def test_what_is_left_of_a_coupon_expires_with_its_days(tmp_path: Path) -> None:
    store = workspace(tmp_path, [_credit("A1", "C1", "100")], book("K1"), COUPONS)
    (first, _), (last, _) = (coupons_of(store, on).balances for on in (BEFORE, END))
    assert (first.left, first.expired) == (49_900, 0)
    assert (last.left, last.expired) == (0, 49_900)
    assert not coupons_of(store, date(2024, 8, 31)).balances
    assert coupons_of(store, date(2024, 9, 1)).balances[0].spent == 0


def test_what_is_left_of_a_coupon_is_issued_again_and_cannot_be_spent_twice(tmp_path: Path) -> None:
    again = COUPONS + (
        "  - {coupon: C3, customer: K1, amount: 20000, currency: CNY, from: 2024-09-10,"
        " reissues: C1}\n"
    )
    later = {"ChargePeriodStart": "2024-09-12T00:00:00Z", "ChargePeriodEnd": "2024-09-13T00:00:00Z"}
    charges = [_credit("A1", "C1", "25000"), _credit("A1", "C1", "6000", **later)]
    charges.append(_credit("A1", "C3", "20000", ServiceName="CDN", **later))
    store = workspace(tmp_path, charges, book("K1"), again)
    found = coupons_of(store, END)
    first, _, third = found.balances
    assert (first.spent, first.diverted, first.reissued, first.expired) == (
        25_000,
        6000,
        20_000,
        -1000,
    )
    assert (third.granted, third.spent, third.left) == (20_000, 20_000, 0)
    assert [(one.coupon, one.reason) for one in found.diverted] == [("C1", "amount")]
    (problem,) = found.problems
    assert (problem.code, problem.values["amount"]) == ("coupon-reissued", "1,000.00 CNY")
    said = breaches_of(store, MONTH).diverted
    assert [(one.coupon, one.amount, one.rows) for one in said] == [("C1", 6000, ["charges.csv:3"])]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["A1", "A2", "A9"]),
            st.sampled_from(["C1", "C2", "C9"]),
            st.integers(1, 30_000),
            st.sampled_from(["GPU", "CDN"]),
        ),
        max_size=8,
    )
)
def test_the_balances_of_coupons_conserve(
    tmp_path_factory: pytest.TempPathFactory, spent: list[tuple[str, str, int, str]]
) -> None:
    charges = [_credit(a, c, str(amount), ServiceName=s) for a, c, amount, s in spent]
    found = _coupons(tmp_path_factory.mktemp("coupons"), [*charges, charge("A1", "1")])
    for one in found.balances:
        assert one.granted == one.spent + one.diverted + one.reissued + one.left
        mine = [amount for _, coupon, amount, _ in spent if coupon == one.coupon]
        assert one.spent + one.diverted == sum(mine)
        assert one.spent <= one.granted
    unknown = sum(amount for _, coupon, amount, _ in spent if coupon == "C9")
    assert sum(one.amount for one in found.diverted if one.reason == "unknown") == unknown


def _agreements(folder: Path, rows: str, charges: list[Charge], on: date) -> Agreements:
    store = workspace(folder, charges, book("K1", "K2"), f"agreements:\n  - {rows}\n")
    return agreements_of(store, on)


def _one(folder: Path, rows: str, charges: list[Charge], on: date) -> Drawdown:
    (found,) = _agreements(folder, rows, charges, on).rows
    return found


COMMIT = (
    "{agreement: B1, kind: commit, customer: K1, from: 2024-01-01, to: 2025-01-01,"
    " amount: 60000000, currency: CNY, shortfall: 20 %}"
)
YEAR_END = date(2024, 12, 31)


def test_a_commit_of_60_m_of_which_45_m_are_used_owes_3_m(tmp_path: Path) -> None:
    charges = [charge("A1", "45000000"), charge("A2", "9000000")]
    charges.append(charge("A1", "5", ChargeCategory="Tax"))
    charges.append(_credit("A1", "C1", "7"))
    found = _one(tmp_path, COMMIT, charges, YEAR_END)
    assert (found.drawn, found.missing, found.owed) == (45_000_000, 15_000_000, 3_000_000)
    said = fenrun("terms", "agreements", tmp_path / "ws", "--on", "2024-12-31", "--json").json()
    assert said["agreements"][0]["owed"] == "3000000.00"
    shown = fenrun("terms", "agreements", tmp_path / "ws", "--on", "2024-12-31", lang="zh-CN")
    assert shown.code == 0 and "3,000,000.00 CNY" in shown.out
    store, known = Store(tmp_path / "ws"), KNOWN
    assert not shortfalls(store, parse_period("2024-11"), known)
    (entry,) = shortfalls(store, parse_period("2024-12"), known)
    assert (entry.day, entry.kind, entry.payee, entry.what) == (YEAR_END, "shortfall", "K1", "B1")
    assert entry.postings == (
        ("Assets:Receivable:K1", 3_000_000), ("Income:Shortfall:B1", -3_000_000)
    )  # fmt: skip


def test_a_commit_of_which_nothing_is_used_owes_its_rate_of_all(tmp_path: Path) -> None:
    found = _one(tmp_path, COMMIT, [charge("A2", "1")], YEAR_END)
    assert (found.drawn, found.owed) == (0, 12_000_000)


def test_a_commit_over_three_years_owes_once_they_are_over(tmp_path: Path) -> None:
    rows = COMMIT.replace("2024-01-01", "2022-01-01").replace("60000000", "200000000")
    store = workspace(tmp_path, [charge("A1", "150000000")], book("K1"), f"agreements: [{rows}]")
    (before,), (after,) = (
        agreements_of(store, on).rows for on in (date(2024, 12, 30), date(2024, 12, 31))
    )
    assert (before.owed, after.owed) == (0, 10_000_000)
    assert after.forecast == 150_000_000 and before.forecast == Decimal("150136986.30")
    assert before.expected == Decimal("9972602.74")


def test_half_a_year_in_the_forecast_goes_on_as_so_far(tmp_path: Path) -> None:
    march = {
        "ChargePeriodStart": "2024-03-02T00:00:00Z",
        "ChargePeriodEnd": "2024-03-03T00:00:00Z",
        "BillingPeriodStart": "2024-03-01T00:00:00Z",
        "BillingPeriodEnd": "2024-04-01T00:00:00Z",
    }
    charges = [charge("A1", "10000000", **march), charge("A1", "1")]
    found = _one(tmp_path, COMMIT, charges, date(2024, 7, 1))
    assert (found.drawn, found.forecast, found.owed) == (10_000_000, 20_000_000, 0)
    assert found.expected == 8_000_000


def test_three_years_prepaid_are_recognised_day_by_day(tmp_path: Path) -> None:
    rows = (
        "{agreement: B2, kind: prepay, customer: K1, from: 2022-01-01, to: 2025-01-01,"
        " amount: 15000000, currency: CNY}"
    )
    store = workspace(tmp_path, [charge("A2", "1")], book("K1"), f"agreements: [{rows}]")
    years = [agreements_of(store, date(year, 12, 31)).rows[0] for year in (2022, 2023, 2024)]
    assert years[0].recognised == Decimal("4995437.96")
    assert years[2].recognised == 15_000_000
    assert [one.recognised + one.deferred for one in years] == [15_000_000] * 3
    assert {one.owed for one in years} == {0}


def test_charges_in_another_currency_do_not_count_and_are_said(tmp_path: Path) -> None:
    charges = [charge("A1", "5", BillingCurrency="USD"), charge("A1", "7")]
    found = _agreements(tmp_path, COMMIT, charges, YEAR_END)
    assert found.rows[0].drawn == 7
    (problem,) = found.problems
    assert (problem.code, problem.values["others"]) == ("agreement-currency", "USD")
