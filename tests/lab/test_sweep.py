"""Sweeps: every variant settles to what the same scenario with its values written in would."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.lab import sweep, whatif
from fenrun.lab.variants import variants_of
from fenrun.lab.varying import varying
from fenrun.plan.rows import Plan
from fenrun.settle.facts import plans_as_of
from fenrun.store.facts import Store
from tests.command import what_is_known
from tests.lab.worlds import KNOWN, PAYS, charge, owned, plan, scenario, workspace

YEAR = parse_period("2024")
_TIERS = "kind: all units, bands: [below 1000 pays 10 %, from 1000 pays 20 %]"
_VARIED = """
vary:
  low: {from: 8 %, to: 12 %, step: 2 %}
  step: {values: ["1000", "2,000"]}
plans:
  - {plan: growth, set: {tables.rates.bands: ["below {step} pays {low}", "from {step} pays 20 %"]}}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """P1 sells 500, P2 1,500 and P3 3,000: today they earn 50, 300 and 600."""
    book = owned(K1={"partner": "P1"}, K2={"partner": "P2"}, K3={"partner": "P3"})
    charges = [charge("A1", 500), charge("A2", 1500), charge("A3", 3000)]
    folder = tmp_path_factory.mktemp("sweep")
    return workspace(folder, book, charges, plan(PAYS, _TIERS))


def test_each_variant_says_what_it_pays_and_who_loses(store: Store) -> None:
    """8, 10 and 12 % below 1,000 or below 2,000. P2 keeps 20 % only where the step stays."""
    found = sweep(store, scenario(_VARIED), YEAR)
    assert found.now == {"CNY": Decimal(950)}
    said = [
        (dict(one.values), one.earned, one.earned_more, one.winners, one.losers, one.lost)
        for one in found.variants
    ]
    assert said == [
        ({"low": "8 %", "step": "1000"}, 940, -10, 0, 1, -10),
        ({"low": "8 %", "step": "2,000"}, 760, -190, 0, 2, -190),
        ({"low": "10 %", "step": "1000"}, 950, 0, 0, 0, 0),
        ({"low": "10 %", "step": "2,000"}, 800, -150, 0, 1, -150),
        ({"low": "12 %", "step": "1000"}, 960, 10, 1, 0, 0),
        ({"low": "12 %", "step": "2,000"}, 840, -110, 1, 1, -120),
    ]
    assert [one.most_lost for one in found.variants] == [-10, -180, 0, -150, 0, -120]


def test_the_frontier_has_what_no_other_variant_beats(store: Store) -> None:
    """760 with two who lose, 800 with one, 950 with none; all others cost more for no fewer."""
    found = sweep(store, scenario(_VARIED), YEAR)
    assert [(one.earned, one.losers) for one in found.frontier] == [(760, 2), (800, 1), (950, 0)]


def test_of_the_same_cost_the_dearest_that_is_no_dearer_than_now(store: Store) -> None:
    """The step is the last name: 1,000 at 8 % and at 10 %; at 12 % only 2,000 costs no more."""
    found = sweep(store, scenario(_VARIED), YEAR)
    assert [(one.values["low"], one.values["step"], one.losers) for one in found.same_cost] == [
        ("10 %", "1000", 0),
        ("8 %", "1000", 1),
        ("12 %", "2,000", 1),
    ]


def test_what_a_unit_sold_more_pays(store: Store) -> None:
    """Of 5,000, 1 % more is 50: P1 gets a tenth of its 5, P2 and P3 a fifth of 15 and 30."""
    found = sweep(store, scenario(_VARIED), YEAR, with_strength=True)
    as_now = next(one for one in found.variants if one.earned_more == 0)
    assert as_now.strength == Decimal("0.1900")


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("more", ["", "usage: [{by: +50 %, customers: {parties: [K1, K2]}}]"])
def test_a_variant_is_the_scenario_with_its_values_written_in(store: Store, more: str) -> None:
    varied = scenario(_VARIED + more)
    found = sweep(store, varied, YEAR)
    texts = []
    for values in variants_of(varied.text):
        text = "plans:" + _VARIED.split("plans:")[1]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        texts.append(text)
    outcomes = whatif(store, [scenario(text + more) for text in texts], YEAR).outcomes
    settled = [
        (row["earned_after"], row["earned_more"], spread["winners"], spread["losers"])
        for one in outcomes
        for row, spread in zip(one.answer.plans, one.answer.spread, strict=True)
    ]
    swept = [(one.earned, one.earned_more, one.winners, one.losers) for one in found.variants]
    assert swept == settled


