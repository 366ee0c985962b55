"""Every programme's own cases hold, and a channel manager's smaller questions come out as by hand.

The smaller questions are YAML: name, given, expect, and the `problems` that must be shown. A new
one needs no Python.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fenrun.cli.plan_ import check
from fenrun.plan.read import load_plan, read_plan
from fenrun.whatif.cases import run_cases

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PLANS = [
    *sorted((ROOT / "programmes").glob("*.yaml")),
    *sorted((ROOT / "offerings").glob("*.yaml")),
    ROOT / "src/fenrun/world/plan.yaml",
]


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.stem)
def test_cases_of_programmes(path: Path) -> None:
    file = load_plan(path)
    outcomes, problems = run_cases(file)
    assert not problems
    assert all(o.ok for o in outcomes) and (outcomes or path.name == "plan.yaml")


def _read(path: Path) -> Any:
    """A YAML file with every value as it is written: 1.10 stays 1.10."""
    return yaml.load(path.read_text("utf-8"), yaml.CBaseLoader)


BASE = _read(HERE / "base.yaml")
CASES = [case for path in sorted((HERE / "cases").glob("*.yaml")) for case in _read(path)]


def small_plan(case: dict[str, Any]) -> str:
    """The text of the base plan with a case's own keys, and the case in it."""
    plan = {key: value for key, value in BASE.items() if key != "parties"}
    given = {"parties": BASE["parties"], **case["given"]}
    text = {**plan, **case.get("plan", {})}
    text["cases"] = [{"case": "one", "given": given, "expect": case["expect"]}]
    return yaml.dump(text, sort_keys=False, allow_unicode=True, Dumper=yaml.CSafeDumper)


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_small_questions(case: dict[str, Any]) -> None:
    outcomes, problems = run_cases(read_plan(small_plan(case), "small.yaml"))
    assert [problem.code for problem in problems] == case.get("problems", [])
    assert outcomes and all(outcome.ok for outcome in outcomes)


def test_a_wrong_expectation_fails() -> None:
    case = {**CASES[0], "expect": [{**CASES[0]["expect"][0], "earned": "100.01"}]}
    _, problems = run_cases(read_plan(small_plan(case), "small.yaml"))
    assert [problem.code for problem in problems] == ["case-failed"]


@pytest.mark.parametrize("part", ["charges", "period"])
def test_plan_check_names_a_case_that_cannot_be_read(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charge, period = {"customer": "K1", "month": "2024-03", "billed": "1"}, "2024-03"
    if part == "charges":
        charge["colour"] = "red"
    else:
        period = "March"
    expect = [{"payee": "P1", "period": period, "earned": "0"}]
    path = tmp_path / "plan.yaml"
    path.write_text(small_plan({"given": {"charges": [charge]}, "expect": expect}), "utf-8")
    code, said = check.main([str(path)], standalone_mode=False), capsys.readouterr()
    assert code == 1 and f"{part} error" in said.err and "no problems" not in said.out
