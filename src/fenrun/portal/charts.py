"""The portal's pictures: their geometry, and the SVG without styles or scripts of its own. Next to each stands the table that it shows.

They are written here, not in the pages' templates, which take five times as long for as many numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

from markupsafe import Markup, escape

from fenrun.base.money import plain, show

WIDTH, HEIGHT = 720, 200
SHOWN = 12
"""Customers that a statement's page lists, largest first."""
_NAMED = 6
"""Customers that a picture names."""

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
        bars.append(
            Bar(
                number * step + step // 8,
                y,
                step * 3 // 4,
                max(height, 1),
                "now" if label == now else "fall" if amount < 0 else "bar",
                label,
                value,
            )
        )
    return bars


def waterfall(
    start: tuple[str, str], changes: Sequence[tuple[str, str]], end: tuple[str, str]
) -> list[Bar]:
    """From one amount to another by what changed: bars that hang where the one before ended. The axis is cut below what changes, else that could not be seen."""
    levels = list(accumulate((Decimal(change) for _, change in changes), initial=Decimal(start[1])))
    top, low = max([*levels, Decimal(end[1])]), min([*levels, Decimal(end[1])])
    low = min(low, max(Decimal(0), low - (top - low) / 3))
    scale = (top - low) or Decimal(1)
    step = WIDTH // (len(changes) + 2)

    def bar(number: int, one: Decimal, other: Decimal, kind: str, label: str, value: str) -> Bar:
        return Bar(
            number * step + step // 10,
            int((top - max(one, other)) * HEIGHT / scale),
            step * 4 // 5,
            max(int(abs(one - other) * HEIGHT / scale), 1),
            kind,
            label,
            value,
        )

    hung = [
        bar(number, one, other, "rise" if other >= one else "fall", *change)
        for number, (change, (one, other)) in enumerate(zip(changes, pairwise(levels)), 1)
    ]
    return [
        bar(0, low, levels[0], "bar", *start),
        *hung,
        bar(len(changes) + 1, low, Decimal(end[1]), "now", *end),
    ]


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


def thousandths(part: str, whole: str) -> int:
    """A part of a whole in thousandths, from none to all."""
    return max(0, min(1000, int(Decimal(part) * 1000 / (Decimal(whole) or Decimal(1)))))


