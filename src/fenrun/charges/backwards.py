"""Charges whose period, or whose billing period, ends before it begins: one of both days is wrong.

FOCUS has ends after beginnings (an end is the first moment after its period). The beginning says
who is credited, and that of the billing period which month is paid; nothing says which of two days
was meant. It is settled when somebody has said that it is so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fenrun.charges.coded import Truths, micros_of
from fenrun.charges.decimals import Decimals
from fenrun.charges.overlaps import billed_in
from fenrun.charges.staged import Charges

_PERIODS = (
    ("ChargePeriodStart", "ChargePeriodEnd"),
    ("BillingPeriodStart", "BillingPeriodEnd"),
)


def ends_before_begin(charges: Charges) -> dict[str, Any]:
    """Return how many charges have a period that runs backwards, what they bill, and the first.

    Nothing where there are none.
    """
    for start, end in _PERIODS:
        where = _backwards(charges, start, end)
        if where is not None and where.any():
            rows = np.flatnonzero(where)
            first = int(rows[0])
            return {
                "rows": len(rows),
                "billed": billed_in(charges, rows),
                "row": int(charges.row_no[first]),
                "column": end,
                "starts": _said(charges, start, first),
                "ends": _said(charges, end, first),
            }
    return {}


def _backwards(charges: Charges, start: str, end: str) -> Truths | None:
    """Return the rows that bill something for a period that ends before it begins."""
    starts, ends = (micros_of(charges.columns.get(name)) for name in (start, end))
    if starts is None or ends is None:
        return None
    found: Truths = ends < starts
    if found.any():
        found &= Decimals(charges.columns["BilledCost"]).other
        found &= ~charges.columns[end].is_null().to_numpy(zero_copy_only=False)  # type: ignore[union-attr] # moments
    return found


def _said(charges: Charges, name: str, row: int) -> str:
    return str(charges.columns[name][row].as_py())  # type: ignore[index] # moments
