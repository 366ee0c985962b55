"""Attacks on small plans: what they gain, whom it costs, and plans that leave nothing to gain."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.lab import whatif
from fenrun.lab.attack import Exploit, attack
from tests.lab.worlds import PAYS, charge, owned, plan, workspace

pytestmark = pytest.mark.in_turn(4)

YEAR = parse_period("2024")
FLAT = "kind: all units, bands: [pays 10 %]"
TIERS = "kind: all units, bands: [below 1000 pays 5 %, from 1000 pays 15 %]"
DIRECT = "{first match: [{id: all, mode: double, roles: [partner, rep]}]}"
REPS = f"{PAYS}, " + PAYS.replace("sales", "reps").replace("partner", "rep")


def _attack(
    folder: Path, kind: str, book: str, earn: str, tables: str, credit: str = ""
) -> list[Exploit]:
    charges = [charge("A1", 600), charge("A2", 500), charge("A3", 2000)]
    store = workspace(folder, book, charges, plan(earn, tables, credit=credit))
    found = attack(store, YEAR, most=20, kinds=[kind]).exploits
    for one in found:
        (outcome,) = whatif(store, [one.scenario], YEAR).outcomes
        rows = [r for r in outcome.answer.payees if r["payee"] in one.move.coalition]
        assert sum((row["earned_more"] for row in rows), Decimal(0)) == one.gain + one.move.cost
    return list(found)


POOLED = owned(K1={"partner": "P1"}, K2={"partner": "P2"}, K3={"rep": "R1"})


def test_two_partners_pool_to_reach_a_tier(tmp_path: Path) -> None:
    """600 at 5 % and 500 at 5 % are 55; 1,100 at 15 % is 165: 110 more, all of it the vendor's.

    At one rate of 5 % there is nothing to gain; capped at 30, the most that anybody earns, both
    lose 25; if 15 % were paid of what is above 1,000 only, 10 would be left. K3 is a rep's.
    """
    found = _attack(tmp_path, "pool", POOLED, PAYS, TIERS)
    one = next(one for one in found if one.move.coalition == ("P1", "P2"))
    assert (one.gain, one.vendor, one.others) == (110, 110, 0)
    assert (one.component, one.by_component) == ("sales", 110)
    assert [(fix.kind, fix.removed, fix.left, fix.honest) for fix in one.fixes] == [
        ("one-rate", 110, 0, 0), ("cap", 110, -25, 0), ("marginal", 100, 10, 0)
    ]  # fmt: skip


def test_one_rate_leaves_nothing_to_pool(tmp_path: Path) -> None:
    assert not _attack(tmp_path, "pool", POOLED, PAYS, FLAT)


def test_a_rep_s_own_customers_come_under_a_partner(tmp_path: Path) -> None:
    """Credited twice, R1 keeps its pay and P1 gains 200 of K3; credited once there is none."""
    (one, *_) = _attack(tmp_path, "associate", POOLED, REPS, FLAT, DIRECT)
    assert one.move.coalition[1] == "R1" and one.gain == one.vendor == 200
    assert {"set": dict(one.fixes[-1].change), "left": one.fixes[-1].left} == {
        "set": {"credit.first match.all.mode": "single"}, "left": 0
    }  # fmt: skip
    (tmp_path / "once").mkdir()
    once = DIRECT.replace("double", "single").replace("[partner, rep]", "[rep, partner]")
    assert not _attack(tmp_path / "once", "associate", POOLED, REPS, FLAT, once)


def test_a_region_that_pays_better_is_entered(tmp_path: Path) -> None:
    """P1's customer is of the east at 5 %; entered as west it earns 15 %: 60 more of 600."""
    book = POOLED + (
        "labels:\n  - {party: K1, label: region, value: east}\n"
        "  - {party: K2, label: region, value: west}\n"
    )
    tables = (
        "kind: all units, columns: [{when: region = 'east', bands: [pays 5 %]}, "
        "{when: region = 'west', bands: [pays 15 %]}]"
    )
    found = _attack(tmp_path, "relabel", book, PAYS, tables)
    assert [(one.move.coalition, one.gain) for one in found] == [(("P1",), 60)]
    patch = found[0].move.patch["labels"][0]
    assert (patch["label"], patch["value"], patch["parties"]) == ("region", "west", ["K1"])


MONTHLY = PAYS.replace("per: year", "per: month")


def _attack_charges(
    folder: Path, charges: list[str], earn: str, tables: str, kind: str
) -> list[Exploit]:
    store = workspace(folder, owned(K1={"partner": "P1"}), charges, plan(earn, tables))
    found = attack(store, YEAR, most=20, kinds=[kind]).exploits
    for one in found:
        (outcome,) = whatif(store, [one.scenario], YEAR).outcomes
        (row,) = outcome.answer.payees
        assert row["earned_more"] == one.gain + one.move.cost
    return list(found)


def test_two_months_are_booked_in_one_to_reach_a_tier(tmp_path: Path) -> None:
    """600 in May and 500 in June earn 55 at 5 %; 1,100 in one month earns 165 at 15 %."""
    charges = [charge("A1", 600, month=5), charge("A1", 500, month=6)]
    (one,) = _attack_charges(tmp_path, charges, MONTHLY, TIERS, "shift")
    assert (one.gain, one.vendor, one.move.cost) == (110, 110, 0)
    assert {fix.kind: fix.left for fix in one.fixes}["one-rate"] == 0


def test_nothing_is_to_be_booked_otherwise_where_the_year_counts(tmp_path: Path) -> None:
    charges = [charge("A1", 600, month=5), charge("A1", 500, month=6)]
    assert not _attack_charges(tmp_path, charges, PAYS, TIERS, "shift")


def test_one_rate_a_month_leaves_nothing_to_shift(tmp_path: Path) -> None:
    charges = [charge("A1", 600, month=5), charge("A1", 500, month=6)]
    assert not _attack_charges(tmp_path, charges, MONTHLY, FLAT, "shift")


def test_a_partner_buys_what_lacks_to_a_tier(tmp_path: Path) -> None:
    """Of 950, 50 lack to 15 %: bought for 50, all 1,000 earn 150 and not 47.50: 52.50 more."""
    charges = [charge("A1", 850, month=11), charge("A1", 100, month=12)]
    (one,) = _attack_charges(tmp_path, charges, PAYS, TIERS, "stuff")
    assert (one.move.cost, one.gain, one.vendor) == (50, Decimal("52.5"), Decimal("52.5"))


def test_what_costs_more_than_it_pays_is_not_bought(tmp_path: Path) -> None:
    """Of 400, 600 lack: they cost 600 and pay 130 more."""
    charges = [charge("A1", 300, month=11), charge("A1", 100, month=12)]
    assert not _attack_charges(tmp_path, charges, PAYS, TIERS, "stuff")


def test_marginal_tiers_leave_nothing_to_buy(tmp_path: Path) -> None:
    charges = [charge("A1", 850, month=11), charge("A1", 100, month=12)]
    marginal = TIERS.replace("all units", "marginal")
    assert not _attack_charges(tmp_path, charges, PAYS, marginal, "stuff")
