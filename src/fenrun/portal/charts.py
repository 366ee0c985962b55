"""Geometry of the portal's pictures. Pages draw them as SVG without styles or scripts of their own; next to each stands the table that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

WIDTH, HEIGHT = 720, 200
SHOWN = 20
"""Customers that a statement's page lists, largest first."""

FILL = {"bar": "#9db7ac", "now": "#0b6e4f", "rise": "#6ca792", "fall": "#c05b5f"}
"""Colours on paper; on a screen the style sheet says others, for light and for dark."""


@dataclass(frozen=True)
class Bar:
    """A bar in units of the picture; `label` below it, `value` on it."""

    x: int
    y: int
    width: int
    height: int
    kind: str
    label: str
    value: str


def trend(points: Sequence[tuple[str, str]], now: str = "") -> list[Bar]:
    """Bars of amounts by label, on a common zero; `now` is the label that is marked."""
    amounts = [Decimal(v) for _, v in points]
    top, low = max([*amounts, Decimal(0)]), min([*amounts, Decimal(0)])
    scale = (top - low) or Decimal(1)
    step = WIDTH // max(len(points), 1)
    bars = []
    for number, ((label, value), amount) in enumerate(zip(points, amounts)):
        height = int(abs(amount) * HEIGHT / scale)
        y = int((top - max(amount, Decimal(0))) * HEIGHT / scale)
        bars.append(Bar(number * step + step // 8, y, step * 3 // 4, max(height, 1), "now" if label == now else "fall" if amount < 0 else "bar", label, value))
    return bars


def waterfall(start: tuple[str, str], changes: Sequence[tuple[str, str]], end: tuple[str, str]) -> list[Bar]:
    """From one amount to another by what changed: bars that hang where the one before ended. The axis is cut below what changes, else that could not be seen."""
    levels = list(accumulate((Decimal(change) for _, change in changes), initial=Decimal(start[1])))
    top, low = max([*levels, Decimal(end[1])]), min([*levels, Decimal(end[1])])
    low = min(low, max(Decimal(0), low - (top - low) / 3))
    scale = (top - low) or Decimal(1)
    step = WIDTH // (len(changes) + 2)

    def bar(number: int, one: Decimal, other: Decimal, kind: str, label: str, value: str) -> Bar:
        return Bar(number * step + step // 10, int((top - max(one, other)) * HEIGHT / scale), step * 4 // 5, max(int(abs(one - other) * HEIGHT / scale), 1), kind, label, value)

    hung = [bar(number, one, other, "rise" if other >= one else "fall", *change) for number, (change, (one, other)) in enumerate(zip(changes, pairwise(levels)), 1)]
    return [bar(0, low, levels[0], "bar", *start), *hung, bar(len(changes) + 1, low, Decimal(end[1]), "now", *end)]


def attained(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line's way through its table: where each band begins and how far it is, in thousandths of the picture's width."""
    bounds = [Decimal(b["from"]) for b in line["bounds"]]
    measure = Decimal(line["measure"])
    end = max([*bounds, measure, Decimal(1)]) * Decimal("1.08")
    marks = [{"at": int(b * 1000 / end), **said} for b, said in zip(bounds, line["bounds"])]
    return {"filled": max(0, int(measure * 1000 / end)), "marks": marks}


def curve(amounts: Sequence[str]) -> list[tuple[int, int]]:
    """Concentration: points of the running share of the largest, in thousandths of all parties and of the whole."""
    values = sorted((max(Decimal(a), Decimal(0)) for a in amounts), reverse=True)
    whole, run, points = sum(values, Decimal(0)) or Decimal(1), Decimal(0), [(0, 0)]
    for number, value in enumerate(values, 1):
        run += value
        points.append((number * 1000 // len(values), int(run * 1000 / whole)))
    return points
