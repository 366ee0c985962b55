"""Patches of plans: another text, or values of the text otherwise than they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml

from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.lab.scenario import Scenario
from fenrun.lab.scenario_text import PlanPatchText
from fenrun.plan.read import PlanFile, load_plan, read_plan
from fenrun.plan.source import Path_, read_source


def with_cases(patched: PlanFile, file: PlanFile) -> str:
    """Return the text of a patched plan with the cases of the plan as it is."""
    cases = _data_of(file.content, file.source).get("cases")
    data = {**_data_of(patched.content, patched.source), **({"cases": cases} if cases else {})}
    return _text(data)


def _text(data: Any) -> str:
    text: str = yaml.dump(
        data, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=100
    )
    return text


def patched_plan(file: PlanFile, scenario: Scenario, path: Path_) -> PlanFile:
    """Return a plan as the patch at a path changes it. Raises Refused, with every problem.

    Its cases are left out: they say what it promises as it is.
    """
    patch: PlanPatchText = getattr(scenario.text, str(path[0]))[path[1]]
    place = scenario.place(path)
    try:
        if patch.file is not None:
            found = load_plan(scenario.folder / patch.file)
        else:
            data = deepcopy(_data_of(file.content, file.source))
            data.pop("cases", None)
            for key, value in (patch.changes or {}).items():
                _change(data, key, value, scenario.place((*path, "set", key)))
            found = read_plan(_text(data), f"{patch.plan}.yaml")
    except Refused as refusal:
        said = Problem("scenario-plan", place, {"plan": patch.plan})
        raise Refused([said, *refusal.problems]) from refusal
    if found.plan.id != patch.plan:
        raise refused("scenario-plan-id", place, plan=patch.plan, other=found.plan.id)
    return found


@lru_cache(maxsize=64)
def _data_of(content: str, name: str) -> Any:
    """Return a plan's text as plain data, read once for all variants: nobody changes it."""
    return read_source(content, name).data


def _change(data: Any, key: str, value: Any, place: Place) -> None:
    """Put a value where a key like `credit.first match.all.mode` stands. Raises Refused."""
    *parts, last = key.split(".")
    here = data
    for part in parts:
        here = _below(here, part, key, place)
    here = _only(here) if not isinstance(here, dict) and _number(here, last) is None else here
    if isinstance(here, dict):
        if value is None:
            if last not in here:
                raise _nowhere(key, last, here, place)
            del here[last]
        else:
            here[last] = value
        return
    number = _number(here, last)
    if number is None:
        raise _nowhere(key, last, here, place)
    here[number] = value


def _below(here: Any, part: str, key: str, place: Place) -> Any:
    """Return what stands under a part of a key; the only item of a list needs no name."""
    number = _number(here, part)
    if number is not None:
        return here[number]
    here = _only(here)
    if not isinstance(here, dict) or part not in here:
        raise _nowhere(key, part, here, place)
    return here[part]


def _only(here: Any) -> Any:
    """Return the only item of a list, or what is none."""
    return here[0] if isinstance(here, list) and len(here) == 1 else here


def _number(here: Any, part: str) -> int | None:
    """Return the place of the item of a list that a part names, by its id or by its number."""
    if not isinstance(here, list):
        return None
    for number, item in enumerate(here):
        if isinstance(item, dict) and part in (item.get("id"), item.get("from")):
            return number
    return int(part) - 1 if part.isdigit() and 0 < int(part) <= len(here) else None


def _nowhere(key: str, part: str, here: Any, place: Place) -> Refused:
    known: Sequence[str] = ()
    if isinstance(here, Mapping):
        known = list(here)
    elif isinstance(here, list):
        known = [
            str(item.get("id", n + 1)) for n, item in enumerate(here) if isinstance(item, dict)
        ]
    said = ", ".join(known) or "-"
    return refused("scenario-nowhere", place, key=key, part=part, known=said)