def total(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    """The sum of the rows' amounts, as exact text."""
    return plain(sum((Decimal(row[key]) for row in rows), Decimal(0)))


def together(team: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The targets of a team's members added up, by component and period."""
    sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for target in (t for member in team for t in member["targets"]):
        one, other = sums.get((target["component"], target["period"]), (Decimal(0), Decimal(0)))
        sums[target["component"], target["period"]] = (
            one + Decimal(target["measure"]),
            other + Decimal(target["target"]),
        )
    return [
        {"component": c, "period": p, "measure": plain(one), "target": plain(other)}
        for (c, p), (one, other) in sorted(sums.items())
    ]


Link = tuple[str, str, Decimal]
"""From whom or what, to whom or what, how much."""


def of_customers(
    body: Mapping[str, Any], mine: str, others: str, via: Callable[[str], str]
) -> list[Link]:
    """Where the spend of a payee's customers is credited: to it, or elsewhere and by what; those from whom most is, one by one."""
    elsewhere: dict[str, Decimal] = {}
    for row in body["elsewhere"]:
        elsewhere[row["customer"]] = elsewhere.get(row["customer"], Decimal(0)) + Decimal(
            row["amount"]
        )
    named = sorted(elsewhere, key=lambda customer: (-elsewhere[customer], customer))[:_NAMED]
    links = [
        (
            row["customer"] if row["customer"] in named else others,
            via(row["via"]),
            Decimal(row["amount"]),
        )
        for row in body["elsewhere"]
    ]
    whole = {row["customer"]: Decimal(row["of"]) for row in body["elsewhere"]}
    kept = {customer: whole[customer] - elsewhere[customer] for customer in named}
    rest = Decimal(body["credited"]) - sum(kept.values(), Decimal(0))
    return [*links, *((c, mine, amount) for c, amount in kept.items()), (others, mine, rest)]


def flow(links: Sequence[Link]) -> dict[str, Any]:
    """A picture of what flows from the left to the right: nodes as high as what they hold, ribbons between them. What is not above zero cannot be drawn; the tables have it."""
    sums: dict[tuple[str, str], Decimal] = {}
    for one, other, amount in links:
        sums[one, other] = sums.get((one, other), Decimal(0)) + amount
    drawn = {pair: amount for pair, amount in sums.items() if amount > 0}
    whole = sum(drawn.values(), Decimal(0)) or Decimal(1)
    sides: list[dict[str, Decimal]] = [{}, {}]
    for pair, amount in drawn.items():
        for side, name in zip(sides, pair, strict=True):
            side[name] = side.get(name, Decimal(0)) + amount
    height = 60 + max(map(len, sides)) * 34
    nodes, tops, scales = [], list[dict[str, Decimal]](), list[Decimal]()
    for side, x in zip(sides, (0, WIDTH - 10), strict=True):
        gap = Decimal(height - 60) / max(1, len(side)) / 2
        scale, y, top = (height - gap * len(side)) / whole, Decimal(0), dict[str, Decimal]()
        for name, amount in sorted(side.items(), key=lambda item: (-item[1], item[0])):
            top[name] = y
            nodes.append(
                {
                    "x": x,
                    "y": int(y),
                    "height": max(1, int(amount * scale)),
                    "label": name,
                    "amount": plain(amount),
                    "right": x > 0,
                    "share": f"{amount * 100 / whole:.1f} %",
                }
            )
            y += amount * scale + gap
        tops.append(top)
        scales.append(scale)
    ribbons = []
    for (one, other), amount in sorted(
        drawn.items(),
        key=lambda item: (-sides[0][item[0][0]], item[0][0], -sides[1][item[0][1]], item[0][1]),
    ):
        left, right = tops[0][one], tops[1][other]
        thick = [amount * scale for scale in scales]
        tops[0][one], tops[1][other] = left + thick[0], right + thick[1]
        middle, end = WIDTH // 2, WIDTH - 10
        ribbons.append(
            {
                "one": one,
                "other": other,
                "amount": plain(amount),
                "path": f"M10 {left:.1f}C{middle} {left:.1f} {middle} {right:.1f} {end} {right:.1f}L{end} {right + thick[1]:.1f}C{middle} {right + thick[1]:.1f} {middle} {left + thick[0]:.1f} 10 {left + thick[0]:.1f}Z",
            }
        )
    return {"height": height, "nodes": nodes, "ribbons": ribbons}


def draw_bars(bars: Sequence[Bar], label: str) -> Markup:
    """Bars (of `trend` or `waterfall`) as a figure."""
    drawn = "".join(
        f'<g class="{b.kind}"><title>{escape(b.label)}: {show(Decimal(b.value))}</title><rect x="{b.x}" y="{b.y}" width="{b.width}" height="{b.height}" rx="2" fill="{FILL[b.kind]}"/>'
        f'<text x="{b.x + b.width // 2}" y="{HEIGHT + 18}" text-anchor="middle" font-size="12" fill="#56626e">{escape(b.label)}</text></g>'
        for b in bars
    )
    return Markup(
        f'<figure class="chart"><svg viewBox="0 -18 {WIDTH} {HEIGHT + 44}" role="img" aria-label="{escape(label)}">{drawn}</svg></figure>'
    )


def draw_way(line: Mapping[str, Any], label: str) -> Markup:
    """A line's way through its table, with the bands it has reached."""
    way = attained(line)
    marks = "".join(
        f'<line class="mark" x1="{m["at"]}" x2="{m["at"]}" y1="0" y2="20" stroke="#8a5a00" stroke-width="3"/>'
        for m in way["marks"]
    )
    said = "".join(
        f'<li class="{"reached" if m["at"] <= way["filled"] else ""}">{show(Decimal(m["from"]))}: {escape(m["words"])}</li>'
        for m in way["marks"]
    )
    return Markup(
        f'<svg class="way" viewBox="0 0 1000 46" preserveAspectRatio="none" role="img" aria-label="{escape(label)}"><rect class="rail" x="0" y="4" width="1000" height="12" rx="6" fill="#dfe3e0"/>'
        f'<rect class="filled" x="0" y="4" width="{min(way["filled"], 1000)}" height="12" rx="6" fill="#0b6e4f"/>{marks}</svg><ul class="marks">{said}</ul>'
    )


def draw_flow(flow: Mapping[str, Any], label: str) -> Markup:
    """What flows from the left to the right (of `flow`) as a figure."""
    ribbons = "".join(
        f'<path class="ribbon" d="{r["path"]}" fill="#9db7ac" fill-opacity="0.5"><title>{escape(r["one"])} → {escape(r["other"])}: {show(Decimal(r["amount"]))}</title></path>'
        for r in flow["ribbons"]
    )
    nodes = "".join(
        f'<rect x="{n["x"]}" y="{n["y"]}" width="10" height="{n["height"]}" fill="#0b6e4f"><title>{escape(n["label"])}: {show(Decimal(n["amount"]))}</title></rect>'
        f'<text x="{n["x"] - 6 if n["right"] else n["x"] + 16}" y="{n["y"] + n["height"] // 2 + 4}" text-anchor="{"end" if n["right"] else "start"}" font-size="12" fill="#23303a">{escape(n["label"])} · {n["share"]}</text>'
        for n in flow["nodes"]
    )
    return Markup(
        f'<figure class="chart flow"><svg viewBox="0 0 {WIDTH} {flow["height"]}" role="img" aria-label="{escape(label)}">{ribbons}{nodes}</svg><figcaption>{escape(label)}</figcaption></figure>'
    )
