"""Charges that lie months away from the month that bills them: a date is probably misread.

A correction, a credit or a refund of long ago is nothing odd; usage of January that September bills
is. It is settled when somebody has said that it is meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fenrun.base.money import plain
from fenrun.charges.coded import A_DAY, Coded, Numbers, Truths, micros_of
from fenrun.charges.decimals import Decimals, exact
from fenrun.charges.staged import Charges

_BEFORE, _AFTER = 93 * A_DAY, 62 * A_DAY
"""How long before and after its billing period begins a charge does at most, in microseconds."""
_OF_LONG_AGO = {"ChargeClass": ("Correction",), "ChargeCategory": ("Adjustment", "Credit")}
"""What says that a charge is about what was billed before, by column."""


def far_from_billing(charges: Charges) -> dict[str, Any]:
    """Return how many charges are months away from their billing period, what they bill, which.

    Nothing where there are none.
    """
    starts = micros_of(charges.columns.get("ChargePeriodStart"))
    billed_from = micros_of(charges.columns.get("BillingPeriodStart"))
    if starts is None or billed_from is None or not len(starts):
        return {}
    after: Numbers = starts - billed_from
    if after.min() >= -_BEFORE and after.max() <= _AFTER:
        return {}
    billed = Decimals(charges.columns["BilledCost"])
    is_refund = billed.negative | _says(charges, len(starts))
    far: Truths = billed.other & ((after > _AFTER) | ((after < -_BEFORE) & ~is_refund))
    if not far.any():
        return {}
    first = int(far.argmax())
    currency = charges.columns["BillingCurrency"]
    assert isinstance(currency, Coded)
    sums = {}
    for place, name in enumerate(currency.values.to_pylist()):
        rows = far & (currency.codes == place)
        if rows.any():
            sums[name] = plain(exact(billed.total(rows), billed.scale))
    return {
        "rows": int(np.count_nonzero(far)),
        "billed": {name: sums[name] for name in sorted(sums)},
        "row": int(charges.row_no[first]),
        "starts": str(np.datetime64(int(starts[first]), "us"))[:10],
        "month": str(np.datetime64(int(billed_from[first]) + A_DAY, "us"))[:7],
    }


def _says(charges: Charges, rows: int) -> Truths:
    """Return the rows that say that they are about what was billed before."""
    found: Truths = np.zeros(rows, np.bool_)
    for name, values in _OF_LONG_AGO.items():
        column = charges.columns.get(name)
        if isinstance(column, Coded):
            is_one = np.array([text in values for text in column.values.to_pylist()], np.bool_)
            found |= np.append(is_one, False)[column.codes]
    return found
