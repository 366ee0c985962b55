"""What a plan's text alone says of how it is gamed: proofs, and all incentives together."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from fenrun.cli.attack_ import command
from fenrun.plan.check.stacking import Stacking, stacking
from fenrun.plan.read import read_plan
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.lab.worlds import KNOWN, PAYS, plan

REPS = f"{PAYS}, " + PAYS.replace("sales", "reps").replace("partner", "rep")
QUARTERS = f"{PAYS}, " + PAYS.replace("sales", "quarters").replace("per: year", "per: quarter")
BOTH = "{first match: [{id: all, mode: double, roles: [partner, rep]}]}"
ONE = "{first match: [{id: all, mode: single, roles: [partner, rep]}]}"
FLAT = "kind: all units, bands: [pays 4 %]"
STEP = "kind: all units, bands: [below 1000 pays 2 %, from 1000 pays 4 %]"
SLICES = "kind: marginal, bands: [below 1000 pays 2 %, from 1000 pays 4 %]"


def _stacked(earn: str, tables: str, credit: str = "", loss: str = "0.05") -> Stacking:
    text = plan(earn, tables, credit=credit)
    return stacking(read_plan(text, "growth.yaml").plan, Fraction(loss))


@pytest.mark.parametrize(
    ("earn", "tables", "credit", "rate"),
    [
        (PAYS, FLAT, "", "0.04"),
        (PAYS, SLICES, "", "0.04"),
        (PAYS.replace("table: rates", "table: rates, cap: 30"), FLAT, "", "0.04"),
    ],
)
def test_what_pays_less_than_is_lost_never_pays(
    earn: str, tables: str, credit: str, rate: str
) -> None:
    found = _stacked(earn, tables, credit)
    assert (found.proven, found.rate) == (True, Fraction(rate))


def test_two_roles_or_two_periods_together_pay_more_than_is_lost() -> None:
    """Each pays 4 %: of 1,000 that go round 80 are earned and 50 lost."""
    for earn, credit in ((REPS, BOTH), (QUARTERS, "")):
        found = _stacked(earn, FLAT, credit)
        assert (found.proven, len(found.components)) == (False, 2)
        assert (found.before, found.more, found.earned, found.lost) == (0, 1000, 80, 50)
    at_nine = _stacked(REPS, FLAT, BOTH, loss="0.09")
    assert (at_nine.proven, at_nine.rate) == (True, Fraction("0.08"))


def test_where_one_role_alone_is_credited_nothing_is_claimed() -> None:
    """Both together would pay 8 %, but no unit is credited to both."""
    found = _stacked(REPS, FLAT, ONE)
    assert found.proven is None and found.why and found.why.key == "unexamined-stacked"


def test_a_step_pays_at_once_what_is_far_below_the_loss() -> None:
    """From 999 to 1,000: 40 in the place of 19.98, for a loss of 0.05."""
    found = _stacked(PAYS, STEP)
    assert (found.proven, found.before, found.more) == (False, 999, 1)
    assert (found.earned, found.lost) == (Fraction("20.02"), Fraction("0.05"))


def test_what_is_not_paid_by_amounts_is_named() -> None:
    found = _stacked(PAYS.replace("by: amount", "by: figure size"), STEP)
    assert found.proven is None and found.why and found.why.values == {"name": "sales"}


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", ["Split-proof", "earn 20.02 CNY by sales"]), ("zh-CN", ["防拆分", "凭空"])],
)
def test_the_command_answers_from_the_text(tmp_path: Path, lang: str, words: list[str]) -> None:
    path = tmp_path / "growth.yaml"
    path.write_text(plan(PAYS, STEP), "utf-8")
    run = CliRunner(env={"FENRUN_LANG": lang, "COLUMNS": "160"}).invoke
    said = run(command, [str(path), "--loss", "20 %"])
    assert all(word in said.output for word in words), said.output
    found = run(command, [str(path), "--json"])
    answer = json.loads(found.output)
    proven = {proof["question"]: proof["proven"] for proof in answer["proofs"]}
    assert (proven["split"], proven["merge"]) == (True, False)
    assert {one["code"] for one in answer["problems"]} >= {"merging-pays"}
    stacked = answer["stacking"]
    assert (stacked["proven"], stacked["more"], stacked["earned"]) == (False, "1.00", "20.02")
    refused = run(command, [str(path), "--period", "2024"])
    assert refused.exit_code == 2 and "--period" in refused.output
    import_file(Store(tmp_path / "ws"), path, KNOWN)
    without = run(command, [str(tmp_path / "ws")])
    assert without.exit_code == 2 and "--period" in without.output
