"""Rows that are totals of others: no charges, and never credited.

A row is taken for a total that says so, or that has a cost and nothing else by which it could be
credited. At the end of a file, with the sum of the other rows, it is one; else it is doubtful.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem
from fenrun.charges.coded import Coded, Truths
from fenrun.charges.decimals import exact
from fenrun.charges.rows import COSTS, ESSENTIAL
from fenrun.charges.staged import FIRST_ROW, Staged

_SAYS = re.compile(
    r"\s*((grand |sub[- ]?)?totals?|total général|totale?|totaal|suma?|somme|summe"
    r"|(gesamt|zwischen|end)summe|gesamt|итого|всего|[合总總小共総][计計]|합계|총계)\s*[:：]?\s*",
    re.IGNORECASE,
)
_BESIDE = frozenset(ESSENTIAL) - {"BilledCost", "BillingCurrency"}
"""The columns of which a total has none."""
_NAMES = ("BillingAccountId", "InvoiceIssuerName")
_PARTS_OF_ONE = 200
"""A total differs from the sum by less than half a hundredth: totals are often rounded."""


def without_totals(staged: Staged) -> Staged:
    """Return a file without the totals at its end, with those that are doubtful marked."""
    candidates = _candidates(staged)
    if candidates is None or candidates.all():
        return staged
    ordinary = ~candidates
    end = int(np.flatnonzero(ordinary)[-1]) + 1
    rows = np.flatnonzero(candidates).tolist()
    doubtful = [row for row in rows if row < end or not _is_sum(staged, row, ordinary)]
    end = max([end, *(row + 1 for row in doubtful)])
    problems = [_problem(staged, row, ordinary, row in doubtful) for row in rows]
    marked = np.isin(np.arange(end), doubtful)
    found = staged.head(end) if end < staged.rows else staged
    found = replace(found, odd=[*found.odd, *problems])
    return replace(found, doubtful=marked) if doubtful else found


def _candidates(staged: Staged) -> Truths | None:
    """Return the rows that look like totals; None where none does."""
    gaps = [staged.missing(name) for name in _BESIDE if name not in staged.source.given]
    found = [np.logical_and.reduce([gap for gap in gaps if gap is not None])]
    found = [] if any(gap is None for gap in gaps) else found
    some = [gap for gap in gaps if gap is not None]
    for name, column in staged.texts.items():
        if name not in _NAMES and not some:
            continue
        says = _saying(column)
        if says is not None:
            found.append(says if name in _NAMES else says & np.logical_or.reduce(some))
    if not found:
        return None
    rows: Truths = np.logical_or.reduce(found)
    billed = staged.numbers[COSTS[0]].missing
    rows = rows if billed is None else rows & ~billed
    return rows if rows.any() else None


def _saying(column: Coded) -> Truths | None:
    """Return the rows whose text says that they are totals; None where none does."""
    texts = enumerate(column.values.to_pylist())
    codes = [code for code, text in texts if len(text) < 20 and _SAYS.fullmatch(text)]
    return np.isin(column.codes, codes) if codes else None


def _sum(staged: Staged, row: int, ordinary: Truths) -> int:
    """Return the sum of the ordinary rows, or of those in the currency that a row says."""
    currency = staged.texts["BillingCurrency"].codes
    same = ordinary if currency[row] < 0 else ordinary & (currency == currency[row])
    return staged.numbers[COSTS[0]].total(same)


def _is_sum(staged: Staged, row: int, ordinary: Truths) -> bool:
    billed = staged.numbers[COSTS[0]]
    difference = abs(billed.units(row) - _sum(staged, row, ordinary))
    return bool(difference * _PARTS_OF_ONE <= 10**billed.scale)


def _problem(staged: Staged, row: int, ordinary: Truths, is_doubtful: bool) -> Problem:
    billed = staged.numbers[COSTS[0]]
    amounts = (billed.units(row), _sum(staged, row, ordinary))
    value, total = (plain(exact(units, billed.scale)) for units in amounts)
    place = Place(staged.source.path.name, row + FIRST_ROW, COSTS[0])
    code = "total-differs" if is_doubtful else "total-row"
    return Problem(code, place, {"value": value, "sum": total})
