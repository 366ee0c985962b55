"""Pictures of prices: each row of a table carries its bar, so that words stay words on any screen.

Positions are in thousandths of the width. The axis begins at nothing, or below it where amounts do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from markupsafe import Markup, escape

from fenrun.base.when import parse_period
from fenrun.portal.pages.row_bars import bar, picture, rect, scale
from fenrun.pricing.agreements import Drawdown
from fenrun.pricing.coupons import Balance
from fenrun.pricing.lines import PriceLine, added, ratio

_ZERO = Decimal(0)
_QUARTERS = (0, 25, 50, 75, 100)
"""The marks of an axis, in percent of the list."""
_PLOT_WIDTH, _PLOT_HEIGHT = 340, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 12, 28
"""The margins of a plot, in its own units: as small as a phone, so that its words can be read."""
_LETTERS = 16
"""Two marks of an axis stand at least so far apart."""


@dataclass(frozen=True)
class PriceStep:
    """A row of a price waterfall: an amount that is reached, or what changes the one before."""

    name: str
    """`list`, `contracted` ... of an amount that is reached; `to-contracted` ... of a change."""
    kind: str
    """`total`; of a change `less` or `more`."""
    amount: Decimal
    of_list: Decimal | None
    """As a part of the list, to four decimals; None where that is unknown."""
    per_unit: Decimal | None
    """Of one unit; None where units differ."""
    bar: Markup


def summed(lines: Sequence[PriceLine]) -> PriceLine:
    """Return the sum of lines of one currency, one at least; without a quantity if units differ."""
    units = {line.unit for line in lines if line.quantity}
    line = added(lines, customer="", product="", sku="", unit=next(iter(units), ""))
    return line if len(units) < 2 else replace(line, quantity=_ZERO, unit="")


Axis = tuple[Decimal, Decimal]
"""The least and the most of a picture, as parts of the list."""


def waterfall_of(line: PriceLine) -> tuple[list[PriceStep], Axis]:
    """Return the way of a price line from the list to the net, and the axis of its bars.

    Where the list price is unknown it begins with what was contracted. What changes nothing is left
    out, but for the net.
    """
    levels = [] if line.list is None else [("list", line.list)]
    levels += [("contracted", line.contracted), ("billed", line.billed)]
    levels += [("coupon", line.billed + line.coupon), ("effective", line.effective)]
    (first, reached), *others = levels
    rows = [(first, _ZERO, reached)]
    for name, level in others:
        if level != reached:
            rows += [(f"to-{name}", reached, level), (name, _ZERO, level)]
            reached = level
    if line.net != reached:
        rows.append(("to-net", reached, line.net))
    rows.append(("net", _ZERO, line.net))
    reach = [_ZERO, *(level for _, _, level in rows)]
    at, whole = scale(reach), line.list or line.contracted
    axis = [ratio_of(end, whole, 3) or _ZERO for end in (min(reach), max(reach))]
    grid = [at(whole * quarter / 100) for quarter in _QUARTERS]
    steps = []
    for name, before, level in rows:
        change = level - before
        kind = ("less" if change < 0 else "more") if name.startswith("to-") else "total"
        parts = (change, ratio_of(change, line.list, 4), ratio_of(change, line.quantity, 8))
        steps.append(PriceStep(name, kind, *parts, bar(kind, at(before), at(level), grid)))
    return steps, (axis[0], axis[1])


def ratio_of(part: Decimal, whole: Decimal | None, places: int) -> Decimal | None:
    """Return a part of a whole, above or below zero; None where the whole is not above zero."""
    found = ratio(abs(part), whole, places)
    return -found if found is not None and part < 0 else found


def share_bar(share: Decimal | None, axis: Axis) -> Markup:
    """Return the bar of what a deal pays of the list, on the axis of all deals beside it."""
    at = scale([_ZERO, *axis])
    grid = [at(Decimal(quarter) / 100) for quarter in _QUARTERS]
    return bar("total", at(_ZERO), at(share or _ZERO), grid)


def coupon_bar(coupon: Balance) -> Markup:
    """Return the bar of a coupon: what is spent as granted, what is diverted, what has expired."""
    ends = [_ZERO]
    for part in (coupon.spent, coupon.diverted, coupon.expired):
        ends.append(ends[-1] + max(part, _ZERO))
    at = scale([_ZERO, coupon.granted, *ends])
    kinds = ("total", "wrong", "over")
    parts = (
        rect(kind, at(start), at(end))
        for kind, start, end in zip(kinds, ends, ends[1:])
        if end > start
    )
    return picture("".join([rect("rail", at(_ZERO), at(coupon.granted)), *parts]))


def drawdown_plot(row: Drawdown, on: date, label: str) -> Markup:
    """Return how an agreement is drawn up to a day: a line, its forecast, and what was agreed.

    The axes are the days of its span, and percents of what was agreed.
    """
    days = (row.valid_to - row.valid_from).days or 1
    most = max(row.amount, row.forecast, row.drawn) or Decimal(1)

    def x(day: date) -> int:
        return _LEFT + (day - row.valid_from).days * (_PLOT_WIDTH - _LEFT - _RIGHT) // days

    def y(amount: Decimal) -> int:
        return _TOP + int((_PLOT_HEIGHT - _TOP - _BOTTOM) * (1 - max(amount, _ZERO) / most))

    reached, drawn = [(x(row.valid_from), y(_ZERO))], _ZERO
    after = min(on + timedelta(days=1), row.valid_to)
    for month, amount in row.months.items():
        drawn += amount
        reached.append((x(min(_month_after(month), after)), y(drawn)))
    reached.append((x(after), y(drawn)))
    end = [reached[-1], (x(row.valid_to), y(row.forecast))]
    goal = y(row.amount)
    marks = [(y(row.amount * part / 100), f"{part} %") for part in (0, 50, 100)]
    if abs(marks[0][0] - marks[1][0]) < _LETTERS:
        del marks[1]
    axis = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_PLOT_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
        f'<text x="{_LEFT - 6}" y="{at + 4}" text-anchor="end">{said}</text>'
        for at, said in marks
    )
    foot = _PLOT_HEIGHT - 6
    return Markup(
        f'<svg class="plot" viewBox="0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT}" role="img"'
        f' aria-label="{escape(label)}">{axis}'
        f'<line class="goal" x1="{_LEFT}" x2="{_PLOT_WIDTH - _RIGHT}" y1="{goal}" y2="{goal}"/>'
        f'<polyline class="forecast" points="{_points(end)}"/>'
        f'<polyline class="drawn" points="{_points(reached)}"/>'
        f'<circle class="drawn" cx="{reached[-1][0]}" cy="{reached[-1][1]}" r="4"/>'
        f'<text x="{_LEFT}" y="{foot}">{row.valid_from:%Y-%m-%d}</text>'
        f'<text x="{_PLOT_WIDTH - _RIGHT}" y="{foot}" text-anchor="end">'
        f"{row.valid_to:%Y-%m-%d}</text></svg>"
    )


def _month_after(month: str) -> date:
    return parse_period(month).span.end


def _points(places: Iterable[tuple[int, int]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)
