"""Charges that one file holds in two forms: by the day, and again their sum over more days; or by
the hour, and again by the day.

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
from fenrun.charges.coded import A_DAY, Coded, Codes, Numbers, Truths, joined, micros_of
from fenrun.charges.decimals import Decimals, exact
from fenrun.charges.pieces import NAMING
from fenrun.charges.staged import Charges

_KEYS = ("InvoiceIssuerName", "BillingAccountId", "BillingCurrency")
_PERIOD = ("ChargePeriodStart", "ChargePeriodEnd")
_LEVELS = ("", "SubAccountId", "ServiceName", "ResourceId")
"""The parts of an account that are looked at; the first that agrees is told."""
_LONG = 25 * 3600 * 1_000_000
"""Microseconds of the longest day there is."""
_SHORT = 12 * 3600 * 1_000_000
"""Microseconds of the longest charge that is one of hours, not of a day."""
_ENOUGH = 10
"""One in so many groups that have both forms must agree: of many, some do by chance."""
_FEWEST = 2
"""Charges that a sum is of."""


def summed_within(charges: Charges) -> dict[str, Any]:
    """Return what of a file is billed in two forms: rows and sums; nothing where nothing is."""
    starts, ends = (micros_of(charges.columns.get(name)) for name in _PERIOD)
    if starts is None or ends is None:
        return {}
    billed = Decimals(charges.columns["BilledCost"])
    length: Numbers = ends - starts
    if not len(length) or length.max() <= _SHORT:
        return {}
    of_days = (billed.other & (length > _LONG), billed.other & (length > 0) & (length <= _LONG))
    of_hours = (of_days[1] & (length > _SHORT), of_days[1] & (length <= _SHORT))
    found = dict[str, list[tuple[Numbers, Numbers]]]()
    for forms, is_by_day in ((of_days, False), (of_hours, True)):
        if not all(form.any() for form in forms):
            continue
        span = _days(charges, starts, forms[0]) if is_by_day else _months(charges)
        for level in _LEVELS:
            agreeing = dict[str, list[tuple[Numbers, Numbers]]]()
            for pair in _agreeing(charges, billed, (starts, ends), forms, (level, span)):
                agreeing.setdefault(_text(charges, _KEYS[1], pair[0][0]), []).append(pair)
            found = agreeing | found  # of an account that agrees as a whole no part is told again
    return _facts(charges, billed, found) if found else {}


def _months(charges: Charges) -> Numbers:
    """Return the month that bills each charge; a zone may put its begin into the one before."""
    billed_from = micros_of(charges.columns["BillingPeriodStart"])
    assert billed_from is not None
    days = (billed_from + A_DAY).astype("datetime64[us]")
    return days.astype("datetime64[M]").astype(np.int64)


def _days(charges: Charges, starts: Numbers, is_day: Truths) -> Numbers:
    """Return the day in which each charge begins, as one by the day of its account does."""
    columns = [charges.columns[name] for name in _KEYS]
    codes, firsts = joined([one for one in columns if isinstance(one, Coded)])
    begins = np.zeros(len(firsts), np.int64)
    begins[codes[is_day]] = starts[is_day] % A_DAY
    found: Numbers = (starts - begins[codes]) // A_DAY
    return found


def _agreeing(
    charges: Charges,
    billed: Decimals,
    times: tuple[Numbers, Numbers],
    forms: tuple[Truths, Truths],
    within: tuple[str, Numbers],
) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield, for each group that agrees, the rows that are long, and those that are short.

    A group is a part of an account in a span of time: both are named by `within`.
    """
    level, span = within
    part = charges.columns.get(level)
    if level and not isinstance(part, Coded):
        return
    spans, places = np.unique(span, return_inverse=True)
    columns = [*(charges.columns[name] for name in _KEYS), part]
    time = Coded(places.astype(np.int32), pa.array(spans))
    codes, firsts = joined([*(one for one in columns if isinstance(one, Coded)), time])
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
