"""Scores of findings against the truth of markets: by scheme and level, with intervals.

`python -m tests.integrity.scores` runs three sizes and four levels, and writes the figures to
docs/reference/findings-scores.md. A case is true if it names somebody of a scheme, in that scheme.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import comb
from pathlib import Path
from time import process_time

from fenrun.integrity.checks import CHECKS
from fenrun.integrity.findings import INVARIANT, STATISTICAL, Case, Findings, Outcome
from fenrun.integrity.seen import see
from fenrun.world.market import Market
from fenrun.world.schemes import SCHEMES
from tests.integrity.gains import Gains
from tests.integrity.markets import YEAR, Row, found, is_about, market_of

SIZES, LEVELS = (30, 60, 120), (0, 1, 2, 3)
_SEEDS = {30: (851, 854), 60: (852, 855), 120: (853, 856)}
"""Seeds that no check was looked at with."""
_NEAR = Decimal("0.1")
"""How far from the true amount one may be, as part of it."""
_PAGE = Path(__file__).parents[2] / "docs/reference/findings-scores.md"
_PICTURE = _PAGE.with_name("findings-p.svg")
_KINDS = {check.scheme: check.kind for check in CHECKS}


@dataclass
class Tally:
    """So many of so many."""

    good: int = 0
    of: int = 0

    def count(self, is_good: bool) -> None:
        """Count one more."""
        self.good += is_good
        self.of += 1

    @property
    def share(self) -> float:
        """The good share; 1 of nothing."""
        return self.good / self.of if self.of else 1.0

    def __str__(self) -> str:
        low, high = interval(self.good, self.of)
        return f"{self.share:.2f} ({low:.2f}-{high:.2f})" if self.of else ""


@dataclass
class Scores:
    """How findings met the truth of some markets."""

    recall: dict[tuple[str, int], Tally] = field(default_factory=dict)
    precision: dict[str, Tally] = field(default_factory=dict)
    money: dict[bool, Decimal] = field(default_factory=lambda: {True: Decimal(), False: Decimal()})
    """The amounts of true and of false cases."""
    amounts: dict[str, Tally] = field(default_factory=dict)
    """Whether the amount of a scheme that is found is near the true one, by scheme."""
    gained: dict[bool, Decimal] = field(default_factory=lambda: {True: Decimal(), False: Decimal()})
    """The true amounts of schemes that are found, and those that their cases say (False)."""
    largest: Tally = field(default_factory=Tally)
    """Whether an audit of as many of the largest payees would have met a party of a scheme."""
    parties: Tally = field(default_factory=Tally)
    """Whether the first party of a case is of a scheme, so that the two compare."""
    false_honest: int = 0
    months_honest: int = 0
    """Cases in honest markets, and the partner-months in which they are."""
    p_honest: list[float] = field(default_factory=list)
    """The p of all that was tried in honest markets; 1 of what made no alert."""
    seconds: dict[int, list[float]] = field(default_factory=dict)
    """Processor time to find and settle all cases of a market, by partners."""

    def add(self, market: Market, cases: Sequence[Case], gains: Gains) -> None:
        """Count a market in which some people cheat."""
        truth = market.truth
        for row in truth:
            self._add_amount(row, [case for case in cases if is_about(case, row)], gains.of(row))
            key = (row["scheme"], row["level"])
            self.recall.setdefault(key, Tally()).count(found(cases, row))
        for case in cases:
            is_true = any(is_about(case, row) for row in truth)
            self.precision.setdefault(case.scheme, Tally()).count(is_true)
            self.money[is_true] += case.amount

    def _add_amount(self, row: Row, cases: Sequence[Case], true: Decimal) -> None:
        """Count the amount of a scheme that is found and that gained anybody anything."""
        if not cases or true <= 0:
            return
        said = sum((case.amount for case in cases), Decimal(0))
        is_near = abs(said - true) <= true * _NEAR
        self.amounts.setdefault(row["scheme"], Tally()).count(is_near)
        self.gained[True] += true
        self.gained[False] += said

    def recall_of(self, kind: str, levels: Iterable[int]) -> Tally:
        """Return the recall of a kind of checks at some levels."""
        total = Tally()
        for (scheme, level), tally in self.recall.items():
            if _KINDS[scheme] == kind and level in levels:
                total.good, total.of = total.good + tally.good, total.of + tally.of
        return total

    @property
    def all_cases(self) -> Tally:
        """The precision over all schemes."""
        return _together(self.precision.values())

    @property
    def all_amounts(self) -> Tally:
        """The amounts that are near the true ones, over all schemes."""
        return _together(self.amounts.values())


def _together(tallies: Iterable[Tally]) -> Tally:
    several = list(tallies)
    return Tally(sum(one.good for one in several), sum(one.of for one in several))


def interval(good: int, of: int, error: float = 0.05) -> tuple[float, float]:
    """Return the interval of a share by Clopper and Pearson (1934): exact, from the binomial."""

    def at_least(share: float) -> float:
        return sum(comb(of, n) * share**n * (1 - share) ** (of - n) for n in range(good, of + 1))

    def at_most(share: float) -> float:
        return sum(comb(of, n) * share**n * (1 - share) ** (of - n) for n in range(good + 1))

    low = _where(lambda share: at_least(share) > error / 2) if good else 0.0
    high = _where(lambda share: at_most(share) <= error / 2) if good < of else 1.0
    return low, high


def _where(is_above: Callable[[float], bool]) -> float:
    """Return from which share on something is so, by halving."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return high


