"""Scenarios damaged at random, and run: refused in words or answered, and nothing enters."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.lab import whatif
from fenrun.lab.scenario import read_scenario
from tests.damaged import damaged
from tests.lab.test_scenarios import BANDS, BOOK, CHARGES
from tests.lab.worlds import PAYS, plan, workspace

YEAR = parse_period("2024")
EACH = 40 if "FENRUN_NIGHTLY" in os.environ else 2
"""How many texts are made of each patch."""
PATCHES = (
    "usage: [{by: -100 %, customers: {parties: [K1]}, from: 2024-07-01}]",
    "usage: [{by: +10 %, where: \"ServiceName = 'CDN'\", customers: {spend: {in: 2024, from: 1}}}]",
    "shifts: [{in: 2024-09, months: +3, customers: {parties: [K1]}}]",
    "prices: [{contracted: -10 %, elasticity: -0.5}]",
    "moves: [{role: partner, holder: P1, to: P2, from: 2024-07-01, keeps: 50 %}]",
    "labels: [{label: region, value: west, where: \"region = 'east'\", from: 2024-03-01}]",
    "figures: [{figure: quota, to: 1500, parties: [P1]}]",
)


def test_a_damaged_scenario_is_refused_or_answered_and_nothing_enters(tmp_path: Path) -> None:
    store = workspace(tmp_path, BOOK, CHARGES, plan(PAYS, BANDS))
    before = sorted((str(p), p.read_bytes()) for p in store.path.glob("*") if p.is_file())
    rng, refused, answered = random.Random("scenarios"), 0, 0
    for number in range(EACH):
        for patch in PATCHES:
            whole = f"scenario: damaged\nfrom: 2024-01-01\n{patch}\n"
            text = damaged(whole.encode(), rng).decode("utf-8", "replace")
            try:
                (outcome,) = whatif(store, [read_scenario(text, "s.yaml")], YEAR).outcomes
                problems, answered = outcome.problems, answered + 1
            except Refused as refusal:
                problems, refused = refusal.problems, refused + 1
            except Exception as error:
                pytest.fail(f"{number}: {type(error).__name__}: {error}\n{text[:3000]}")
            for problem in problems:
                assert problem.as_json("en")["fix"] and problem.as_json("zh-CN")["fix"]
    assert refused and answered
    after = sorted((str(p), p.read_bytes()) for p in store.path.glob("*") if p.is_file())
    assert after == before
