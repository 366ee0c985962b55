"""Plans damaged at random: refused at a line, in words, or taken as another plan than before."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from fenrun.base.problem import Refused
from fenrun.plan.read import read_plan
from tests.damaged import damaged

PROGRAMMES = Path(__file__).parents[2] / "programmes"
EACH, STEP = (10, 1) if "FENRUN_NIGHTLY" in os.environ else (1, 3)
"""How many texts are made of each of the programmes; by day of each third."""


def _texts() -> Iterator[tuple[str, str, str]]:
    """Yield name, text, and damaged text."""
    for path in sorted(PROGRAMMES.glob("*.yaml"))[::STEP]:
        rng, whole = random.Random(path.name), path.read_bytes()
        for number in range(EACH):
            text = damaged(whole, rng).decode("utf-8", "replace")
            yield f"{path.name}, {number}", whole.decode(), text


def _data(text: str) -> Any:
    return _plain(yaml.load(text, yaml.CBaseLoader))  # each value as its text, by the same reader


def _plain(value: Any) -> Any:
    """Return what is said, in which 0.00 is 0.000."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return Decimal(value) if re.fullmatch(r"-?\d+\.\d+", value) else value


def test_a_damaged_plan_is_refused_or_another() -> None:
    refused = taken = 0
    for name, whole, text in _texts():
        try:
            file = read_plan(text, "damaged.yaml")
        except Refused as refusal:
            refused += 1
            for problem in refusal.problems:
                assert problem.place.source == "damaged.yaml" and problem.place.row > 0, name
                assert problem.as_json("en")["fix"] and problem.as_json("zh-CN")["fix"], name
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}: {error}\n{text[:3000]}")
        else:
            taken += 1
            if _data(text) != _data(whole):
                assert file.text != read_plan(whole, "whole.yaml").text, name
    assert refused > EACH and taken >= EACH
