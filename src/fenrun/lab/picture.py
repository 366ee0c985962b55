"""The picture of a sweep: what each variant costs, and how many lose by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from xml.sax.saxutils import escape

from fenrun.base.money import show
from fenrun.base.words import say
from fenrun.lab.sweep import Sweep, Variant

_WIDTH, _HEIGHT = 760, 440
_NONE, _TENTH = Decimal(0), Decimal("0.1")
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 60, 40, 70
_STYLE = """
  svg { font: 13px system-ui, "Noto Sans CJK SC", sans-serif; fill: #1f2933; background: #fff }
  .axis { stroke: #52606d } .grid { stroke: #e4e7eb }
  .now { stroke: #9a3412; stroke-dasharray: 5 4 }
  .one { fill: #7b8794; opacity: .55 } .best { fill: #0b7285 }
  .line { fill: none; stroke: #0b7285; stroke-width: 2 } .said { fill: #9a3412 }
"""


def frontier_picture(found: Sweep, currency: str, lang: str) -> str:
    """Return an SVG of the variants in one currency: pay across, payees who lose up.

    Those that no other beats are joined by a line; what is paid now is a dashed line.
    """
    shown = [one for one in found.variants if one.currency == currency]
    best = [one for one in found.frontier if one.currency == currency]
    now = found.now.get(currency, _NONE)
    across = _Scale([one.earned for one in shown] + [now], _LEFT, _WIDTH - _RIGHT)
    up = _Scale([Decimal(one.losers) for one in shown] + [_NONE], _HEIGHT - _BOTTOM, _TOP)
    title = say("sweep-picture", lang, scenario=found.scenario.id, period=found.period.key)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="24" font-weight="600">{escape(title)}</text>',
        *_axes(across, up, say("sweep-pay", lang, currency=currency), say("sweep-losers", lang)),
        *_now(across, now, say("sweep-now", lang)),
        *(_dot(one, across, up, "one") for one in shown),
        _line(best, across, up),
        *(_dot(one, across, up, "best") for one in best),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """A way from numbers to places between two ends, with round numbers to say."""

    def __init__(self, numbers: Sequence[Decimal], start: int, end: int):
        self.start, self.end = start, end
        low, high = min(numbers), max(numbers)
        self.step = _round_step(max(high - low, abs(high) / 100, Decimal(1)) / 5)
        self.low = (low / self.step).to_integral_value(ROUND_FLOOR) * self.step
        self.high = (high / self.step).to_integral_value(ROUND_CEILING) * self.step
        self.high = max(self.high, self.low + self.step)

    def at(self, number: Decimal) -> Decimal:
        """Return where a number stands."""
        part = (number - self.low) / (self.high - self.low)
        return (self.start + part * (self.end - self.start)).quantize(_TENTH)

    def marks(self) -> Iterator[Decimal]:
        """Yield the round numbers from the least to the most."""
        for count in range(int((self.high - self.low) / self.step) + 1):
            yield self.low + count * self.step


def _round_step(size: Decimal) -> Decimal:
    """Return the least of 1, 2, 5 times a power of ten that is no smaller."""
    power = Decimal(1).scaleb(size.adjusted())
    return next(power * times for times in (1, 2, 5, 10) if power * times >= size)


def _axes(across: _Scale, up: _Scale, pay: str, losers: str) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for mark in up.marks():
        y = up.at(mark)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{mark:,.0f}</text>'
    for mark in across.marks():
        x = across.at(mark)
        yield f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>'
        yield f'<text x="{x}" y="{bottom + 22}" text-anchor="middle">{mark:,.0f}</text>'
    yield f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
    middle = (_LEFT + right) // 2
    yield f'<text x="{middle}" y="{_HEIGHT - 18}" text-anchor="middle">{escape(pay)}</text>'
    half = (_TOP + bottom) // 2
    turned = f'transform="rotate(-90 24 {half})"'
    yield f'<text x="24" y="{half}" text-anchor="middle" {turned}>{escape(losers)}</text>'


def _now(across: _Scale, now: Decimal, said: str) -> Iterator[str]:
    x = across.at(now)
    yield f'<line class="now" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
    anchor = "end" if x > _WIDTH // 2 else "start"
    shift = -6 if anchor == "end" else 6
    yield f'<text class="said" x="{x + shift}" y="{_TOP + 12}" text-anchor="{anchor}">{said}</text>'


def _dot(one: Variant, across: _Scale, up: _Scale, kind: str) -> str:
    values = ", ".join(f"{name} = {value}" for name, value in one.values.items())
    said = f"{one.number}: {values}; {show(one.earned)} {one.currency}; {one.losers}"
    x, y = across.at(one.earned), up.at(Decimal(one.losers))
    size = "5" if kind == "best" else "3.5"
    return (
        f'<circle class="{kind}" cx="{x}" cy="{y}" r="{size}">'
        f"<title>{escape(said)}</title></circle>"
    )


def _line(best: Sequence[Variant], across: _Scale, up: _Scale) -> str:
    places = " ".join(f"{across.at(v.earned)},{up.at(Decimal(v.losers))}" for v in best)
    return f'<polyline class="line" points="{places}"/>'
