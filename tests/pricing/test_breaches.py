"""Sales below a floor: an approval covers what it names; all else is a breach."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.pricing.breaches import Breaches, breaches_of
from tests.command import fenrun
from tests.pricing.workspace import MONTH, Charge, book, charge, workspace

FLOOR = (
    "{floor: F1, covers: ServiceName = 'Storage', least: 60 % of list, from: 2024-01-01,"
    " fine: 5000000, currency: CNY}"
)
STEP = {
    "approval": "A1",
    "step": "1",
    "customer": "K1",
    "grants": "50 % of list",
    "from": "2024-09-01",
    "to": "2024-10-01",
    "asked_by": "ann",
    "asked_at": "2024-08-01T09:00",
    "decided_by": "li",
    "decided_at": "2024-08-02T21:00",
    "outcome": "approved",
}
LINKS = "  - {of: customer, subject: K1, role: partner, party: P1}\n"


def _terms(*steps: dict[str, str], floor: str = FLOOR) -> str:
    rows = "".join(f"  - {step}\n".replace("'", '"') for step in steps)
    return f"floors:\n  - {floor}\n" + (f"approvals:\n{rows}" if steps else "")


def _found(
    folder: Path, charges: list[Charge], *steps: dict[str, str], floor: str = FLOOR
) -> Breaches:
    terms = _terms(*steps, floor=floor)
    return breaches_of(workspace(folder, charges, book("K1", "K2", more=LINKS), terms), MONTH)


CHEAP = charge("A1", "1000", "550")


def test_storage_at_55_of_list_is_a_breach_and_covered_by_an_approval(tmp_path: Path) -> None:
    fine = charge("A1", "1000", "600")
    other = charge("A1", "1000", "10", ServiceName="CDN")
    found = _found(tmp_path / "without", [CHEAP, fine, other])
    (breach,) = found.breaches
    assert (breach.billed, breach.listed, breach.charges) == (550, 1000, 1)
    assert (breach.customer, breach.sold_by) == ("K1", ("partner P1",))
    assert (breach.fine, breach.rows, breach.nearest) == (5_000_000, ["charges.csv:2"], ())
    found = _found(tmp_path / "with", [CHEAP, fine, other], STEP)
    (covered,) = found.covered
    assert (covered.approval, covered.approved_by, covered.billed) == ("A1", ("li",), 550)
    assert not found.breaches and covered.fine is None


@pytest.mark.in_turn(4)
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"customer": "K2"}, "customer"),
        ({"partner": "P2"}, "partner"),
        ({"step": "2"}, "steps"),
        ({"outcome": "refused"}, "refused"),
        ({"outcome": "lapsed"}, "lapsed"),
        ({"outcome": "", "decided_at": "", "decided_by": ""}, "open"),
        ({"grants": "56 % of list"}, "price"),
        ({"amount": "549.99", "currency": "CNY"}, "amount"),
        ({"amount": "1000", "currency": "USD"}, "currency"),
        ({"to": "2024-09-02"}, ""),
        ({"covers": "ServiceName = CDN"}, ""),
        ({"grants": "C17"}, ""),
        ({"partner": "P1", "amount": "550", "currency": "CNY", "grants": "5.5"}, None),
        ({"grants": "55 % of list", "covers": "ServiceName = Storage"}, None),
        ({"customer": ""}, None),
    ],
)
def test_an_approval_covers_nothing_that_it_does_not_name(
    tmp_path: Path, changes: dict[str, str], why: str | None
) -> None:
    step = STEP | changes
    if "covers" in step:
        step["covers"] = step["covers"].replace("= ", "= §") + "§"
    text = _terms({name: value for name, value in step.items() if value}).replace("§", "'")
    store = workspace(tmp_path, [CHEAP], book("K1", "K2", more=LINKS), text)
    found = breaches_of(store, MONTH)
    assert len(found.covered) == (why is None) and len(found.breaches) == (why is not None)
    for breach in found.breaches:
        assert breach.nearest == ((("A1", why),) if why else ())


def test_an_approval_is_used_up_in_the_order_of_the_charges_and_a_refund_gives_back(
    tmp_path: Path,
) -> None:
    def on(day: int, billed: str) -> Charge:
        start, end = (f"2024-09-{d:02d}T00:00:00Z" for d in (day, day + 1))
        return charge("A1", "1000" if billed[0] != "-" else "-1000", billed,
                      ChargePeriodStart=start, ChargePeriodEnd=end)  # fmt: skip

    charges = [on(5, "550"), on(3, "500"), on(7, "500"), on(6, "-500"), on(4, "500")]
    found = _found(tmp_path, charges, STEP | {"amount": "1000", "currency": "CNY"})
    (covered,), (breach,) = found.covered, found.breaches
    assert sorted(covered.rows) == [f"charges.csv:{row}" for row in (3, 4, 5, 6)]
    assert (covered.billed, breach.billed, breach.rows) == (1000, 550, ["charges.csv:2"])
    assert breach.nearest == (("A1", "amount"),)


def test_an_approval_is_used_up_by_what_came_before_the_period(tmp_path: Path) -> None:
    august = {
        **{
            "BillingPeriodStart": "2024-08-01T00:00:00Z",
            "BillingPeriodEnd": "2024-09-01T00:00:00Z",
        },
        **{"ChargePeriodStart": "2024-08-02T00:00:00Z", "ChargePeriodEnd": "2024-08-03T00:00:00Z"},
    }
    step = STEP | {"amount": "1000", "currency": "CNY", "from": "2024-08-01"}
    found = _found(tmp_path, [charge("A1", "1000", "550", **august), CHEAP], step)
    assert not found.covered
    (breach,) = found.breaches
    assert (breach.billed, breach.nearest) == (550, (("A1", "amount"),))


def test_usage_that_a_commitment_pays_for_is_not_cheap(tmp_path: Path) -> None:
    committed = {**charge("A1", "1000", "0"), "EffectiveCost": "700"}
    cheap = {**charge("A1", "1000", "0"), "EffectiveCost": "590"}
    credit = charge("A1", "100", "-1", ChargeCategory="Credit", x_CouponId="C1")
    found = _found(tmp_path, [committed, cheap, credit])
    assert [sale.rows for sale in found.breaches] == [["charges.csv:3"]]


def test_a_floor_of_the_list_before_the_cut(tmp_path: Path) -> None:
    """100 GB at 10 before the cut and 8 since: 60 % of 1,000, whatever the charge's own list is."""
    prices = (
        "prices:\n  - {sku: S1, price: 10, currency: CNY, from: 2024-01-01}\n"
        "  - {sku: S1, price: 8, currency: CNY, from: 2024-07-01}\n"
    )
    floor = "{floor: F1, least: 60 % of list on 2024-06-30}"
    charges = [
        charge("A1", "800", "600"),
        charge("A1", "800", "599"),
        charge("A1", "8", SkuId="S2"),
    ]
    text = _terms(floor=floor) + prices
    found = breaches_of(workspace(tmp_path, charges, book("K1", more=LINKS), text), MONTH)
    assert [sale.rows for sale in found.breaches] == [["charges.csv:3"]]
    assert [problem.code for problem in found.problems] == ["floor-unmeasured"]


