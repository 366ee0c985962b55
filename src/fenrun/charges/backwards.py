"""Charges whose period, or whose billing period, ends before it begins: one of both days is wrong.

FOCUS has ends after beginnings (an end is the first moment after its period). The beginning says
who is credited, and that of the billing period which month is paid; nothing says which of two days
was meant. It is settled when somebody has said that it is so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fenrun.charges.coded import Coded, Truths, micros_of
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
    ended = charges.columns.get(end)
    starts, ends = micros_of(charges.columns.get(start)), micros_of(ended)
    if starts is None or ends is None or isinstance(ended, Coded) or ended is None:
        return None
    found: Truths = ends < starts
    if found.any():
        found &= Decimals(charges.columns["BilledCost"]).other
        found &= ~ended.is_null().to_numpy(zero_copy_only=False)
    return found


def _said(charges: Charges, name: str, row: int) -> str:
    """Return a moment as text."""
    micros = micros_of(charges.columns[name])
    assert micros is not None
    return str(np.datetime64(int(micros[row]), "us").astype("datetime64[s]")).replace("T", " ")
