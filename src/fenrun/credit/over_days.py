"""Charges that a plan divides over their days: how many days, and what the part of each is.

The days from the first to the n-th have the cost times n, divided by all days, cut towards zero to
six decimals; all days have the whole. A day has what its end adds to its beginning, so any parts
that follow one another sum to what lies between, and all of them to the charge.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from fenrun.engine.dialect import WIDEST, as_integer
from fenrun.plan.rows import Plan
from fenrun.plan.vocabulary import EACH_DAY

DECIMALS = 6
"""The decimals of a part, whatever those of the charges: no other file changes it."""
NTH = 'e."nth"'
"""SQL of which of its days a row of a charge is of, from 0."""
_DAY = timedelta(days=1)
_MICROSECONDS = 24 * 60 * 60 * 1_000_000


def divides(plans: Sequence[Plan]) -> bool:
    """Return whether plans that are settled together divide charges over days."""
    return any(name in EACH_DAY for _, name in json.loads(plans[0].terms[0].as_of))


def days_between(start: datetime, end: datetime | None) -> int:
    """Return how many days a charge is for: as many as it lasts, to the nearest, at least one."""
    return 1 if end is None else max(1, (end - start + _DAY / 2) // _DAY)


def days_between_sql(start: str, end: str) -> str:
    """Return SQL of the same."""
    lasts = f"epoch_us({end}) - epoch_us({start})"
    return f"coalesce(greatest(1, ({lasts} + {_MICROSECONDS // 2}) // {_MICROSECONDS}), 1)"


def divided_cost(cost: int, scale: int, days: int) -> list[int]:
    """Return the parts of a cost, both in units of its last decimal."""
    step = 10 ** max(0, scale - DECIMALS)
    size, sign = abs(cost), -1 if cost < 0 else 1
    ends = [size * n // (days * step) * step for n in range(days)] + [size]
    return [sign * (ends[n + 1] - ends[n]) for n in range(days)]


def part_sql(cost: str, scale: int, days: str) -> str:
    """Return SQL of the part of a cost that the row's day has; both of so many decimals.

    Products are of what is left of a division, so that they fit. It cuts towards zero.
    """
    step = 10 ** max(0, scale - DECIMALS)
    whole, over = as_integer(cost, scale), f"({days} * {step})"

    def up_to(nth: str) -> str:
        rest = f"(({whole}) % {over}) * {nth} // {over}"
        return f"(({whole}) // {over} * {nth} + {rest}) * {step}"

    end = f"CASE WHEN {NTH} + 1 = {days} THEN {whole} ELSE {up_to(f'({NTH} + 1)')} END"
    unit = f"CAST({Decimal(1).scaleb(-scale):f} AS DECIMAL({scale + 1}, {scale}))"
    return f"CAST({end} - {up_to(NTH)} AS DECIMAL({WIDEST}, 0)) * {unit}"
