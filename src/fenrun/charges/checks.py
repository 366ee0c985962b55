"""Checks of a FOCUS file: what is odd about it, with a code, a place and how many rows show it.

What can be asked of a column's values is asked of them, not of its rows. Sources: the FOCUS
specification 1.0-1.4 for what may be null and which values are allowed; the rest from files in use.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.likeness import SHORTENED
from fenrun.base.money import COST_DIGITS, plain
from fenrun.base.problem import Place, Problem
from fenrun.base.words import Message, visible
from fenrun.charges.coded import Coded, Codes, Numbers, Truths
from fenrun.charges.gaps import explained, profile_of
from fenrun.charges.ids import IDS
from fenrun.charges.rows import (
    COSTS,
    ESSENTIAL,
    LONGEST_NAME,
    ORDER,
    PERIODS,
    VALUES,
    focus_columns,
)
from fenrun.charges.source import Source
from fenrun.charges.staged import FIRST_ROW, Staged
from fenrun.charges.zones import local_rows

_USAGE_EXPECTS = (
    "BillingAccountName",
    "ContractedUnitPrice",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "RegionId",
    "SkuId",
    "SkuPriceId",
)
"""Columns that a charge for usage fills."""
_NAMES = ("AvailabilityZone", "RegionId", "RegionName", "ServiceName")
"""Columns that hold no numbers."""
_ISO = r"\A(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)\z"
_LOCAL_ISO = _ISO.replace("Z)", "Z?)")
_NUMBER = r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*"
_AFTER_DIGITS = ":"
"""No number begins with this character or a later one."""
_NO_CODES = ("RMB", "CNH", "NTD", "NIS", "STG", "UKP")
"""Names of currencies that look like codes of ISO 4217 and are none (CNY, TWD, ILS, GBP are)."""
_MANY_DECIMALS = 6
_LONGEST_EXAMPLE = 60
_LIST_TOLERANCE = 0.000001

Where = Truths | None
"""The rows that show a fault; None where no row can."""


def find(staged: Staged) -> list[Problem]:
    """Return all problems of a file, unsorted.

    A problem counts its rows; its place is the first of them.
    """
    if not staged.rows:
        return [Problem("file-no-rows", Place(staged.source.path.name)), *_of_header(staged)]
    empty_or_rounded, rounding = _by_provider(staged)
    return [
        *staged.source.said,
        *staged.odd,
        *_of_header(staged),
        *_of_words(staged),
        *_of_last_line(staged.source),
        *_of_decimals(staged),
        *empty_or_rounded,
        *_of_charges(staged),
        *_of_names(staged),
        *_of_values(staged),
        *_of_currencies(staged),
        *_of_shortened(staged),
        *_of_tags(staged),
        *_of_missing(staged),
        *_of_ranges(staged),
        *_of_unfit(staged),
        *_of_unreadable(staged),
        *_of_rounding(staged),
        *_of_moments(staged),
        *_of_zone(staged),
        *_of_effective_cost(staged, rounding),
    ]


def _shown(
    staged: Staged, code: str, column: str, where: Where, example: str = ""
) -> Iterator[Problem]:
    """Yield a problem if some row shows it, with the first one's value of the example's column."""
    if where is None or not where.any():
        return
    row = int(where.argmax())
    value = str(staged.text(example, row)) if example else "None"
    yield _problem(staged, code, column, row, int(np.count_nonzero(where)), value)


def _problem(staged: Staged, code: str, column: str, row: int, count: int, value: str) -> Problem:
    place = Place(staged.source.path.name, row + FIRST_ROW, column)
    return Problem(code, place, {"column": column, "value": _clipped(value)}, rows=count)


def _clipped(text: str) -> str:
    text = visible(text)
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 3] + "..."


def _rows_of(column: Coded, holds: npt.NDArray[np.bool_]) -> Where:
    """Return the rows whose value is one of those of which something holds."""
    if not holds.any():
        return None
    found: Truths = np.append(holds, False)[column.codes]
    return found


def _with_value(column: Coded, *values: str) -> Where:
    """Return the rows that hold one of some values."""
    return _rows_of(column, _are_in(column.values, values))


def _are_in(values: pa.Array, some: Sequence[str]) -> npt.NDArray[np.bool_]:
    return _truths(pc.is_in(values, pa.array(some, pa.string())))


def _truths(array: Any) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = array.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def _matching(column: Coded, pattern: str) -> Where:
    """Return the rows whose value matches a pattern somewhere."""
    return _rows_of(column, _truths(pc.match_substring_regex(column.values, pattern)))


def _both(*parts: Where) -> Where:
    """Return the rows that are in all parts."""
    there = [part for part in parts if part is not None]
    return np.logical_and.reduce(there) if len(there) == len(parts) else None


def _of_charges(staged: Staged) -> Iterator[Problem]:
    """Yield what is odd about a charge by several of its columns."""
    texts, moments = staged.texts, staged.moments
    billed = staged.numbers["BilledCost"]
    category = texts.get("ChargeCategory")
    if category:
        credit = _with_value(category, "Credit")
        yield from _shown(staged, "credit-charge", "ChargeCategory", credit, "BilledCost")
        tax = _with_value(category, "Tax")
        yield from _shown(staged, "tax-charge", "ChargeCategory", tax, "BilledCost")
    if category and "ChargeClass" in texts:
        usage, unmarked = _with_value(category, "Usage"), staged.missing("ChargeClass")
        odd = _both(usage, unmarked, billed.negative)
        yield from _shown(staged, "negative-usage", "ChargeClass", odd, "BilledCost")
    if {"BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart"} <= moments.keys():
        outside, start = _outside(staged), "ChargePeriodStart"
        yield from _shown(staged, "charge-outside-billing-period", start, outside, start)
    if {"RegionName", "RegionId"} <= texts.keys():
        external = _both(_with_value(texts["RegionName"], "External"), texts["RegionId"].codes >= 0)
        yield from _shown(staged, "region-name-external", "RegionName", external, "RegionId")
    if {"ListCost", "ListUnitPrice", "PricingQuantity"} <= staged.source.columns:
        with np.errstate(invalid="ignore", over="ignore"):
            product = _doubles(staged, "ListUnitPrice") * _doubles(staged, "PricingQuantity")
            differs = np.abs(product - staged.numbers["ListCost"].doubles) > _LIST_TOLERANCE
        yield from _shown(staged, "list-cost-differs", "ListCost", differs, "ListCost")


def _outside(staged: Staged) -> Truths:
    """Return the rows whose charge period does not begin within the billing period."""
    start, first, end = (
        staged.moments[name]
        for name in ("ChargePeriodStart", "BillingPeriodStart", "BillingPeriodEnd")
    )
    early, late = start.micros < first.micros, start.micros >= end.micros
    for column, other, found in ((start, first, early), (start, end, late)):
        for missing in (column.missing, other.missing):
            if missing is not None:
                found &= ~missing
    return early | late


def _doubles(staged: Staged, name: str) -> npt.NDArray[np.float64]:
    """Return a column of numbers as doubles; of one kept as text, those values that are numbers."""
    if name in staged.numbers:
        return staged.numbers[name].doubles
    column = staged.texts[name]
    is_number = pc.match_substring_regex(column.values, rf"\A(?:{_NUMBER})\z")
    trimmed = pc.if_else(is_number, pc.utf8_trim_whitespace(column.values), None)
    found = trimmed.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return np.append(found, np.nan)[column.codes]


def _of_names(staged: Staged) -> Iterator[Problem]:
    """Yield the columns of names that hold numbers."""
    for name in _NAMES:
        if name in staged.texts:
            column = staged.texts[name]
            numbers = np.array([_is_number(v) for v in column.values.to_pylist()], np.bool_)
            odd = _rows_of(column, numbers)
            yield from _shown(staged, "column-shift", name, odd, name)


def _is_number(text: str) -> bool:
    if text >= _AFTER_DIGITS or not re.fullmatch(_NUMBER, text, re.ASCII):
        return False
    return Decimal(text.strip()).adjusted() < COST_DIGITS


def _of_values(staged: Staged) -> Iterator[Problem]:
    """Yield the values that FOCUS does not allow, or spells with other capitals."""
    for name, allowed in VALUES.items():
        if name in staged.texts:
            column, lowered = staged.texts[name], [value.lower() for value in allowed]
            is_other = ~_are_in(column.values, allowed)
            is_known = _are_in(pc.utf8_lower(column.values), lowered)
            case, unknown = (_rows_of(column, is_other & k) for k in (is_known, ~is_known))
            yield from _shown(staged, "value-case", name, case, name)
            yield from _shown(staged, "value-unknown", name, unknown, name)


def _of_currencies(staged: Staged) -> Iterator[Problem]:
    """Yield the currencies that ISO 4217 does not have: nobody converts them."""
    column = staged.texts["BillingCurrency"]
    is_code = pc.match_substring_regex(column.values, r"\A[A-Z]{3}\z")
    is_known = _truths(is_code) & ~_are_in(column.values, _NO_CODES)
    odd = _rows_of(column, ~is_known)
    yield from _shown(staged, "currency-unknown", "BillingCurrency", odd, "BillingCurrency")


def _of_shortened(staged: Staged) -> Iterator[Problem]:
    """Yield the ids of which a spreadsheet has left the first digits alone: `1.23457E+11`."""
    for name in (name for name in IDS if name in staged.texts):
        odd = _matching(staged.texts[name], SHORTENED)
        yield from _shown(staged, "id-shortened", name, odd, name)


def _of_tags(staged: Staged) -> Iterator[Problem]:
    """Yield tags whose key or value looks like another."""
    if "Tags" in staged.texts:
        tags = staged.texts["Tags"]
        spaced = _matching(tags, r'[{,]\s*"(\s[^"]*|[^"]*\s)"\s*:')
        yield from _shown(staged, "tag-key-space", "Tags", spaced, "Tags")
        null = _matching(tags, r':\s*"[^"]*\bNULL\b[^"]*"')
        yield from _shown(staged, "tag-value-null", "Tags", null, "Tags")


def _of_missing(staged: Staged) -> Iterator[Problem]:
    """Yield the columns without a value where FOCUS wants one."""
    for name, focus in focus_columns().items():
        if focus.never_null and name in staged.source.columns:
            code = "row-quarantined" if name in ESSENTIAL else "null-forbidden"
            missing = staged.missing(name)
            unreadable = staged.unreadable(name) if name in staged.moments else None
            if missing is not None and unreadable is not None:
                missing = missing & ~unreadable
            for problem in _shown(staged, code, name, missing):
                yield explained(problem, staged, missing, *_providers(staged))


def _of_ranges(staged: Staged) -> Iterator[Problem]:
    """Yield the dates and times that nothing can hold: their rows are in quarantine."""
    for name in sorted(staged.moments):
        yield from _shown(staged, "date-out-of-range", name, staged.out_of_range(name), name)


def _of_unfit(staged: Staged) -> Iterator[Problem]:
    """Yield the texts that name nothing: their rows are in quarantine."""
    for name in sorted(staged.texts):
        for problem in _shown(staged, "text-unfit", name, staged.unfit(name)):
            yield replace(problem, values={"column": name, "most": LONGEST_NAME})


def _of_unreadable(staged: Staged) -> Iterator[Problem]:
    """Yield the texts that are no dates: their rows are in quarantine."""
    for name, column in sorted(staged.moments.items()):
        where = staged.unreadable(name)
        if where is not None and column.text is not None:
            row = int(where.argmax())
            said = column.text.values[column.text.codes[row]].as_py()
            count = int(np.count_nonzero(where))
            yield _problem(staged, "date-unreadable", name, row, count, said)


def _of_rounding(staged: Staged) -> Iterator[Problem]:
    """Yield the costs with more decimals than are held, and what rounding them put on."""
    for one in staged.rounded:
        place = Place(staged.source.path.name, one.first + FIRST_ROW, one.column)
        values = {
            "column": one.column,
            "most": staged.numbers[one.column].scale,
            "difference": plain(one.difference),
            "currency": one.currency,
        }
        yield Problem("cost-decimals-rounded", place, values, rows=one.rows)


def _of_moments(staged: Staged) -> Iterator[Problem]:
    """Yield dates and times that the file holds as text, in another form than FOCUS wants."""
    for name, column in sorted(staged.moments.items()):
        if column.text is None:
            continue
        form = _LOCAL_ISO if staged.source.zone else _ISO
        is_other = ~_truths(pc.match_substring_regex(column.text.values, form))
        where = _rows_of(column.text, is_other)
        if where is not None and column.missing is not None:
            where = where & ~column.missing
        if where is not None and where.any():
            local = None if staged.source.zone else _both(where, local_rows(staged, name))
            shown = where if local is None or not local.any() else local
            row = int(shown.argmax())
            said = column.text.values[column.text.codes[row]].as_py()
            found = _problem(staged, "timestamp-form", name, row, int(where.sum()), said)
            values = {**found.values, "read": column.said(row)}
            values |= {"also_fix": Message("form-local")} if shown is local else {}
            yield replace(found, values=values)


def _of_zone(staged: Staged) -> Iterator[Problem]:
    """Yield the first times without a zone of a provider that is known to mean another than UTC."""
    provider, names = _providers(staged)
    zones = [profile.zone if (profile := profile_of(name)) else None for name in names]
    if staged.source.zone or not any(zones):
        return
    for name in (name for name in PERIODS if name in staged.moments):
        local = local_rows(staged, name)
        for n, zone in enumerate(zones):
            where = _both(local, provider == n) if zone else None
            if zone is None or where is None or not where.any():
                continue
            row, count = int(where.argmax()), int(np.count_nonzero(where))
            found = _problem(staged, "zone-unsaid", name, row, count, str(staged.text(name, row)))
            file = shlex.quote(visible(staged.source.called or staged.source.origin.name))
            values = {"provider": names[n], "zone": zone.name, "source": zone.source}
            values |= {"dated": str(zone.dated), "file": file}
            yield replace(found, values={**found.values, **values})
            return


def _of_effective_cost(staged: Staged, rounding: Sequence[str]) -> Iterator[Problem]:
    """Yield effective costs of nothing, but for providers that round all costs."""
    if not {"EffectiveCost", "ChargeCategory"} <= staged.source.columns:
        return
    category = staged.texts["ChargeCategory"]
    zero = staged.numbers["EffectiveCost"].zero & staged.numbers["BilledCost"].positive
    if zero.any():
        zero &= _truths(pc.not_equal(category.array, "Purchase").fill_null(False))
        provider, names = _providers(staged)
        zero &= ~np.isin(provider, [n for n, name in enumerate(names) if name in rounding])
    yield from _shown(staged, "effective-zero", "EffectiveCost", zero, "BilledCost")


def _of_header(staged: Staged) -> Iterator[Problem]:
    """Yield what the header shows: unknown columns, other spellings, missing ones, floats."""
    source, known = staged.source, focus_columns()
    found: dict[str, list[str]] = {"column-unknown": [], "column-spelling": []}
    for spelt, column in source.names.items():
        if column not in known and not column.startswith("x_"):
            found["column-unknown"].append(column)
        elif spelt != column and column not in source.agreed:
            found["column-spelling"].append(f"{spelt} ({column})")
        if column in source.floats & {*COSTS}:
            yield Problem("cost-is-float", Place(source.path.name, 1, column), {"column": column})
    found["column-missing"] = [
        focus.name
        for focus in known.values()
        if focus.mandatory and focus.since == "1.0" and focus.until == "1.4"
        if focus.name not in source.columns
    ]
    for code, columns in found.items():
        if columns:
            said = "value" if code == "column-spelling" else "column"
            yield Problem(code, Place(source.path.name, 1), {said: ", ".join(columns)})
    absent = [column for column in ("InvoiceId", ORDER) if column not in source.columns]
    if absent:
        yield Problem("coverage", Place(source.path.name, 1), {"columns": ", ".join(absent)})


def _of_words(staged: Staged) -> Iterator[Problem]:
    """Yield the cells of a CSV file that hold the bare word NULL, as one problem."""
    words = staged.words
    if words.rows:
        values = {"columns": ", ".join(words.cells), "cells": sum(words.cells.values())}
        place = Place(staged.source.path.name, words.first + FIRST_ROW)
        yield Problem("null-word", place, values, rows=words.rows)


def _of_last_line(source: Source) -> Iterator[Problem]:
    """Yield whether the last line of a plain CSV file has no end."""
    if source.format != "csv" or source.compression != "none":
        return
    with source.path.open("rb") as file:
        file.seek(-1, 2)
        if file.read(1) not in (b"\n", b"\r"):
            yield Problem("no-final-newline", Place(source.path.name))


def _of_decimals(staged: Staged) -> Iterator[Problem]:
    """Yield the columns that carry many decimals, as one problem."""
    fine = {n: c.scale for n, c in staged.numbers.items() if c.scale > _MANY_DECIMALS}
    if fine:
        values = {"columns": ", ".join(sorted(fine)), "most": max(fine.values())}
        yield Problem("many-decimals", Place(staged.source.path.name, 1), values)


@dataclass(frozen=True)
class _Counts:
    """The rows of each provider, to be counted. Grain: a provider."""

    provider: Codes
    many: int

    def of(self, where: Where) -> Numbers:
        """Count the rows of each provider, among some rows (None: all)."""
        if self.many == 1:
            count = len(self.provider) if where is None else np.count_nonzero(where)
            return np.array([count])
        chosen = self.provider if where is None else self.provider[where]
        return np.bincount(chosen, minlength=self.many)

    def first(self, where: Where) -> Numbers:
        """Return the first row of each provider, among some rows; -1 where it has none."""
        rows = np.arange(len(self.provider)) if where is None else np.flatnonzero(where)
        rows = rows[:1] if self.many == 1 else rows
        found = np.full(self.many, -1, np.int64)
        found[self.provider[rows[::-1]]] = rows[::-1]
        return found


def _by_provider(staged: Staged) -> tuple[list[Problem], list[str]]:
    """Return faults that show only over all rows of a provider, and who rounds its costs.

    The faults: costs rounded to whole numbers, and columns left empty that others fill.
    """
    provider, names = _providers(staged)
    counts = _Counts(provider, len(names))
    rounded = list(_rounded(staged, counts, names))
    rounding = {p.values["provider"] for p in rounded if p.place.column == "EffectiveCost"}
    return [*rounded, *_left_empty(staged, counts, names)], sorted(rounding)


def _providers(staged: Staged) -> tuple[Codes, list[str]]:
    """Return the number of each row's provider, and the providers' names.

    A row that names none is of the one without a name.
    """
    known = ("ProviderName", "ServiceProviderName", "InvoiceIssuerName")
    column = staged.texts[next(name for name in known if name in staged.texts)]
    names = [visible(name) for name in column.values.to_pylist()]
    if not (column.codes < 0).any():
        return column.codes, names
    return np.where(column.codes < 0, len(names), column.codes), [*names, ""]


def _rounded(staged: Staged, counts: _Counts, names: Sequence[str]) -> Iterator[Problem]:
    """Yield the costs that a provider rounds to whole numbers, though it bills others."""
    source = staged.source
    rows, firsts = counts.of(None), counts.first(None)
    if not staged.numbers["BilledCost"].broken.any():
        return
    bills_others = counts.of(staged.numbers["BilledCost"].broken) > 0
    for column in (c for c in COSTS if c in source.columns and c != "BilledCost"):
        cost = staged.numbers[column]
        is_whole = (counts.of(cost.broken) == 0) & (counts.of(cost.other) > 0)
        for n in np.flatnonzero(is_whole & bills_others).tolist():
            place = Place(source.path.name, int(firsts[n]) + FIRST_ROW, column)
            values = {"column": column, "provider": names[n]}
            yield Problem("cost-rounded", place, values, rows=int(rows[n]))


def _left_empty(staged: Staged, counts: _Counts, names: Sequence[str]) -> Iterator[Problem]:
    """Yield the columns that a provider's usage leaves empty and others fill."""
    source = staged.source
    if "ChargeCategory" not in source.columns:
        return
    is_usage = _with_value(staged.texts["ChargeCategory"], "Usage", "Adjustment")
    if is_usage is None:
        return
    used, firsts = counts.of(is_usage), counts.first(is_usage)
    for column in _USAGE_EXPECTS:
        if column not in source.columns or staged.filled(column) in (0, staged.rows):
            continue
        filled = counts.of(is_usage & ~_missing(staged, column))
        for n in np.flatnonzero((used > 0) & (filled == 0)).tolist():
            place = Place(source.path.name, int(firsts[n]) + FIRST_ROW, column)
            values = {"column": column, "provider": names[n]}
            problem = Problem("column-empty", place, values, rows=int(used[n]))
            yield explained(problem, staged, counts.provider == n, counts.provider, names)


def _missing(staged: Staged, column: str) -> Truths:
    found = staged.missing(column)
    return np.zeros(staged.rows, np.bool_) if found is None else found