def scores(runs: Iterable[tuple[int, int, int]]) -> Scores:
    """Return the scores of markets, by partners, seed and level; and of honest ones beside them."""
    total = Scores()
    for partners, seed, level in runs:
        began = process_time()
        market, store, findings = market_of(partners, seed, level, *SCHEMES)
        total.seconds.setdefault(partners, []).append(process_time() - began)
        gains = Gains(market, store.path.parent / "files/charges.csv")
        total.add(market, findings.cases, gains)
        _against_largest(total, market.truth, findings, market.turnover())
        market_of.cache_clear()
        if level == 0:
            _add_honest(total, partners, seed + 50)
        print(partners, seed, level, total.all_cases, file=sys.stderr)
    return total


def _add_honest(total: Scores, partners: int, seed: int) -> None:
    """Count the cases of a market in which nobody cheats, and the p of all that is tried there."""
    _, store, honest = market_of(partners, seed, 0)
    total.false_honest += len(honest.cases)
    total.months_honest += partners * 12
    seen = see(store, YEAR)
    for check in CHECKS:
        outcome = check.run(seen) if check.kind == STATISTICAL else Outcome()
        total.p_honest += [1.0 if alert.p is None else alert.p for alert in outcome.alerts]
        others = 0 if outcome.adjusted else outcome.tried - len(outcome.alerts)
        total.p_honest += [1.0] * others
    market_of.cache_clear()


def picture(p: Sequence[float]) -> str:
    """Return a picture of p: how many are as small as each, beside how many would be by chance."""
    size, ranked = 240, sorted(p)
    points = " ".join(
        f"{20 + size * at:.1f},{20 + size * (1 - rank / len(ranked)):.1f}"
        for rank, at in enumerate(ranked, 1)
    )
    low, high, whole = 20, 20 + size, size + 60
    style = "font-family='sans-serif' font-size='11' fill='#333'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {whole} {whole}' role='img'>\n"
        f"<title>p in honest markets ({len(ranked)} tried)</title>\n"
        f"<rect x='{low}' y='{low}' width='{size}' height='{size}' fill='none' stroke='#999'/>\n"
        f"<line x1='{low}' y1='{high}' x2='{high}' y2='{low}' stroke='#999'"
        " stroke-dasharray='4'/>\n"
        f"<polyline points='{points}' fill='none' stroke='#1a5fb4' stroke-width='1.5'/>\n"
        f"<text x='{low}' y='{high + 15}' {style}>0</text>"
        f"<text x='{high - 6}' y='{high + 15}' {style}>1</text>"
        f"<text x='{low + 80}' y='{high + 30}' {style}>p up to</text>"
        f"<text x='{low + 4}' y='{low + 14}' {style}>share of all tried</text>\n</svg>\n"
    )


def _against_largest(
    total: Scores, truth: Sequence[Row], findings: Findings, turnover: dict[str, float]
) -> None:
    """Count whom an audit of the largest payees meets, of as many as the cases name."""
    guilty = {party for row in truth for party in row.get("parties", ())}
    named = {p for case in findings.cases for p in case.parties if p.startswith("P")}
    for party in sorted(turnover, key=lambda p: -turnover[p])[: len(named)]:
        total.largest.count(party in guilty)
    for party in named:
        total.parties.count(party in guilty)


