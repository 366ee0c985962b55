"""Periods as people name them."""

from __future__ import annotations

from collections.abc import Mapping

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import Period, parse_period
from fenrun.base.words import Unreadable


def read_filters(asked: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return what a list is asked for under some names, `period` as its key; without what is empty.

    Raises Refused for a period that is none: it would find nothing, as a month without rows does.
    """
    found = {name: text for name in names if (text := asked.get(name, "").strip())}
    if "period" in found:
        found["period"] = read_asked(found["period"]).key
    return found


def read_asked(text: str) -> Period:
    """Return the period of a text. Raises Refused for what is none."""
    try:
        return parse_period(text)
    except Unreadable as error:
        raise Refused([Problem("period-wrong", Place("period"), {"period": text})]) from error
