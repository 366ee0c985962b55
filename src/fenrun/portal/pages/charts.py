"""Charts: their geometry, and the SVG without styles or scripts of its own.

Next to each stands the table that it shows. They are drawn here, not in the pages' templates,
which take five times as long for as many numbers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import accumulate, pairwise
from typing import Any

from markupsafe import Markup, escape

from fenrun.base.money import plain, show
from fenrun.base.words import say
from fenrun.plan.bands import band_words
from fenrun.portal.language import lang
from fenrun.portal.pages import row_bars

WIDTH, HEIGHT = 720, 200
_CUSTOMERS_NAMED = 6
"""Customers that a picture of a payee's customers names."""
_TITLE_HEIGHT, _NODE_HEIGHT, _NODE_WIDTH = 60, 34, 10
FILL = {"bar": "#6b9080", "now": "#0b6e4f", "rise": "#2b6cb0", "fall": "#b45f06"}
"""Colours on paper; on a screen the style sheet says others, for light and for dark.

Each is 3 to 1 against the page, and what rises is told from what falls by everybody.
"""
_TICKS, _LOWER = 4, 20
"""Lines of an axis at most; how much lower every second label stands where they are crowded."""
_SHORT = {
    "en": ((10**9, 10**9, " bn"), (10**6, 10**6, " m"), (10**4, 10**3, " k")),
    "zh-CN": ((10**8, 10**8, " 亿"), (10**4, 10**4, " 万")),
}
"""Numbers from which others are written short, what they are divided by, and its words."""
_WIDE = 8
"""Bars up to which each has room for a label of a year and month, and an amount of three digits."""
_MONTH = re.compile(r"\d\d-\d\d")
_ZERO = Decimal(0)

Link = tuple[str, str, Decimal]
"""What flows: from whom or what, to whom or what, how much."""


@dataclass(frozen=True)
class Bar:
    """A bar in units of the picture; `label` below it, `value` (exact text) on it."""

    x: int
    y: int
    width: int
    height: int
    kind: str
    label: str
    value: str
    goal: tuple[int, str] | None = None
    """The height of a target's line across it, and its amount (exact text)."""


@dataclass(frozen=True)
class Bars:
    """Bars on an axis; each of `ticks` is a line across at a height, and its amount."""

    bars: list[Bar]
    ticks: list[tuple[int, Decimal]]


@dataclass(frozen=True)
class Node:
    """A party or a way at one side of a flow, as high as what it holds."""

    x: int
    y: Decimal
    height: Decimal
    label: str
    amount: Decimal
    share: str
    """Of the whole, in percent."""


@dataclass(frozen=True)
class Ribbon:
    """A flow between two nodes; `path` is its outline."""

    source: str
    target: str
    amount: Decimal
    path: str


@dataclass(frozen=True)
class Flow:
    """A picture of what flows from the left to the right."""

    height: int
    nodes: list[Node]
    ribbons: list[Ribbon]


def trend(points: Sequence[tuple[str, str]], now: str = "") -> Bars:
    """Return bars of amounts by label, on a common zero; the label `now` is marked."""
    amounts = [Decimal(value) for _, value in points]
    axis = _Axis.of(min([*amounts, _ZERO]), max([*amounts, _ZERO]))
    step = WIDTH // max(len(points), 1)
    bars = []
    for number, ((label, value), amount) in enumerate(zip(points, amounts)):
        kind = "now" if label == now else "fall" if amount < 0 else "bar"
        x, width = number * step + step // 8, step * 3 // 4
        bars.append(axis.bar(x, width, _ZERO, amount, kind, label, value))
    return Bars(bars, axis.ticks)


def against(points: Sequence[tuple[str, str, str]], now: str = "") -> Bars:
    """Return bars of amounts by label, each with the line of its target; `now` is marked."""
    amounts = [Decimal(value) for _, *both in points for value in both]
    axis = _Axis.of(min([*amounts, _ZERO]), max([*amounts, _ZERO]))
    step = WIDTH // max(len(points), 1)
    bars = []
    for number, (label, value, target) in enumerate(points):
        kind, amount = "now" if label == now else "bar", Decimal(value)
        x, width = number * step + step // 8, step * 3 // 4
        bar = axis.bar(x, width, _ZERO, amount, kind, label, value)
        bars.append(replace(bar, goal=(axis.height_of(Decimal(target)), target)))
    return Bars(bars, axis.ticks)