def page(total: Scores) -> str:
    """Return the figures as a page."""
    lines = [
        "# How well findings meet the truth of invented markets",
        "",
        "Written by `python -m tests.integrity.scores`. Markets of",
        f"{', '.join(map(str, SIZES))} partners for twelve months, in which every scheme is played",
        "once (coupons up to three times) at four levels of concealment, beside festivals, price",
        "rises, mergers, bookkeepers, departments with a partner of their own, specialists, closed",
        "branches, support contracts, given leads, devices traded in, and ten stories more:",
        "schools, an incubator, a family's firms, a takeover, holidays, a price that rises,",
        "accounts with new numbers, rebates by contract, bills that come twice, a recall.",
        "Intervals are exact (95 %).",
        "",
        "| scheme | kind | level 0 | level 1 | level 2 | level 3 | true cases | amounts |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for scheme, kind in _KINDS.items():
        by_level = [str(total.recall.get((scheme, level), "")) for level in LEVELS]
        true = total.precision.get(scheme, "")
        near = total.amounts.get(scheme, "")
        lines.append(f"| {scheme} | {kind} | {' | '.join(by_level)} | {true} | {near} |")
    invariant = total.recall_of(INVARIANT, LEVELS)
    moderate, hard = (total.recall_of(STATISTICAL, of) for of in ((1, 2), (3,)))
    money = total.money[True] / max(Decimal(1), sum(total.money.values()))
    per = 1000 * total.false_honest / max(1, total.months_honest)
    ratio = total.gained[False] / max(Decimal(1), total.gained[True])
    factor = total.parties.share / max(0.001, total.largest.share)
    lines += [
        "",
        f"- Broken facts found: {invariant}. Statistical schemes: {moderate} at levels 1 and 2,",
        f"  {hard} at level 3.",
        f"- Of all cases {total.all_cases} are true; by money {money:.2f}.",
        f"- Amounts: {total.all_amounts} of the schemes that are found are within a tenth of what",
        "  their parties gained by plain sums over the market's rows; all together the cases say",
        f"  {ratio:.2f} times that.",
        f"- Honest markets: {total.false_honest} cases in {total.months_honest} partner-months,",
        f"  {per:.2f} in 1,000.",
        f"- Of the partners that cases name, {total.parties} take part in a scheme; of as many of",
        f"  the largest, {total.largest}: findings are {factor:.1f} times as good as an audit of",
        "  the largest payouts.",
        f"- {_time(total.seconds)}",
        "",
        "In honest markets the p of all that is tried, so many up to each; by chance alone they",
        "lie on the broken line, and above it there would be too many small ones:",
        "",
        f"![p of {len(total.p_honest)} things tried in honest markets](findings-p.svg)",
        "",
        *_LIMITS.splitlines(),
        "",
    ]
    return "\n".join(lines)


_LIMITS = """\
## What the figures do not say

- Each scheme of a size and level is two markets here, so intervals are wide: 1.00 says that none of
  a few was missed.
- What a case says is off where it has other rows than its scheme: customers of the same rep or
  partner who did the same honestly make it more, orders that look like any other make it less.
- Well concealed schemes are small: four customers that a rep hands over, three that use nothing,
  three that change their branch. In a market of 30 partners as many come together by chance, and
  are left be; a lower threshold would raise as many cases about the honest.
- The truth of a ring (G06) is what some took and others lost by its trades, as a case says it.
- False cases of G01, G03 and G09 name a partner with customers or orders of others, for a reason
  that no table says. Several schemes at once, which markets here have and few vendors do, make
  more of these.
- Whoever made these markets knew the checks. Six markets of another hand, who knew their contract
  and the documentation alone (12 worlds each with 48 schemes, four levels, thirty look-alikes),
  were looked at as well; the last three after checks had been changed by the others. Of their 144
  schemes all were found, with 7 false of 157 cases, one of them in 6,189 partner-months of honest
  worlds; 123 amounts were within a tenth, and most of the others are its own measure of rings.
"""


def _time(seconds: dict[int, list[float]]) -> str:
    """Return how long markets take, by partners."""
    each = (f"{sum(of) / len(of):.0f} s at {size}" for size, of in seconds.items())
    return f"Processor time to make, import and look through a market: {', '.join(each)} partners."


def main() -> None:
    """Write the page."""
    runs = [(size, seed, level) for size in SIZES for seed in _SEEDS[size] for level in LEVELS]
    total = scores(runs)
    _PAGE.write_text(page(total), "utf-8")
    _PICTURE.write_text(picture(total.p_honest), "utf-8")


if __name__ == "__main__":
    main()
