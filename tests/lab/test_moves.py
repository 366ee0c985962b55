"""Each known way to game a plan: found on a plan that allows it, to the cent, and on no other.

One world for all. In November and in December P1's customers K1 and K3 are charged 600 and 200,
P2's K2 500, and K4, who has no partner, 400. R1 holds K1 and K4. Each charge is an order.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.lab import whatif
from fenrun.lab.attack import attack
from fenrun.lab.moves import MOVES
from fenrun.lab.optimum import Curve, best_dealing, most_earned
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.lab.worlds import KNOWN, PAYS, charge, owned, plan, workspace

YEAR = parse_period("2024")
BOOK = owned(
    K1={"partner": "P1", "rep": "R1"},
    K2={"partner": "P2"},
    K3={"partner": "P1"},
    K4={"rep": "R1"},
    K9={},
) + (
    "labels:\n  - {party: K1, label: region, value: east}\n"
    "  - {party: K2, label: region, value: west}\n"
)
TERMS = (
    "coupons:\n  - {coupon: C1, customer: K9, amount: 300, currency: CNY, from: 2024-01-01, "
    "to: 2025-01-01, granted_by: li}\n"
)
MONTHLY = {"A1": 600, "A2": 500, "A3": 200, "A4": 400}
CHARGES = [
    f"{charge(account, billed, month).strip()},O-{account}-{month},Usage,\n"
    for account, billed in MONTHLY.items()
    for month in (11, 12)
]
FLAT = "kind: all units, bands: [pays 20 %]"
LITTLE = "kind: all units, bands: [pays 2.5 %]"
STEP = "kind: all units, bands: [below 1700 pays 5 %, from 1700 pays 15 %]"
BY_REGION = (
    "kind: all units, columns: [{when: region = 'east', bands: [pays 5 %]}, "
    "{when: region = 'west', bands: [pays 20 %]}]"
)
BY_COMMIT = (
    "kind: all units, columns: [{when: agreement.kind = 'commit', bands: [pays 20 %]}, "
    "{when: agreement.kind is missing, bands: [pays 10 %]}]"
)
BOTH = "{first match: [{id: all, mode: double, roles: [partner, rep]}]}"
REP_FIRST = "{first match: [{id: all, mode: single, roles: [rep, partner]}]}"
REPS = f"{PAYS}, " + PAYS.replace("sales", "reps").replace("partner", "rep")
PER_MONTH = PAYS.replace("per: year", "per: month")
CAPPED = PAYS.replace("table: rates", "table: rates, cap: 300")


def _without(when: str) -> str:
    """A flat plan that counts nothing for which a condition holds."""
    return plan(PAYS, FLAT, more=f"exclude: [{{id: not, when: {when}}}]")


@dataclass(frozen=True)
class Way:
    """A way to game a plan."""

    move: str
    allows: str
    """A plan that allows it."""
    forbids: str
    """A plan that does not."""
    gain: int
    """What the best coalition gains there."""
    vendor: int
    """What that costs the vendor."""
    others: int
    """What others get by it."""


FLAT_PLAN = plan(PAYS, FLAT)
WAYS = {
    # K4's 800 come under P1, and R1 keeps its pay. Credited once, one of them loses it.
    "G01": Way("associate", plan(REPS, FLAT, BOTH), plan(REPS, FLAT, REP_FIRST), 160, 160, 0),
    # The first of P1's two customers is K1: 20 % of its 1,200, which P1 loses.
    "G02": Way(
        *("carry", FLAT_PLAN),
        *(_without("previous.party is present and day within 12 months of association"),),
        *(240, 0, -240),
    ),
    # The four orders of K1 and K3 are 1,600.
    "G03": Way("steal", FLAT_PLAN, _without("link.via = 'order'"), 320, 0, -320),
    # K1's 1,200 are paid 20 % in the west, not 5 %; K3's 400 are paid 20 %, not nothing.
    "G04": Way("relabel", plan(PAYS, BY_REGION), FLAT_PLAN, 260, 260, 0),
    # P1 sells 800 more for 80 less than it pays, and is paid 160 of it.
    "G05": Way("recycle", FLAT_PLAN, plan(PAYS, LITTLE), 80, 160, 80),
    # 800 go round and lose 40: P1 is paid 160 of it, and R1 120 of the 600 that are K1's.
    "G06": Way("cycle", plan(REPS, FLAT, BOTH), plan(REPS, LITTLE, BOTH), 240, 280, 40),
    # 300 of C1 pay for usage of K1, of which 60 are paid where no credit counts.
    "G07": Way(
        *("coupon", _without("ChargeCategory = 'Credit'"), _without("coupon as granted")),
        *(60, 360, 300),
    ),
    # 4,800 at 15 % are 720, three times 80 are 240; money costs 6 % of three times 1,600.
    "G08": Way(
        *("prepay", plan(PAYS, STEP), plan(PAYS, STEP).replace("billed", "effective")),
        *(192, 480, 288),
    ),
    # 1,600 and 1,000 at 5 % are 130; 2,600 at 15 % are 390.
    "G09": Way("pool", plan(PAYS, STEP), FLAT_PLAN, 260, 260, 0),
    # K4's 800 become 720, of which 144 are paid, for 80 that P1 hands on.
    "G10": Way("poach", FLAT_PLAN, _without("day within 12 months of association"), 64, 144, 80),
    # P1's 1,600 become 1,440 of P2's, 288 for 160; P1 loses 320, and its customers get 160.
    "G11": Way("dump", FLAT_PLAN, _without("billed below 95 % of list"), 128, -32, -160),
    # P1 buys the 100 that lack: 1,700 at 15 % are 255, not 80.
    "G12": Way(
        "stuff", plan(PAYS, STEP), plan(PAYS, STEP.replace("all units", "marginal")), *(75, 75, 0)
    ),
    # All 2,600 under one partner pay 15 %: 390, not 130. Half of it could not pay more.
    "deal": Way("deal", plan(PAYS, STEP), FLAT_PLAN, 260, 260, 0),
    # What is above the cap of 300 comes under P2: 240 and 280, not 300 and 200.
    "split": Way("split", plan(CAPPED, FLAT), FLAT_PLAN, 20, 20, 0),
    # 800 and 800 are 1,600 in one month: 15 %, not 5 %.
    "bunch": Way(
        *("shift", plan(PER_MONTH, STEP.replace("1700", "1600")), plan(PER_MONTH, FLAT)),
        *(160, 160, 0),
    ),
    # 20 % of 1,600, not 10 %, for 20 % of the 160 that lack of the commits.
    "commit": Way("commit", plan(PAYS, BY_COMMIT), FLAT_PLAN, 128, 128, 0),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without a plan."""
    folder = tmp_path_factory.mktemp("world")
    columns = ",x_OrderId,ChargeCategory,x_CouponId"
    store = workspace(folder, BOOK, CHARGES, more_columns=columns)
    (folder / "terms.yaml").write_text(TERMS, "utf-8")
    import_file(store, folder / "terms.yaml", KNOWN)
    return store.path