def beside(points: Sequence[tuple[str, Decimal, Decimal]]) -> Bars:
    """Return bars of a whole by label, each with a part of it inside, on a common zero.

    What is below zero cannot be drawn; the table beside has it.
    """
    top = max((value for _, *values in points for value in values), default=_ZERO)
    axis = _Axis.of(_ZERO, max(top, _ZERO))
    step = WIDTH // max(len(points), 1)

    def bar(number: int, kind: str, inset: int, label: str, value: Decimal) -> Bar:
        x, width = number * step + step // 8 + inset, step * 3 // 4 - 2 * inset
        return axis.bar(x, width, _ZERO, max(value, _ZERO), kind, label, plain(value))

    bars = []
    for number, (label, whole, part) in enumerate(points):
        bars += [bar(number, "bar", 0, label, whole), bar(number, "now", step // 8, "", part)]
    return Bars(bars, axis.ticks)


def waterfall(
    start: tuple[str, str], changes: Sequence[tuple[str, str]], end: tuple[str, str]
) -> Bars:
    """Return bars from one amount to another by what changed.

    Each hangs where the one before ended. The axis is cut below what changes, which could not be
    seen otherwise.
    """
    steps = [Decimal(change) for _, change in changes]
    levels = list(accumulate(steps, initial=Decimal(start[1])))
    last = Decimal(end[1])
    top, low = max([*levels, last]), min([*levels, last])
    if span := top - low:
        axis = _Axis.of(min(low, max(_ZERO, low - span / 3)), top)
    else:  # nothing changes, so that there is nothing to cut
        axis = _Axis.of(min(low, _ZERO), max(top, _ZERO))
    step = WIDTH // (len(changes) + 2)

    def bar(number: int, one: Decimal, other: Decimal, kind: str, label: str, value: str) -> Bar:
        return axis.bar(number * step + step // 10, step * 4 // 5, one, other, kind, label, value)

    bars = [bar(0, axis.low, levels[0], "bar", *start)]
    for number, (change, (before, after)) in enumerate(zip(changes, pairwise(levels)), 1):
        bars.append(bar(number, before, after, "rise" if after >= before else "fall", *change))
    bars.append(bar(len(changes) + 1, axis.low, last, "now", *end))
    return Bars(bars, axis.ticks)


@dataclass(frozen=True)
class Step:
    """A row on the way from one amount to another: an amount that is reached, or a change."""

    label: str
    kind: str
    """`total`; of a change `rise` or `fall`."""
    amount: str
    """Exact text."""
    bar: Markup


def steps_between(
    start: tuple[str, str], changes: Sequence[tuple[str, str]], end: tuple[str, str]
) -> list[Step]:
    """Return the rows of a table from one amount to another by what changed, each with its bar.

    The axis of the bars is cut below what changes, as that of `waterfall` is.
    """
    steps = [Decimal(change) for _, change in changes]
    levels = list(accumulate(steps, initial=Decimal(start[1])))
    top, low = max([*levels, Decimal(end[1])]), min([*levels, Decimal(end[1])])
    cut = max(_ZERO, low - (top - low) / 3) if changes else _ZERO
    foot = min(low, cut)
    at = row_bars.scale([foot, top])
    rows = [(*start, "total", foot, levels[0])]
    for change, (one, other) in zip(changes, pairwise(levels)):
        rows.append((*change, "rise" if other >= one else "fall", one, other))
    rows.append((*end, "total", foot, Decimal(end[1])))
    return [
        Step(label, kind, amount, row_bars.bar(kind, at(one), at(other)))
        for label, amount, kind, one, other in rows
    ]


@dataclass(frozen=True)
class _Axis:
    """An axis of amounts from a round one to a round one."""

    low: Decimal
    top: Decimal
    step: Decimal

    @classmethod
    def of(cls, low: Decimal, top: Decimal) -> _Axis:
        """Return the axis of what lies between two amounts: its lines are 1, 2 or 5 apart."""
        wide = (top - low) / _TICKS or Decimal(1)
        power = Decimal(10) ** wide.adjusted()
        step = next(power * by for by in (1, 2, 5, 10) if power * by >= wide)
        first = (low / step).to_integral_value(ROUND_FLOOR) * step
        last = (top / step).to_integral_value(ROUND_CEILING) * step
        return cls(first, max(last, first + step), step)

    @property
    def ticks(self) -> list[tuple[int, Decimal]]:
        """The lines across the picture: height and amount of each."""
        count = int((self.top - self.low) / self.step)
        amounts = [self.low + self.step * number for number in range(count + 1)]
        return [(self.height_of(amount), amount) for amount in amounts]

    def height_of(self, amount: Decimal) -> int:
        """Return how far below the top an amount stands."""
        return int((self.top - amount) * HEIGHT / ((self.top - self.low) or Decimal(1)))

    def bar(
        self, x: int, width: int, one: Decimal, other: Decimal, kind: str, label: str, value: str
    ) -> Bar:
        """Return a bar between two amounts."""
        y, end = self.height_of(max(one, other)), self.height_of(min(one, other))
        return Bar(x, y, width, max(end - y, 1), kind, label, value)


def attained(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far a line has come in its table.

    `filled` is how far it is, `marks` where each band begins: in thousandths of the width.
    """
    bounds = [Decimal(band["from"]) for band in line["bounds"]]
    measure = Decimal(line["measure"])
    end = max([*bounds, measure, Decimal(1)]) * Decimal("1.08")
    marks = [{"at": int(bound * 1000 / end), **band} for bound, band in zip(bounds, line["bounds"])]
    return {"filled": max(0, int(measure * 1000 / end)), "marks": marks}


def curve(amounts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the curve of concentration: points of the running share of the largest.

    In thousandths of all parties and of the whole.
    """
    values = sorted((max(Decimal(amount), _ZERO) for amount in amounts), reverse=True)
    whole = sum(values, _ZERO) or Decimal(1)
    points = [(0, 0)]
    for number, running in enumerate(accumulate(values), 1):
        points.append((number * 1000 // len(values), int(running * 1000 / whole)))
    return points


def thousandths(part: str, whole: str) -> int:
    """Return a part of a whole in thousandths, from none to all."""
    share = Decimal(part) * 1000 / (Decimal(whole) or Decimal(1))
    return max(0, min(1000, int(share)))


def total(rows: Iterable[Mapping[str, Any]], key: str) -> str:
    """Return the sum of the rows' amounts, as exact text."""
    return plain(sum((Decimal(row[key]) for row in rows), _ZERO))


def team_targets(team: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the targets of a team's members added up, by component and period."""
    measures: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    targets: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for member in team:
        for target in member["targets"]:
            key = (target["component"], target["period"])
            measures[key] += Decimal(target["measure"])
            targets[key] += Decimal(target["target"])
    return [
        {
            "component": component,
            "period": period,
            "measure": plain(measures[component, period]),
            "target": plain(targets[component, period]),
        }
        for component, period in sorted(targets)
    ]


def of_customers(
    body: Mapping[str, Any], mine: str, others: str, via: Callable[[str], str]
) -> list[Link]:
    """Return where the spend of a payee's customers is credited: to it, or to others and by what.

    Customers of whom most is credited to others are named; the rest are `others`.
    """
    rows = body["elsewhere"]
    names = distinguished({row["customer"]: row.get("name", "") for row in rows})
    to_others: defaultdict[str, Decimal] = defaultdict(Decimal)
    spend = {}
    for row in rows:
        to_others[row["customer"]] += Decimal(row["amount"])
        spend[row["customer"]] = Decimal(row["of"])
    by_most = sorted(to_others, key=lambda customer: (-to_others[customer], customer))
    named = by_most[:_CUSTOMERS_NAMED]
    links = [
        (
            names[row["customer"]] if row["customer"] in named else others,
            via(row["via"]),
            Decimal(row["amount"]),
        )
        for row in rows
    ]
    kept = [(names[name], mine, spend[name] - to_others[name]) for name in named]
    rest = Decimal(body["credited"]) - sum((amount for *_, amount in kept), _ZERO)
    return [*links, *kept, (others, mine, rest)]


def distinguished(names: Mapping[str, str]) -> dict[str, str]:
    """Return what a picture calls each of some ids: its name, with the id where two have the same.

    An id without a name is called by itself.
    """
    times = Counter(names.values())
    return {
        key: f"{name} {key}" if name and times[name] > 1 else name or key
        for key, name in names.items()
    }


def flow(links: Sequence[Link]) -> Flow:
    """Return a picture of what flows: nodes as high as what they hold, ribbons between them.

    What is not above zero cannot be drawn; the tables have it.
    """
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for source, target, amount in links:
        sums[source, target] += amount
    drawn = {pair: amount for pair, amount in sums.items() if amount > 0}
    sources: defaultdict[str, Decimal] = defaultdict(Decimal)
    targets: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (source, target), amount in drawn.items():
        sources[source] += amount
        targets[target] += amount
    height = _TITLE_HEIGHT + max(len(sources), len(targets)) * _NODE_HEIGHT
    left = _nodes(sources, 0, height)
    right = _nodes(targets, WIDTH - _NODE_WIDTH, height)
    ribbons = _ribbons(drawn, left, right)
    return Flow(height, [*left.values(), *right.values()], ribbons)


def _nodes(amounts: Mapping[str, Decimal], x: int, height: int) -> dict[str, Node]:
    """Return the nodes of a side, largest at the top."""
    whole = sum(amounts.values(), _ZERO) or Decimal(1)
    gap = Decimal(height - _TITLE_HEIGHT) / max(1, len(amounts)) / 2
    scale = (height - gap * len(amounts)) / whole
    nodes = {}
    y = _ZERO
    for name in sorted(amounts, key=lambda name: (-amounts[name], name)):
        amount = amounts[name]
        share = f"{amount * 100 / whole:.1f} %"
        nodes[name] = Node(x, y, amount * scale, name, amount, share)
        y += amount * scale + gap
    return nodes


def _ribbons(
    drawn: Mapping[tuple[str, str], Decimal], left: Mapping[str, Node], right: Mapping[str, Node]
) -> list[Ribbon]:
    """Return the ribbons, each below the one before it at both of its nodes."""
    order = sorted(
        drawn,
        key=lambda pair: (-left[pair[0]].amount, pair[0], -right[pair[1]].amount, pair[1]),
    )
    left_tops = {name: node.y for name, node in left.items()}
    right_tops = {name: node.y for name, node in right.items()}
    ribbons = []
    for source, target in order:
        amount = drawn[source, target]
        from_top, to_top = left_tops[source], right_tops[target]
        left_tops[source] += left[source].height * amount / left[source].amount
        right_tops[target] += right[target].height * amount / right[target].amount
        path = _outline(from_top, left_tops[source], to_top, right_tops[target])
        ribbons.append(Ribbon(source, target, amount, path))
    return ribbons


def _outline(from_top: Decimal, from_end: Decimal, to_top: Decimal, to_end: Decimal) -> str:
    """Return a ribbon's outline: along its upper edge to the right, along its lower one back."""
    start, middle, end = _NODE_WIDTH, WIDTH // 2, WIDTH - _NODE_WIDTH
    return (
        f"M{start} {from_top:.1f}"
        f"C{middle} {from_top:.1f} {middle} {to_top:.1f} {end} {to_top:.1f}"
        f"L{end} {to_end:.1f}"
        f"C{middle} {to_end:.1f} {middle} {from_end:.1f} {start} {from_end:.1f}Z"
    )


def draw_bars(chart: Bars, label: str, unit: str = "") -> Markup:
    """Return bars (of `trend`, `beside` or `waterfall`) as a figure, with their axis and unit."""
    of = lang()
    lines = "".join(_drawn_tick(y, amount, of) for y, amount in chart.ticks)
    crowded = len(chart.bars) > _WIDE and any(len(bar.label) > 5 for bar in chart.bars)
    lower = [_LOWER * (crowded and number % 2) for number in range(len(chart.bars))]
    is_narrow = len(chart.bars) > _WIDE
    drawn = "".join(
        _drawn_bar(bar, unit, of, _Below(label, more, is_narrow))
        for bar, label, more in zip(chart.bars, _labels(chart.bars), lower)
    )
    return Markup(
        '<figure class="chart" tabindex="0">'
        f'<svg viewBox="{-_LEFT} -34 {WIDTH + _LEFT + 14} {HEIGHT + 60 + max(lower, default=0)}"'
        ' role="img"'
        f' aria-label="{escape(label)}{escape(unit and f" ({unit})")}">'
        f'<text x="-8" y="-20" text-anchor="end" font-size="13" fill="#56626e">{escape(unit)}'
        f"</text>{lines}{drawn}</svg></figure>"
    )


def _drawn_tick(y: int, amount: Decimal, lang: str) -> str:
    return (
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="#dfe3e0"/>'
        f'<text x="-8" y="{y + 4}" text-anchor="end" font-size="13" fill="#56626e">'
        f"{short(amount, lang)}</text>"
    )


@dataclass(frozen=True)
class _Below:
    """The label below a bar, how much lower than others it stands, and whether bars are narrow."""

    label: str
    lower: int
    is_narrow: bool


def _labels(bars: Sequence[Bar]) -> list[str]:
    """Return the labels of bars: of months side by side the year stands at its first alone."""
    labels = [bar.label for bar in bars]
    if len(bars) <= _WIDE or not all(_MONTH.fullmatch(label) for label in labels):
        return labels
    years = ["", *(label[:3] for label in labels)]
    return [label.removeprefix(year) for label, year in zip(labels, years)]


def _drawn_bar(bar: Bar, unit: str, lang: str, below_it: _Below) -> str:
    """Return a bar with its label below it, its amount in short at its end, and whole on top."""
    label, middle, amount = escape(bar.label), bar.x + bar.width // 2, Decimal(bar.value)
    whole = f"{label}{label and ': '}{show(amount)} {escape(unit)}".strip()
    if bar.goal:
        whole += f" / {escape(say('portal-goal', lang))} {show(Decimal(bar.goal[1]))}"
    sign = "+" if bar.kind == "rise" and amount > 0 else ""
    below = bar.kind == "fall"
    y = bar.y + bar.height + 17 if below and bar.y + bar.height < HEIGHT - 18 else bar.y - 5
    anchor = "start" if middle < WIDTH // 3 else "end" if middle > WIDTH * 2 // 3 else "middle"
    words = (
        f'<text x="{middle}" y="{y}" text-anchor="middle" font-size="12" fill="#23303a"'
        f' class="value">{sign}{short(amount, lang, below_it.is_narrow)}</text>'
    )
    goal = _drawn_goal(bar, bar.goal[0]) if bar.goal else ""
    inside = not bar.label  # a part inside of another bar: its amount stands on top alone
    return (
        f'<g class="{bar.kind}"><title>{whole}</title>'
        f'<rect x="{bar.x}" y="{bar.y}" width="{bar.width}" height="{bar.height}" rx="2"'
        f' fill="{FILL[bar.kind]}"/>{goal}{"" if inside else words}'
        f'<text x="{middle}" y="{HEIGHT + 20 + below_it.lower}" text-anchor="middle"'
        f' font-size="13" fill="#56626e">{escape(below_it.label)}</text>'
        f'<text class="tip" x="{middle}" y="-20" text-anchor="{anchor}" font-size="13">{whole}'
        "</text></g>"
    )


def _drawn_goal(bar: Bar, y: int) -> str:
    """Return the line of a target, wider than its bar and with an edge: it is seen on any bar."""
    beyond = bar.width // 6
    ends = f'x1="{bar.x - beyond}" x2="{bar.x + bar.width + beyond}" y1="{y}" y2="{y}"'
    return (
        f'<line class="edge" {ends} stroke="#fff" stroke-width="7"/>'
        f'<line class="goal" {ends} stroke="{FILL["fall"]}" stroke-width="3"/>'
    )


def short(amount: Decimal, lang: str, is_narrow: bool = False) -> str:
    """Return an amount in three or four digits, as axes and bars say it; on narrow bars in two."""
    sign, size = ("−" if amount < 0 else ""), abs(amount)
    for least, by, words in _SHORT[lang]:
        if size >= (by if is_narrow else least):
            return f"{sign}{_digits(size / by, is_narrow)}{words.strip() if is_narrow else words}"
    return sign + (f"{size.quantize(Decimal(1)):,}" if size >= 100 else _digits(size, is_narrow))


def _digits(size: Decimal, is_narrow: bool) -> str:
    places = max(0, (0 if size >= 100 else 1 if size >= 10 else 2) - is_narrow)
    text = f"{size:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def draw_way(line: Mapping[str, Any], label: str, lang: str) -> Markup:
    """Return a line's way through its table, with the bands that it has reached."""
    way = attained(line)
    lines = items = ""
    for mark in way["marks"]:
        reached = "reached" if mark["at"] <= way["filled"] else ""
        lines += (
            f'<line class="mark" x1="{mark["at"]}" x2="{mark["at"]}" y1="0" y2="20"'
            ' stroke="#8a5a00" stroke-width="3"/>'
        )
        bound, words = show(Decimal(mark["from"])), band_words(mark["words"], lang)
        items += f'<li class="{reached}">{bound}: {escape(words)}</li>'
    return Markup(
        '<svg class="way" viewBox="0 0 1000 46" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}">'
        '<rect class="rail" x="0" y="4" width="1000" height="12" rx="6" fill="#dfe3e0"/>'
        f'<rect class="filled" x="0" y="4" width="{min(way["filled"], 1000)}" height="12" rx="6"'
        f' fill="#0b6e4f"/>{lines}</svg><ul class="marks">{items}</ul>'
    )


def draw_flow(flow: Flow, label: str) -> Markup:
    """Return what flows from the left to the right as a figure."""
    ribbons = "".join(map(_drawn_ribbon, flow.ribbons))
    nodes = "".join(map(_drawn_node, flow.nodes))
    said = escape(label)
    return Markup(
        '<figure class="chart flow" tabindex="0">'
        f'<svg viewBox="0 0 {WIDTH} {flow.height}" role="img" aria-label="{said}">'
        f"{ribbons}{nodes}</svg><figcaption>{said}</figcaption></figure>"
    )


def _drawn_ribbon(ribbon: Ribbon) -> str:
    title = f"{escape(ribbon.source)} → {escape(ribbon.target)}: {show(ribbon.amount)}"
    return (
        f'<path class="ribbon" d="{ribbon.path}" fill="#6b9080" fill-opacity="0.9">'
        f"<title>{title}</title></path>"
    )


def _drawn_node(node: Node) -> str:
    at_the_right = node.x > 0
    y, height = int(node.y), max(1, int(node.height))
    text_x = node.x - 6 if at_the_right else node.x + _NODE_WIDTH + 6
    anchor = "end" if at_the_right else "start"
    label = escape(node.label)
    return (
        f'<rect x="{node.x}" y="{y}" width="{_NODE_WIDTH}" height="{height}" fill="#0b6e4f">'
        f"<title>{label}: {show(node.amount)}</title></rect>"
        f'<text x="{text_x}" y="{y + height // 2 + 4}" text-anchor="{anchor}" font-size="12"'
        f' fill="#23303a">{label} · {node.share}</text>'
    )


_LEFT, _UNDER = 110, 34
"""Room for the labels of an axis: on the left, and below."""


def draw_curve(
    points: Sequence[tuple[Decimal, Decimal]], name: str, below: str, currency: str
) -> Markup:
    """Return a line through points from the left to the right, with both axes and their units."""
    widest = max(x for x, _ in points) or Decimal(1)
    top, low = max(max(y for _, y in points), _ZERO), min(min(y for _, y in points), _ZERO)
    span = (top - low) or Decimal(1)

    def at(x: Decimal, y: Decimal) -> tuple[int, int]:
        return _LEFT + int(x * (WIDTH - _LEFT - 60) / widest), 14 + int((top - y) * HEIGHT / span)

    corners = [at(x, y) for x, y in points]
    said = "; ".join(f"{show(x)}: {show(y)}" for x, y in points)
    line = " ".join(f"{x},{y}" for x, y in corners)
    zero, foot = at(_ZERO, _ZERO)[1], HEIGHT + 14 + _UNDER
    labels = [
        _label(_LEFT - 8, at(_ZERO, y)[1] + 4, "end", f"{show(y)} {currency}")
        for y in dict.fromkeys((top, low))
    ]
    labels += [
        _label(at(x, _ZERO)[0], HEIGHT + 32, "middle", show(x)) for x in (widest / 2, widest)
    ]
    labels.append(_label(_LEFT, foot, "start", below))
    dots = [f'<circle class="bar now" cx="{x}" cy="{y}" r="4" fill="#0b6e4f"/>' for x, y in corners]
    body = (
        f'<line x1="{_LEFT}" y1="{zero}" x2="{WIDTH - 60}" y2="{zero}" stroke="#56626e"/>'
        f'<line x1="{_LEFT}" y1="14" x2="{_LEFT}" y2="{HEIGHT + 14}" stroke="#56626e"/>'
        f'<polyline class="earning" points="{line}" fill="none" stroke="#0b6e4f" stroke-width="3"/>'
    )
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {foot + 8}" role="img"'
        f' aria-label="{escape(name)}: {escape(said)}">{body}{"".join(dots)}{"".join(labels)}</svg>'
    )


def _label(x: int, y: int, anchor: str, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="13">{escape(text)}</text>'
