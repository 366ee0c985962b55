"""Funds: what is paid in a form that is kept for the payee, and what the payee claims of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fenrun.engine.runner import Row

FUNDS = (
    *("plan", "payee", "month", "form", "brought", "accrued", "over", "claimed", "granted"),
    *("lapsed", "balance"),
)
"""The columns of `funds`."""


@dataclass(frozen=True)
class FundRules:
    """The rules of a fund, in the smallest part of money."""

    cap: int | None
    """The most that it holds."""
    lapses: int
    """So many months after it accrued, what is not claimed is lost; 0: never."""


def walk_fund(rules: FundRules, months: Sequence[tuple[int, int, int]]) -> Iterator[Row]:
    """Yield what becomes of a fund each month: the columns of `funds` from `month` on, but `form`.

    `months` follow each other, each with what accrues and what is claimed. The oldest money goes
    first. What is taken back goes below zero, where the fund does not hold it any more.
    """
    total = gone = 0
    totals: list[int] = []
    for month, accrued, claimed in months:
        brought, over = total - gone, 0
        if accrued > 0 and rules.cap is not None:
            over = max(0, min(accrued, brought + accrued - rules.cap))
        total += max(accrued, 0) - over
        gone -= min(accrued, 0)
        granted = min(claimed, max(0, total - gone))
        gone += granted
        totals.append(total)
        old = totals[-1 - rules.lapses] if 0 < rules.lapses < len(totals) else 0
        lapsed = max(0, old - gone)
        gone += lapsed
        yield month, brought, accrued, over, claimed, granted, lapsed, total - gone
