"""Bars of tables: each row carries its own, so that words stay words on any screen.

Positions are in thousandths of the width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from markupsafe import Markup

_WIDTH, _HEIGHT = 1000, 40
_PAPER = {"total": "#0b6e4f", "rise": "#2b6cb0", "less": "#2b6cb0", "rail": "#dfe3e0"}
_OTHERS_ON_PAPER = "#b45f06"
"""Colours on paper; on a screen the style sheet says others, for light and for dark."""


def scale(amounts: Iterable[Decimal]) -> Callable[[Decimal], int]:
    """Return what gives the place of an amount between the least and the most of all."""
    found = list(amounts)
    low, high = min(found), max(found)
    width = (high - low) or Decimal(1)
    return lambda amount: int((min(max(amount, low), high) - low) * _WIDTH / width)


def bar(kind: str, start: int, end: int, grid: Sequence[int] = ()) -> Markup:
    """Return the picture of a bar between two places, before the lines of a grid."""
    lines = "".join(line("grid", at) for at in grid)
    return picture(f"{lines}{rect(kind, start, end)}")


def rect(kind: str, start: int, end: int) -> str:
    """Return what lies between two places; it is seen where they are one."""
    low, high = sorted((start, end))
    width, height = max(high - low, 3), _HEIGHT - 16
    fill = _PAPER.get(kind, _OTHERS_ON_PAPER)
    return f'<rect class="{kind}" x="{low}" y="8" width="{width}" height="{height}" fill="{fill}"/>'


def line(kind: str, at: int) -> str:
    """Return a line across a row."""
    return f'<line class="{kind}" x1="{at}" x2="{at}" y1="0" y2="{_HEIGHT}"/>'


def picture(drawn: str) -> Markup:
    """Return a picture that is as wide as its cell; the row beside it says the same in words."""
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{drawn}</svg>"
    )
