"""Charges that one file holds in two forms: by the day, and again their sum over more days.

Nothing shows it but the sums, as between two files (pieces.py): what an account, a service or a
resource of it is billed for longer than a day is all that it is billed by the day in that time.
What both name differently is not the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from fenrun.base.money import plain
from fenrun.charges.coded import Coded, Codes, Numbers, Truths, joined
from fenrun.charges.decimals import Decimals, exact
from fenrun.charges.pieces import NAMING
from fenrun.charges.staged import Charges

_KEYS = ("InvoiceIssuerName", "BillingAccountId", "BillingCurrency")
_LEVELS = ("", "SubAccountId", "ServiceName", "ResourceId")
"""The parts of an account that are looked at; the first that agrees is told."""
_A_DAY = 24 * 3600 * 1_000_000
_LONG = 25 * 3600 * 1_000_000
"""Microseconds of the longest day there is."""
_ENOUGH = 10
"""One in so many groups that have both forms must agree: of many, some do by chance."""
_FEWEST = 2
"""Charges that a sum is of."""


def summed_within(charges: Charges) -> dict[str, Any]:
    """Return what of a file is billed in two forms: rows and sums; nothing where nothing is."""
    starts, ends = _micros(charges, "ChargePeriodStart"), _micros(charges, "ChargePeriodEnd")
    if starts is None or ends is None:
        return {}
    billed = Decimals(charges.columns["BilledCost"])
    is_long: Truths = (ends - starts > _LONG) & billed.other
    if not is_long.any():
        return {}
    is_short = ~is_long & (ends > starts) & billed.other
    if not is_short.any():
        return {}
    found = dict[str, list[tuple[Numbers, Numbers]]]()
    for level in _LEVELS:
        agreeing = dict[str, list[tuple[Numbers, Numbers]]]()
        for pair in _agreeing(charges, billed, (starts, ends), (is_long, is_short), level):
            agreeing.setdefault(_text(charges, _KEYS[1], pair[0][0]), []).append(pair)
        found = agreeing | found  # of an account that agrees as a whole no part is told again
    return _facts(charges, billed, found) if found else {}


def _micros(charges: Charges, name: str) -> Numbers | None:
    column = charges.columns.get(name)
    if column is None or isinstance(column, Coded):
        return None
    found: Numbers = column.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0).to_numpy()
    return found


def _agreeing(
    charges: Charges,
    billed: Decimals,
    times: tuple[Numbers, Numbers],
    forms: tuple[Truths, Truths],
    level: str,
) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield, for each group that agrees, the rows that are long, and those that are short."""
    billed_from, part = _micros(charges, "BillingPeriodStart"), charges.columns.get(level)
    if billed_from is None or (level and not isinstance(part, Coded)):
        return
    days = (billed_from + _A_DAY).astype("datetime64[us]")  # a zone may put it before the month
    months, places = np.unique(days.astype("datetime64[M]").astype(np.int64), return_inverse=True)
    columns = [*(charges.columns[name] for name in _KEYS), part]
    month = Coded(places.astype(np.int32), pa.array(months))
    codes, firsts = joined([*(one for one in columns if isinstance(one, Coded)), month])
    doubles, count = billed.doubles, len(firsts)
    sums = [np.bincount(codes[form], doubles[form], count) for form in forms]
    near = np.abs(sums[0] - sums[1]) <= 1e-9 * np.abs(sums[0])
    both = np.logical_and(*(np.bincount(codes[form], minlength=count) > 0 for form in forms))
    agreeing = np.flatnonzero(near & both)
    if len(agreeing) * _ENOUGH < np.count_nonzero(both):
        return
    of_form = [_by_code(codes, form) for form in forms]
    for group in agreeing:
        long, short = (
            rows[slice(*np.searchsorted(sorted_, (group, group + 1)))] for rows, sorted_ in of_form
        )
        is_inside = times[0][short].min() >= times[0][long].min()
        is_inside &= times[1][short].max() <= times[1][long].max()
        differs = (_names_others(charges.columns.get(name), long, short) for name in NAMING)
        is_other = not is_inside or len(short) < _FEWEST or any(differs)
        if not is_other and _is_sum(billed, long, short):
            yield long, short


def _by_code(codes: Codes, where: Truths) -> tuple[Numbers, Codes]:
    """Return the rows of a form in the order of their codes, and these."""
    rows = np.flatnonzero(where)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    return rows, codes[rows]


def _total(billed: Decimals, rows: Numbers) -> Decimal:
    part = Decimals(billed.array.take(pa.array(rows)))
    return exact(part.total(None), part.scale)


def _is_sum(billed: Decimals, long: Numbers, short: Numbers) -> bool:
    total = _total(billed, long)
    return bool(total) and total == _total(billed, short)


def _names_others(column: Coded | pa.Array | None, long: Numbers, short: Numbers) -> bool:
    """Return whether both forms name something in all rows, and nothing that the other names."""
    if not isinstance(column, Coded):
        return False
    one, other = np.unique(column.codes[long]), np.unique(column.codes[short])
    named = one[0] >= 0 and other[0] >= 0
    return bool(named) and not np.intersect1d(one, other).size


def _facts(
    charges: Charges, billed: Decimals, found: dict[str, list[tuple[Numbers, Numbers]]]
) -> dict[str, Any]:
    sums: dict[str, Decimal] = {}
    pairs = [pair for pairs in found.values() for pair in pairs]
    for long, _ in pairs:
        currency = _text(charges, _KEYS[2], long[0])
        sums[currency] = sums.get(currency, Decimal(0)) + _total(billed, long)
    return {
        "rows": sum(len(long) for long, _ in pairs),
        "other_rows": sum(len(short) for _, short in pairs),
        "account": min(found),
        "accounts": len(found),
        "billed": {currency: plain(sums[currency]) for currency in sorted(sums)},
    }


def _text(charges: Charges, name: str, row: int) -> str:
    column = charges.columns[name]
    assert isinstance(column, Coded)
    return str(column.values[int(column.codes[row])].as_py())
