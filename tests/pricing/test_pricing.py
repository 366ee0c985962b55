"""What customers pay: nothing is lost on the way down, and the same sku is shown side by side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.pricing.deals import dispersion
from fenrun.pricing.lines import PriceLine, Prices, prices_of, spread
from fenrun.pricing.waterfall import waterfall
from fenrun.settle.imports import import_file
from tests.command import fenrun
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import MONTH, Charge, book, charge, workspace


def _prices(folder: Path, charges: Iterable[Charge], book: str, terms: str = "") -> Prices:
    return prices_of(workspace(folder, charges, book, terms), MONTH)


def test_four_customers_pay_for_one_sku_beside_each_other(tmp_path: Path) -> None:
    billed = {"A1": "70", "A2": "95", "A3": "60", "A4": "100"}
    sizes = {"A1": "100", "A2": "120", "A3": "1000", "A4": "4000"}
    charges = [
        charge(
            account,
            f"{int(sizes[account])}.00",
            f"{int(sizes[account]) * int(part) // 100}.00",
            PricingQuantity=sizes[account],
        )
        for account, part in billed.items()
    ]
    store = workspace(tmp_path, charges, book("K1", "K2", "K3", "K4"))
    (sku,) = dispersion(prices_of(store, MONTH).lines)
    assert [(deal.line.customer, deal.line.of_list) for deal in sku.deals] == [
        ("K3", Decimal("0.6")), ("K1", Decimal("0.7")), ("K2", Decimal("0.95")), ("K4", Decimal(1))
    ]  # fmt: skip
    assert (sku.least, sku.most) == (Decimal("0.6"), Decimal(1))
    nearest = {deal.line.customer: deal.nearest for deal in sku.deals}
    assert nearest == {
        "K1": ["K2", "K3"], "K2": ["K1", "K3"], "K3": ["K4", "K2"], "K4": ["K3", "K2"]
    }  # fmt: skip
    said = fenrun("price", tmp_path / "ws", "--period", "2024-09", "--customer", "K1", "--json")
    (line,), (shown,) = said.json()["lines"], said.json()["skus"]
    assert (line["net"], line["of_list"], line["per_unit"]) == ("70.00", "0.7", "0.7")
    assert [deal["of_list"] for deal in shown["deals"]] == ["0.6", "0.7", "0.95", "1"]
    text = fenrun("price", tmp_path / "ws", "--period", "2024-09", lang="zh-CN")
    assert text.code == 0 and "占目录价" in text.out and "95 %" in text.out


COUPON = {"ChargeCategory": "Credit", "x_CouponId": "C1", "ListCost": "0", "ContractedCost": "0"}


def test_a_coupon_a_tax_and_what_is_passed_on_stand_each_for_itself(tmp_path: Path) -> None:
    coupon = charge("A1", "0", "-20.00", **{**COUPON, "PricingUnit": "", "PricingQuantity": ""})
    tax = charge("A1", "6.00", ChargeCategory="Tax", PricingUnit="", PricingQuantity="", SkuId="")
    figure = "figures: [{party: K1, figure: passed-on, period: 2024-09, amount: 10 %}]\n"
    found = _prices(
        tmp_path, [charge("A1", "100.00", "90.00"), coupon, tax], book("K1", more=figure)
    )
    (line,) = waterfall(found.lines)
    assert (line.list, line.contracted, line.billed) == (100, 90, 90)
    assert (line.coupon, line.effective, line.tax) == (-20, 70, 6)
    assert (line.passed_on, line.net, line.of_list) == (7, 63, Decimal("0.63"))
    assert (line.quantity, line.unit, line.per_unit) == (100, "GB", Decimal("0.63"))
    of_sku = next(one for one in found.lines if one.sku == "S1")
    assert of_sku.net == 63, "the coupon names the sku"
    assert not found.problems


def test_an_amount_passed_on_is_spread_exactly_and_a_currency_is_not_mixed(tmp_path: Path) -> None:
    figures = (
        "figures:\n"
        "  - {party: K1, figure: passed-on, period: 2024-09, amount: 100, currency: CNY}\n"
        "  - {party: K2, figure: passed-on, period: 2024-09, amount: 5, currency: USD}\n"
        "  - {party: K3, figure: passed-on, period: 2024-Q3, amount: 5 %}\n"
    )
    charges = [charge("A1", "100", ServiceName=name) for name in ("CDN", "GPU", "SMS")]
    owned = book("K1", "K2", "K3", more=figures)
    found = _prices(tmp_path, [*charges, charge("A2", "7"), charge("A3", "7")], owned)
    mine = [line.passed_on for line in found.lines if line.customer == "K1"]
    assert mine == [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]
    others = {(o.currency, o.product): o.net for o in found.lines if o.customer == "K2"}
    assert others == {("CNY", "Storage"): 7, ("USD", ""): -5}
    assert [(one.code, one.values["party"]) for one in found.problems] == [
        ("passed-on-period", "K3")
    ]


def test_what_is_nobodys_is_said_and_half_an_account_is_half_a_customers(tmp_path: Path) -> None:
    link = "{of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1"
    owned = f"links:\n  - {link}, share: 50 %}}\n"
    found = _prices(tmp_path, [charge("A1", "3"), charge("A2", "1")], owned)
    assert {(one.customer, one.billed) for one in found.lines} == {
        ("K1", Decimal("1.5")), ("", Decimal("2.5"))
    }  # fmt: skip
    (problem,) = found.problems
    assert problem.code == "price-of-nobody" and "2.50 CNY" in problem.words("what")


def test_a_sub_account_that_the_book_names_goes_before_its_account(tmp_path: Path) -> None:
    more = (
        "  - {of: sub-account, issuer: Beichen Cloud, subject: B1, role: customer, party: K2,"
        " to: 2024-09-03}\n"
    )
    late = {"ChargePeriodStart": "2024-09-03T00:00:00Z", "ChargePeriodEnd": "2024-09-04T00:00:00Z"}
    charges = [
        charge("A1", "1", SubAccountId="B1"),
        charge("A1", "2", SubAccountId="B1", **late),
        charge("A1", "4", SubAccountId="B2"),
    ]
    found = _prices(tmp_path, charges, book("K1", more=more))
    assert {(one.customer, one.billed) for one in found.lines} == {("K1", 6), ("K2", 1)}


def test_a_list_cost_that_is_missing_comes_from_the_list_of_its_day(tmp_path: Path) -> None:
    prices = (
        "prices:\n  - {sku: S1, price: 2, currency: CNY, from: 2024-01-01}\n"
        "  - {sku: S1, price: 1.5, currency: CNY, from: 2024-09-03}\n"
    )
    late = {"ChargePeriodStart": "2024-09-03T00:00:00Z", "ChargePeriodEnd": "2024-09-04T00:00:00Z"}
    charges = [
        charge("A1", "", "175"),
        charge("A1", "", "175", **late),
        charge("A2", "", "5", SkuId="S2"),
    ]
    found = _prices(tmp_path, charges, book("K1", "K2"), prices)
    lists = {one.customer: (one.list, one.of_list) for one in found.lines}
    assert lists == {"K1": (350, Decimal(1)), "K2": (None, None)}
    assert [one.code for one in found.problems] == ["price-unlisted"]


def test_a_margin_is_known_where_every_charge_says_its_cost(tmp_path: Path) -> None:
    charges = [
        charge("A1", "10", x_Cost="4.5"),
        charge("A2", "10", x_Cost="4"),
        charge("A2", "10", x_Cost="dear"),
    ]
    found = _prices(tmp_path, charges, book("K1", "K2"))
    assert {one.customer: one.margin for one in found.lines} == {"K1": Decimal("5.5"), "K2": None}
    assert [one.code for one in found.problems] == ["price-cost"]


AMOUNTS = st.integers(-(10**20), 10**20).map(lambda n: str(Decimal(n).scaleb(-6)))
CHARGES = st.builds(
    charge,
    st.sampled_from(["A1", "A2", "A3"]),
    AMOUNTS,
    AMOUNTS,
    SkuId=st.sampled_from(["S1", "S2", ""]),
    ServiceName=st.sampled_from(["CDN", "GPU"]),
    ChargeCategory=st.sampled_from(["Usage", "Tax", "Credit", "Adjustment"]),
    x_CouponId=st.sampled_from(["", "C1"]),
    PricingUnit=st.sampled_from(["GB", ""]),
)


@given(st.lists(CHARGES, min_size=1, max_size=12), st.sampled_from([50, 33, 100]))
def test_the_lines_of_a_period_sum_to_its_charges(
    tmp_path_factory: pytest.TempPathFactory, charges: list[Charge], share: int
) -> None:
    link = "{of: account, issuer: Beichen Cloud, subject: A2, role: customer, party: K2"
    owned = book("K1", more=f"  - {link}, share: {share} %}}\n")
    found = _prices(tmp_path_factory.mktemp("prices"), charges, owned)
    taxes = [row for row in charges if row["ChargeCategory"] == "Tax"]
    used = [row for row in charges if row not in taxes]
    for lines in (found.lines, waterfall(found.lines)):
        billed = sum((one.billed + one.coupon + one.tax for one in lines), Decimal(0))
        assert billed == sum(Decimal(row["BilledCost"]) for row in charges)
        effective = sum((one.effective for one in lines), Decimal(0))
        assert effective == sum(Decimal(row["EffectiveCost"]) for row in used)
        assert sum((one.tax for one in lines), Decimal(0)) == sum(
            Decimal(row["BilledCost"]) for row in taxes
        )


@given(
    st.decimals(-(10**9), 10**9, places=3),
    st.lists(st.integers(1, 10**9).map(Decimal), min_size=1, max_size=9),
)
def test_a_spread_sums_to_its_amount_and_undoes_itself(amount: Decimal, by: list[Decimal]) -> None:
    parts = spread(amount, by, 2)
    assert sum(parts) == amount and len(parts) == len(by)
    assert [-part for part in parts] == spread(-amount, by, 2)
    whole = sum(by)
    far = [abs(part - amount * weight / whole) for part, weight in zip(parts, by)]
    assert all(one <= Decimal("0.011") for one in far)


def test_late_knowledge_changes_the_price_and_what_was_known_does_not(tmp_path: Path) -> None:
    store = workspace(tmp_path, [charge("A1", "100")], book("K1"))
    later = KNOWN + timedelta(days=1)
    figure = "figures: [{party: K1, figure: passed-on, period: 2024-09, amount: 25 %}]\n"
    (tmp_path / "figures.yaml").write_text(figure, "utf-8")
    import_file(store, tmp_path / "figures.yaml", later)

    def net(line: PriceLine) -> Decimal:
        return line.net

    assert [net(line) for line in prices_of(store, MONTH).lines] == [75]
    assert [net(line) for line in prices_of(store, MONTH, KNOWN).lines] == [100]
