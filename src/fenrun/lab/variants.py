"""Variants of a scenario: its plans with other values in the place of what it varies."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fenrun.base.money import parse_amount, plain
from fenrun.base.problem import Place, Problem
from fenrun.base.words import Unreadable
from fenrun.lab.scenario_text import ScenarioText, VaryText
from fenrun.plan.source import Source

MOST = 10_000
"""The most variants of a scenario."""
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_NAMED = re.compile(r"\{(" + _NAME.pattern + r")\}")
_KEYS = ("values", "from", "to", "step")

Values = Mapping[str, str]
"""What stands for each name in a variant."""


def variants_of(text: ScenarioText) -> list[Values]:
    """Return every variant: each value of a name with each of the others, the last changing first.

    Source: the scenario's `vary`; without it there is none.
    """
    if not text.vary:
        return []
    lists = [values_of(one) for one in text.vary.values()]
    return [dict(zip(text.vary, some)) for some in itertools.product(*lists)]


def values_of(one: VaryText) -> list[str]:
    """Return the values of a name, as plans write them. Raises Unreadable where they are none."""
    if one.values is not None:
        return list(one.values)
    first, last, step = (_number(text) for text in (one.first, one.last, one.step))
    units = {unit for _, unit in (first, last, step)}
    count = (last[0] - first[0]) // step[0] if step[0] > 0 else Decimal(-1)
    if len(units) > 1 or count < 0 or count >= MOST:
        said = f"{one.first} ... {one.last}, {one.step}"
        raise Unreadable("scenario-steps", text=said)
    return [f"{plain(first[0] + n * step[0], 0)}{first[1]}" for n in range(int(count) + 1)]


def _number(text: str | None) -> tuple[Decimal, str]:
    """Return a number and what it is of: nothing, or ` %`."""
    said = (text or "").strip()
    unit = " %" if said.endswith("%") else ""
    return parse_amount(said.removesuffix("%").strip()), unit


def with_values(text: ScenarioText, values: Values) -> ScenarioText:
    """Return the scenario with values in the place of their names, which varies nothing more."""
    plans = [one.model_copy(update={"changes": _filled(one.changes, values)}) for one in text.plans]
    return text.model_copy(update={"plans": plans, "vary": {}})


def _filled(said: Any, values: Values) -> Any:
    """Return plain data with values in the place of their names."""
    if isinstance(said, str):
        return _NAMED.sub(lambda found: values[found[1]], said)
    if isinstance(said, dict):
        return {key: _filled(value, values) for key, value in said.items()}
    if isinstance(said, list):
        return [_filled(value, values) for value in said]
    return said


def _names_in(said: Any) -> Iterator[str]:
    if isinstance(said, str):
        yield from _NAMED.findall(said)
    elif isinstance(said, (dict, list)):
        for value in said.values() if isinstance(said, dict) else said:
            yield from _names_in(value)


def wrong_variants(text: ScenarioText, written: Source) -> Iterator[Problem]:
    """Yield what is wrong with what a scenario varies."""
    if not text.vary:
        return
    count = 1
    for name, one in text.vary.items():
        place = written.place(("vary", name))
        given = [key for key in _KEYS if written.data["vary"][name].get(key) is not None]
        if given not in (["values"], ["from", "to", "step"]):
            yield Problem("scenario-vary-keys", place, {"name": name})
            continue
        try:
            count *= len(values_of(one))
        except Unreadable as error:
            said = {"key": name, "detail": error.message}
            yield Problem("scenario-value", place, said)
    used = {name for one in text.plans for name in _names_in(one.changes)}
    for name in text.vary:
        if name not in used or not _NAME.fullmatch(name):
            yield Problem("scenario-vary-unused", written.place(("vary", name)), {"name": name})
    for number, patch in enumerate(text.plans):
        for name in sorted(set(_names_in(patch.changes)) - set(text.vary)):
            values = {"name": name, "known": ", ".join(text.vary)}
            yield Problem("scenario-vary-unknown", written.place(("plans", number)), values)
    if count > MOST:
        values = {"count": str(count), "most": str(MOST)}
        yield Problem("scenario-vary-many", written.place(("vary",)), values)


def place_of_vary(written: Source) -> Place:
    """Return where a scenario says what it varies, or its beginning."""
    return written.place(("vary",) if ("vary",) in written.lines else ())