def test_a_floor_that_cannot_be_measured_is_said(tmp_path: Path) -> None:
    floor = "{floor: F1, least: 6, currency: USD}"
    found = _found(tmp_path, [CHEAP], floor=floor)
    assert not found.breaches
    (problem,) = found.problems
    assert (problem.code, problem.place.column) == ("floor-unmeasured", "least")


def test_a_chain_of_three_steps_shows_its_days(tmp_path: Path) -> None:
    steps = [
        STEP,
        STEP | {"step": "2", "asked_at": "2024-08-02T21:00", "decided_at": "2024-08-12T21:00"},
        STEP | {"step": "3", "asked_at": "2024-08-12T21:00", "decided_by": "wu",
                "decided_at": "2024-09-01T09:00"},
    ]  # fmt: skip
    terms = _terms(*steps)
    workspace(tmp_path, [CHEAP], book("K1", more=LINKS), terms)
    said = fenrun("breaches", tmp_path / "ws", "--period", "2024-09", "--json").json()
    days = [(step["step"], step["decided_by"], step["days"]) for step in said["steps"]]
    assert days == [(1, "li", "1.50"), (2, "li", "10.00"), (3, "wu", "19.50")]
    (covered,) = said["covered"]
    assert (covered["billed"], covered["of_list"]) == ("550.00", "0.55")
    assert covered["approved_by"] == ["li", "li", "wu"]
    shown = fenrun("breaches", tmp_path / "ws", "--period", "2024-09", lang="zh-CN")
    assert shown.code == 0 and "partner P1" in shown.out and "19.50" in shown.out


@given(
    st.lists(
        st.tuples(st.sampled_from(["A1", "A2"]), st.integers(1, 100), st.sampled_from([1, -1])),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 100),
    st.integers(0, 300),
)
def test_what_is_below_a_floor_is_covered_or_a_breach_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    sold: list[tuple[str, int, int]],
    granted: int,
    amount: int,
) -> None:
    """Told by a plain walk over the charges: of K1 what is within grant and amount is covered."""
    charges = [charge(account, f"{100 * sign}", f"{part * sign}") for account, part, sign in sold]
    step = STEP | {"grants": f"{granted} % of list", "amount": str(amount), "currency": "CNY"}
    found = _found(tmp_path_factory.mktemp("floors"), charges, step)
    used, covered, breached = 0, 0, 0
    for account, part, sign in sold:
        if part < 60:
            is_covered = account == "A1" and part >= granted
            is_covered &= used - part >= 0 if sign < 0 else used + part <= amount
            used += part * sign if is_covered else 0
            covered += part * sign if is_covered else 0
            breached += 0 if is_covered else part * sign
    assert sum((sale.billed for sale in found.covered), Decimal(0)) == covered
    assert sum((sale.billed for sale in found.breaches), Decimal(0)) == breached
