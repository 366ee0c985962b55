"""What people ask before they change a plan, in the shapes that were published: to the cent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.when import Period, parse_period
from fenrun.lab import whatif
from fenrun.lab.answers import Answer, concentration
from fenrun.store.facts import Store
from tests.lab.worlds import PAYS, charge, of, owned, plan, scenario, workspace

pytestmark = pytest.mark.in_turn(3)

YEAR = parse_period("2024")


def _answer(store: Store, text: str, period: Period = YEAR) -> Answer:
    (outcome,) = whatif(store, [scenario(text)], period).outcomes
    assert not [one for one in outcome.problems if one.code.startswith("scenario")]
    return outcome.answer


def _earned(found: Answer, payee: str) -> tuple[Decimal, Decimal]:
    row = of(found.payees, payee=payee)
    return row["earned_before"], row["earned_after"]


def _credited(found: Answer, payee: str) -> tuple[Decimal, Decimal]:
    row = of(found.payees, payee=payee)
    return row["credited_before"], row["credited_after"]


def test_classes_are_dealt_again(tmp_path: Path) -> None:
    """P1 has 250 m of class C at 4.2 % and 50 m of class D at 19 %.

    All C of region east becomes E, which pays no partner: 300 m of sales become 50 m, and 20 m of
    rebate 9.5 m.
    """
    book = owned(K1={"partner": "P1"}, K2={"partner": "P1"}) + (
        "labels:\n"
        "  - {party: K1, label: class, value: C}\n"
        "  - {party: K1, label: region, value: east}\n"
        "  - {party: K2, label: class, value: D}\n"
        "  - {party: K2, label: region, value: east}\n"
    )
    earn = (
        "{id: assigned, pays: partner, per: year, on: amount, by: amount, table: rates, "
        "of: \"class = 'C'\"}, "
        "{id: own, pays: partner, per: year, on: amount, by: amount, table: own-rates, "
        "of: \"class = 'D'\"}"
    )
    text = plan(
        earn,
        "kind: all units, bands: [pays 4.2 %]",
        credit="{first match: [{id: all, mode: single, roles: [partner], "
        "when: \"class in ('C', 'D')\"}]}",
    ).replace(
        "tables: {",
        "tables: {own-rates: [{from: 2024-01-01, source: Terms, kind: all units, "
        "bands: [pays 19 %]}], ",
    )
    charges = [charge("A1", 250_000_000), charge("A2", 50_000_000)]
    store = workspace(tmp_path, book, charges, text)
    where = "class = 'C' and region = 'east'"
    found = _answer(store, f'labels: [{{label: class, value: E, where: "{where}"}}]')
    assert _credited(found, "P1") == (300_000_000, 50_000_000)
    assert _earned(found, "P1") == (20_000_000, 9_500_000)
    (row,) = found.plans
    assert (row["uncredited_before"], row["uncredited_after"]) == (0, 250_000_000)
    assert of(found.labels, label="class", value="D")["credited_more"] == 0
    assert of(found.labels, label="class", value="C")["credited_after"] == 0
    (spread,) = found.spread
    assert (spread["winners"], spread["losers"], spread["lost"]) == (0, 1, -10_500_000)


def test_the_rebate_is_cut(tmp_path: Path) -> None:
    """From 70 % of 75 m, and 60 % of 600,000, to 50 %: 52.5 m to 37.5 m, 360,000 to 300,000."""
    book = owned(K1={"partner": "P1"}, K2={"partner": "P2"})
    bands = "kind: all units, bands: [below 1000000 pays 60 %, from 1000000 pays 70 %]"
    charges = [charge("A1", 75_000_000), charge("A2", 600_000)]
    store = workspace(tmp_path, book, charges, plan(PAYS, bands))
    found = _answer(store, "plans: [{plan: growth, set: {tables.rates.bands: [pays 50 %]}}]")
    assert _earned(found, "P1") == (52_500_000, 37_500_000)
    assert _earned(found, "P2") == (360_000, 300_000)
    (row,) = found.plans
    assert row["net_before"] == 75_600_000 - 52_860_000
    assert row["net_more"] == 15_060_000


def test_list_prices_are_cut(tmp_path: Path) -> None:
    """20 % off the list price, tiers from 1 m at 15 %, a floor of 60 % of list.

    P1 keeps its discount and falls a tier: 1.1 m at 15 % is 165,000, 880,000 at 5 % is 44,000. P2
    is paid 10 % whatever it sells: 105,000 and 84,000. P3 sold at 55 % of list, which earns
    nothing; at the same price after the cut that is 68.75 %: 550,000 at 15 % is 82,500.
    """
    book = owned(K1={"partner": "P1"}, K2={"partner": "P2"}, K3={"partner": "P3"}) + (
        "labels:\n"
        "  - {party: P1, label: level, value: tiers}\n"
        "  - {party: P2, label: level, value: flat}\n"
        "  - {party: P3, label: level, value: project}\n"
    )
    columns = (
        "kind: all units, columns: ["
        "{when: \"payee.level = 'tiers'\", bands: [below 1000000 pays 5 %, "
        "from 1000000 pays 15 %]}, "
        "{when: \"payee.level = 'flat'\", bands: [pays 10 %]}, "
        "{when: \"payee.level = 'project'\", bands: [pays 15 %]}]"
    )
    floor = "exclude: [{id: floor, when: billed below 60 % of list}]"
    charges = [
        charge("A1", 1_100_000),
        charge("A2", 1_050_000),
        charge("A3", 550_000, list_=1_000_000, service="Storage"),
    ]
    store = workspace(tmp_path, book, charges, plan(PAYS, columns, more=floor))
    found = _answer(
        store,
        "prices:\n"
        "  - {list: -20 %, where: \"ServiceName = 'Compute'\"}\n"
        "  - {list: -20 %, keep: price, where: \"ServiceName = 'Storage'\"}",
    )
    assert _earned(found, "P1") == (165_000, 44_000)
    assert _earned(found, "P2") == (105_000, 84_000)
    assert _earned(found, "P3") == (0, 82_500)
    crossing = {row["payee"]: row["crosses"] for row in found.lines}
    assert crossing == {"P1": "down", "P2": "", "P3": ""}


def test_half_of_a_unit_s_business_leaves_after_a_year(tmp_path: Path) -> None:
    """K2, half of unit U1, goes to U2 in 2024; for that year half of it still counts with U1."""
    book = owned(K1={"unit": "U1"}, K2={"unit": "U1"}).replace(
        "links:", "  - {party: U2, kind: unit}\nlinks:"
    )
    earn = PAYS.replace("partner", "unit")
    credit = "{first match: [{id: all, mode: single, roles: [unit]}]}"
    charges = [charge(a, 100_000, month) for a in ("A1", "A2") for month in range(1, 13)]
    charges += [one.replace("2024-", "2025-") for one in charges]
    text = plan(earn, "kind: all units, bands: [pays 1 %]", credit=credit)
    store = workspace(tmp_path, book, charges, text)
    moved = "moves: [{role: unit, parties: [K2], to: U2, %s}]"
    at_once = _answer(store, moved % "from: 2024-07-01")
    assert _credited(at_once, "U1") == (2_400_000, 1_800_000)
    assert _credited(at_once, "U2") == (0, 600_000)
    after = moved % "until: 2025-01-01, keeps: 50 %"
    shared = _answer(store, after)
    assert _credited(shared, "U1") == (2_400_000, 1_800_000)
    assert _credited(shared, "U2") == (0, 600_000)
    left = _answer(store, after, parse_period("2025"))
    assert _credited(left, "U1") == (2_400_000, 1_200_000)
    assert _credited(left, "U2") == (0, 1_200_000)


def test_what_was_credited_twice_is_credited_once(tmp_path: Path) -> None:
    """K1 is P1's and R1's, K2 is R1's and its orders are handled by R2.

    Credited twice, P1 has 1 m and R1 1.3 m at 20 %; once, who comes first has it: R2, R1, P1.
    """
    book = owned(K1={"partner": "P1", "rep": "R1"}, K2={"rep": "R1", "tele": "R2"})
    credit = "{first match: [{id: all, mode: double, roles: [tele, rep, partner]}]}"
    earn = f"{PAYS}, " + PAYS.replace("sales", "reps").replace("partner", "rep")
    text = plan(earn, "kind: all units, bands: [pays 20 %]", credit=credit)
    store = workspace(tmp_path, book, [charge("A1", 1_000_000), charge("A2", 300_000)], text)
    found = _answer(store, "plans: [{plan: growth, set: {credit.first match.all.mode: single}}]")
    assert _credited(found, "P1") == (1_000_000, 0)
    assert _earned(found, "R1") == (260_000, 200_000)


def test_few_customers_have_most() -> None:
    """13 named accounts have 48.75 % of all; elsewhere the first 20 of 100 have 80 %."""
    named = [Decimal(375)] * 13 + [Decimal("51.25")] * 100
    (found,) = concentration(named, [13])
    assert (found["of"], found["share"]) == (113, Decimal("0.4875"))
    even = [Decimal(4)] * 20 + [Decimal("0.25")] * 80
    assert concentration(even, [20])[0]["share"] == Decimal("0.8")