_TWO = (
    f"{_TIERS}}}], others: [{{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 3 %]"
)
_OTHER = PAYS.replace("sales", "other").replace("table: rates", "table: others, cap: 50")


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("earn", [f"{PAYS}, {_OTHER}", f"{{id: best, max: [{PAYS}, {_OTHER}]}}"])
def test_what_no_variant_changes_is_settled_once(tmp_path: Path, earn: str) -> None:
    """3 % of 500, 1,500 and 3,000, at most 50, beside what varies: or the better of both alone."""
    book = owned(K1={"partner": "P1"}, K2={"partner": "P2"}, K3={"partner": "P3"})
    charges = [charge("A1", 500), charge("A2", 1500), charge("A3", 3000)]
    two = workspace(tmp_path, book, charges, plan(earn, _TWO))
    found = sweep(two, scenario(_VARIED), YEAR)
    changed = plan_of(two)
    is_apart = "max" not in earn
    assert varying(changed, [changed]) == (set() if is_apart else {"sales", "other"})
    assert found.now == {"CNY": 950 + 15 + 45 + 50 if is_apart else 950}
    assert [(v.earned_more, v.losers) for v in found.variants][:3] == (
        [(-10, 1), (-190, 2), (0, 0)]
    )
    assert found.variants[0].earned == found.now["CNY"] - 10


def plan_of(store: Store) -> Plan:
    """The plan of a workspace."""
    (file,) = plans_as_of(store, KNOWN)
    return file.plan


def test_a_sweep_leaves_no_trace(store: Store) -> None:
    before = what_is_known(store.path)
    table = sweep(store, scenario(_VARIED), YEAR).table()
    assert what_is_known(store.path) == before
    assert table.column_names[:4] == ["variant", "low", "step", "currency"]
    assert table.num_rows == 6


def _codes(text: str) -> list[str]:
    with pytest.raises(Refused) as refused:
        scenario(text)
    return [problem.code for problem in refused.value.problems]


def test_what_cannot_vary_is_refused_where_it_stands(store: Store) -> None:
    plans = "plans: [{plan: growth, set: {tables.rates.bands: [from 0 pays {low}]}}]"
    plans = plans.replace("[from", "['from").replace("{low}]", "{low}']")
    assert _codes(f"vary: {{low: {{from: 8 %, to: 9 %}}}}\n{plans}") == ["scenario-vary-keys"]
    assert _codes(f"vary: {{low: {{from: 8 %, to: 9, step: 1}}}}\n{plans}") == ["scenario-value"]
    assert _codes(f"vary: {{low: {{from: 9 %, to: 8 %, step: 1 %}}}}\n{plans}") == [
        "scenario-value"
    ]
    assert _codes(f"vary: {{high: {{values: [8 %]}}}}\n{plans}") == [
        "scenario-vary-unused",
        "scenario-vary-unknown",
    ]
    many = "vary: {low: {from: 0.01 %, to: 90 %, step: 0.01 %}, high: {values: [1 %, 2 %]}}"
    both = plans.replace("'from 0 pays {low}'", "'below 9 pays {low}', 'from 9 pays {high}'")
    assert _codes(f"{many}\n{both}") == ["scenario-vary-many"]


def test_a_value_that_no_plan_can_have_is_named(store: Store) -> None:
    varied = scenario(_VARIED.replace('"2,000"', "lots"))
    with pytest.raises(Refused) as refused:
        sweep(store, varied, YEAR)
    found = {one.code: one for one in refused.value.problems}
    assert sorted(found) == ["plan-value", "scenario-plan", "scenario-variant"]
    assert "step = lots" in str(found["scenario-variant"].values)


def test_a_scenario_that_varies_is_no_single_one(store: Store) -> None:
    with pytest.raises(Refused) as refused:
        whatif(store, [scenario(_VARIED)], YEAR)
    assert [one.code for one in refused.value.problems] == ["scenario-varies"]
    with pytest.raises(Refused) as refused:
        sweep(store, scenario("usage: [{by: +1 %}]"), YEAR)
    assert [one.code for one in refused.value.problems] == ["scenario-varies-nothing"]
