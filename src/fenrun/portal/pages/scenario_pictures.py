"""Pictures of what a scenario would bring: a waterfall, before and after, tenths, and labels.

Beside each stands the table that it shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from fenrun.base.money import plain, show
from fenrun.base.words import say
from fenrun.portal.pages import charts

_SIDE, _LEFT, _FOOT = 300, 20, 24
_STEPS = 6
"""The components that a waterfall names; all others are one step."""
_LABELS = ("region", "class")
"""The labels of customers that are drawn."""
_VALUES = 12
_ZERO = Decimal(0)

Picture = tuple[str, Markup]
"""What it is, and its figure."""


def pictures_of(outcome: Mapping[str, Any], names: Mapping[str, str], lang: str) -> list[Picture]:
    """Return the pictures of an outcome as it is kept, for each currency in turn.

    `names` are those of payees, as far as they are known.
    """
    found: list[Picture] = []
    for currency in sorted({row["currency"] for row in outcome["payees"]}):
        of = {
            name: [row for row in outcome[name] if row["currency"] == currency]
            for name in ("lines", "payees", "labels", "deciles", "plans")
        }
        for key, figure in _drawn(of, names, currency, lang):
            found.append((say(f"portal-picture-{key}", lang, currency=currency), figure))
    return found


def _drawn(
    of: Mapping[str, Sequence[Mapping[str, Any]]],
    names: Mapping[str, str],
    currency: str,
    lang: str,
) -> Iterator[tuple[str, Markup]]:
    def title(key: str) -> str:
        return say(f"portal-picture-{key}", lang, currency=currency)

    cut = Markup('<p class="quiet">{}</p>').format(say("portal-axis", lang))
    yield "waterfall", charts.draw_bars(_waterfall(of, lang), title("waterfall")) + cut
    points = [
        (
            f"{names.get(row['payee'], '')} {row['payee']}".strip(),
            Decimal(row["earned_before"]),
            Decimal(row["earned_after"]),
        )
        for row in of["payees"]
    ]
    yield "scatter", scatter(points, title("scatter"), lang)
    tenths: defaultdict[str, list[Decimal]] = defaultdict(lambda: [_ZERO, _ZERO])
    for row in of["deciles"]:
        for place, when in enumerate(("before", "after")):
            tenths[str(row["decile"])][place] += Decimal(row[f"earned_{when}"])
    bars = [(label, *_two(values)) for label, values in tenths.items()]
    yield "deciles", charts.draw_bars(charts.beside(bars), title("deciles"))
    for label in _LABELS:
        rows = [row for row in of["labels"] if row["label"] == label]
        if rows:
            yield label, charts.draw_bars(charts.beside(_by_value(rows)), title(label))


def _waterfall(of: Mapping[str, Sequence[Mapping[str, Any]]], lang: str) -> charts.Bars:
    """Return bars from what is earned to what would be, by component, the largest change first."""
    more: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in of["lines"]:
        more[row["component"]] += Decimal(row["earned_more"])
    ranked = sorted((-abs(change), name) for name, change in more.items() if change)
    steps = [(name, plain(more[name])) for _, name in ranked[:_STEPS]]
    start, end = (
        sum((Decimal(row[f"earned_{when}"]) for row in of["plans"]), _ZERO)
        for when in ("before", "after")
    )
    rest = end - start - sum((Decimal(change) for _, change in steps), _ZERO)
    if rest:
        steps.append((say("portal-other", lang), plain(rest)))
    before, after = say("diff-before", lang), say("diff-after", lang)
    return charts.waterfall((before, plain(start)), steps, (after, plain(end)))


def _by_value(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Decimal, Decimal]]:
    """Return what customers with each value of a label bring, before and after."""
    sums: defaultdict[str, list[Decimal]] = defaultdict(lambda: [_ZERO, _ZERO])
    for row in rows:
        for place, when in enumerate(("before", "after")):
            sums[row["value"]][place] += Decimal(row[f"credited_{when}"])
    ranked = sorted(sums.items(), key=lambda one: (-one[1][0], one[0]))
    return [(value, *_two(amounts)) for value, amounts in ranked[:_VALUES]]


def _two(amounts: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    return amounts[0], amounts[1]


def scatter(points: Sequence[tuple[str, Decimal, Decimal]], label: str, lang: str) -> Markup:
    """Return payees by what they earn before (across) and after (up).

    Whoever stands on the diagonal earns the same; below it less, above it more.
    """
    most = max((max(before, after) for _, before, after in points), default=_ZERO) or Decimal(1)

    def at(amount: Decimal) -> int:
        return int(max(amount, _ZERO) * _SIDE / most)

    dots = "".join(
        f'<g class="{_kind(before, after)}"><title>{escape(name)}: {show(before)} → {show(after)}'
        f'</title><circle cx="{_LEFT + at(before)}" cy="{_SIDE - at(after)}" r="4"'
        f' fill="{charts.FILL[_kind(before, after)]}"/></g>'
        for name, before, after in points
    )
    # Both axes go from nothing to the most that anybody earns, which stands at their ends.
    end = charts.short(most, lang)
    words = [say(key, lang) for key in ("diff-before", "diff-after")]
    return Markup(
        '<figure class="chart scatter" tabindex="0">'
        f'<svg viewBox="0 -10 {_SIDE + 2 * _LEFT} {_SIDE + _FOOT + 10}"'
        f' role="img" aria-label="{escape(label)}">'
        f'<path class="diagonal" d="M{_LEFT} {_SIDE}L{_LEFT + _SIDE} 0" stroke="#9aa5b1"'
        f' stroke-dasharray="4 4"/>'
        f'<path class="diagonal" d="M{_LEFT} 0V{_SIDE}H{_LEFT + _SIDE}" fill="none"'
        f' stroke="#9aa5b1"/>'
        f"{dots}"
        f'<text x="{_LEFT + _SIDE}" y="{_SIDE + 22}" text-anchor="end" font-size="12"'
        f' fill="#56626e">{escape(words[0])} → {escape(end)}</text>'
        f'<text x="{_LEFT + 6}" y="8" font-size="12" fill="#56626e">↑ {escape(words[1])}'
        f" {escape(end)}</text>"
        "</svg></figure>"
    )


def _kind(before: Decimal, after: Decimal) -> str:
    return "bar" if before == after else "rise" if after > before else "fall"