def _with_plan(world: Path, folder: Path, text: str) -> Store:
    shutil.copytree(world, folder / "ws")
    (folder / "plan.yaml").write_text(text, "utf-8")
    store = Store(folder / "ws")
    import_file(store, folder / "plan.yaml", KNOWN)
    return store


@pytest.mark.in_turn(5)
@pytest.mark.parametrize("name", WAYS)
def test_a_plan_that_allows_it_is_gamed_to_the_cent(world: Path, tmp_path: Path, name: str) -> None:
    way = WAYS[name]
    store = _with_plan(world, tmp_path, way.allows)
    (one, *_) = attack(store, YEAR, most=1, kinds=[way.move]).exploits
    assert [one.gain, one.vendor, one.others] == [way.gain, way.vendor, way.others]
    if name in ("G06", "G08"):
        replayed = Decimal(0)
        for times, scenario in one.tried.scenarios:
            (outcome,) = whatif(store, [scenario], YEAR).outcomes
            rows = [r for r in outcome.answer.payees if r["payee"] in one.move.coalition]
            replayed += times * sum((row["earned_more"] for row in rows), Decimal(0))
        assert replayed - one.move.cost == way.gain


FORBIDDEN = {
    way.forbids: {w.move for w in WAYS.values() if w.forbids == way.forbids}
    for way in WAYS.values()
}


@pytest.mark.in_turn(5)
@pytest.mark.parametrize("text", FORBIDDEN, ids=lambda text: "+".join(sorted(FORBIDDEN[text])))
def test_a_plan_that_does_not_allow_it_is_not(world: Path, tmp_path: Path, text: str) -> None:
    store = _with_plan(world, tmp_path, text)
    found = attack(store, YEAR, kinds=sorted(FORBIDDEN[text]))
    assert not found.exploits
    assert found.is_bounded or "deal" not in found.tried


def test_where_no_bound_on_dealings_is_known_it_is_said(world: Path, tmp_path: Path) -> None:
    """Paid per month, the period has no one curve of amounts."""
    store = _with_plan(world, tmp_path, plan(PER_MONTH, STEP))
    found = attack(store, YEAR, kinds=["deal"])
    assert (found.tried, found.is_bounded) == ({"deal": 0}, False)


@pytest.mark.parametrize(
    ("kind", "earned", "most"),
    [
        # Bands of 5 % below 1,000, 10 % below 2,000 and 2 % above: two of 1,250 pay 125 each.
        ("all units", 250, 250),
        # 2,000 and 500 earn 150 and 25. Two halves of a third such size would earn 12.50 more.
        ("marginal", 175, "187.5"),
    ],
)
def test_customers_are_dealt_the_best_way(kind: str, earned: int, most: int | str) -> None:
    bands = [(0, 1000, "0.05"), (1000, 2000, "0.1"), (2000, None, "0.02")]
    steps = tuple((Decimal(a), b and Decimal(b), Decimal(rate)) for a, b, rate in bands)
    curve = Curve(kind == "marginal", steps)
    spent = {f"K{n}": Decimal(250) for n in range(10)}
    dealt = best_dealing(curve, spent, {"P1": Decimal(0), "P2": Decimal(0)})
    sizes = Counter(dealt.values())
    assert sum(curve.earned(250 * Decimal(n)) for n in sizes.values()) == earned
    assert most_earned(curve, Decimal(2500), 2) == Decimal(most)


def test_every_move_and_every_known_way_is_in_the_table() -> None:
    assert {way.move for way in WAYS.values()} == set(MOVES)
    assert {f"G{number:02}" for number in range(1, 13)} <= set(WAYS)
