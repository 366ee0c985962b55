"""A charge file in memory, typed: what the checks ask and the store writes.

Two ways lead here: `from_arrow`, which is fast and takes plain files, and `from_duckdb`, which
takes every file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.cores import on_all_cores
from fenrun.base.money import plain
from fenrun.base.problem import Problem
from fenrun.charges.coded import Coded, Numbers, Truths
from fenrun.charges.decimals import Decimals, exact
from fenrun.charges.rows import COSTS, ESSENTIAL, LONGEST_NAME, NAMING, limits_of, version_of
from fenrun.charges.source import Source


@dataclass(frozen=True)
class Charges:
    """Charges as the store holds them: each column under its name, texts by their values."""

    row_no: Numbers
    columns: Mapping[str, Coded | pa.Array]


NULL_WORDS = ("NULL", "null", "Null", r"\N")
"""What databases write into a text where there is no value."""
FIRST_ROW = 2
"""The number of the first row, as a spreadsheet counts: the header is row 1."""


@dataclass(frozen=True)
class Moments:
    """A column of dates and times in UTC. Grain: a row."""

    array: pa.Array
    """Microseconds of 1970, without a zone."""
    text: Coded | None = None
    """What the file says, where it says it as text."""

    @cached_property
    def missing(self) -> Truths | None:
        """The rows without a value; None where there are none."""
        return missing_of(self.array)

    def said(self, row: int) -> str | None:
        """Return a value as SQL says it; one of no calendar year as the file does."""
        try:
            moment = self.array[row].as_py()
        except (OverflowError, ValueError):
            number = np.datetime64(int(self.micros[row]), "us")
            return str(number if self.text is None else self.text.array[row].as_py())
        return None if moment is None else moment_text(moment)

    @cached_property
    def micros(self) -> Numbers:
        """Microseconds of 1970; 0 where there is no value."""
        numbers = self.array.cast(pa.int64())
        found: Numbers = (numbers.fill_null(0) if numbers.null_count else numbers).to_numpy()
        return found


def missing_of(array: pa.Array) -> Truths | None:
    """Return the rows without a value; None where there are none."""
    if not array.null_count:
        return None
    found: Truths = array.is_null().to_numpy(zero_copy_only=False)
    return found


@dataclass(frozen=True)
class Words:
    """The cells of a CSV file that hold the bare word NULL."""

    rows: int = 0
    first: int = 0
    """The first row that has one, counted from 0."""
    cells: Mapping[str, int] = field(default_factory=dict)
    """How many there are, by column, in the order of the file."""


class Rounded(NamedTuple):
    """The rounding of a column of costs that has more decimals than are held, in one currency."""

    column: str
    currency: str
    first: int
    """The first row that was rounded, counted from 0."""
    rows: int
    difference: Decimal
    """What is held less what came, summed exactly."""


@dataclass(frozen=True)
class Staged:
    """A charge file, typed. Columns have their names in the store."""

    source: Source
    rows: int
    texts: Mapping[str, Coded]
    """Columns of text; neither empty nor the word NULL."""
    moments: Mapping[str, Moments]
    numbers: Mapping[str, Decimals]
    """Columns of numbers, in the types of the store."""
    words: Words = Words()
    odd: Sequence[Problem] = ()
    """The columns of numbers that are kept as text, and how numbers are written."""
    rounded: Sequence[Rounded] = ()
    doubtful: Truths | None = None
    """The rows that look like totals of others and are not their sum."""
    known: datetime | None = None
    """From when the file is known, if that is said: no charge begins long after it."""

    def head(self, rows: int) -> Staged:
        """Return the first rows."""
        moments = {
            name: Moments(m.array[:rows], m.text and m.text.at(np.arange(rows)))
            for name, m in self.moments.items()
        }
        return replace(
            self,
            rows=rows,
            texts={name: c.at(np.arange(rows)).packed() for name, c in self.texts.items()},
            moments=moments,
            numbers={name: Decimals(c.array[:rows]) for name, c in self.numbers.items()},
            rounded=[one for one in self.rounded if one.first < rows],
        )

    def missing(self, name: str) -> Truths | None:
        """Return the rows in which a column has no value; None where it has one in all."""
        if name in self.texts:
            codes = self.texts[name].codes
            return None if self.filled(name) == self.rows else codes < 0
        column = self.moments.get(name) or self.numbers[name]
        return column.missing

    def filled(self, name: str) -> int:
        """Return in how many rows a column has a value."""
        if name in self.texts:
            return self.rows - int(self.texts[name].counts[-1])
        missing = self.missing(name)
        return self.rows if missing is None else self.rows - int(np.count_nonzero(missing))

    def text(self, name: str, row: int) -> str | None:
        """Return a value as SQL says it."""
        if name in self.numbers:
            return self.numbers[name].text(row)
        if name in self.moments:
            return self.moments[name].said(row)
        column = self.texts[name]
        code = column.codes[row]
        return None if code < 0 else str(column.values[code].as_py())

    @cached_property
    def quarantined(self) -> Truths | None:
        """The rows that can be neither credited nor paid; None where there are none."""
        odd = [self.doubtful, *map(self.missing, ESSENTIAL), *map(self.unfit, self.texts)]
        odd += [*map(self.out_of_range, self.moments), *map(self.unreadable, self.moments)]
        there = [rows for rows in odd if rows is not None]
        return np.logical_or.reduce(there) if there else None

    def unreadable(self, name: str) -> Truths | None:
        """Return the rows in which a text is no moment; None for none."""
        column = self.moments[name]
        if column.text is None or column.missing is None:
            return None
        odd: Truths = column.missing & (column.text.codes >= 0)
        return odd if odd.any() else None

    def _limits(self, name: str) -> tuple[datetime, datetime]:
        return limits_of(name, self.known)

    def out_of_range(self, name: str) -> Truths | None:
        """Return the rows in which a moment is one that nothing can hold; None for none."""
        column = self.moments[name]
        first, end = (np.datetime64(limit, "us").astype(np.int64) for limit in self._limits(name))
        odd: Truths = (column.micros < first) | (column.micros >= end)
        if column.missing is not None:
            odd &= ~column.missing
        return odd if odd.any() else None

    def unfit(self, name: str) -> Truths | None:
        """Return the rows in which a text is none that names something; None for none.

        No page or database takes a NUL character, and no name is longer than LONGEST_NAME.
        """
        column = self.texts[name]
        odd = pc.match_substring(column.values, "\0")
        if name in NAMING:
            odd = pc.or_(odd, pc.greater(pc.utf8_length(column.values), LONGEST_NAME))
        if not pc.any(odd).as_py():
            return None
        holds = odd.to_numpy(zero_copy_only=False).astype(np.bool_)
        found: Truths = np.append(holds, False)[column.codes]
        return found

    def charges(self) -> Charges:
        """Return the charges that are not in quarantine, in the order of the file."""
        row_no = np.arange(FIRST_ROW, self.rows + FIRST_ROW, dtype=np.int64)
        kept = None if self.quarantined is None else np.flatnonzero(~self.quarantined)
        names = list(self.source.names.values())
        columns = on_all_cores(lambda name: self._kept(name, kept), names, self.rows)
        kept_no = row_no if kept is None else row_no[kept]
        return Charges(kept_no, dict(zip(map(_beside_keys, names), columns)))

    def _kept(self, name: str, kept: Any) -> Coded | pa.Array:
        if name in self.texts:
            column = self.texts[name]
            return (column if kept is None else column.at(kept)).packed()
        array = (self.moments.get(name) or self.numbers[name]).array
        return array if kept is None else array.take(pa.array(kept))

    def facts(self) -> dict[str, Any]:
        """Return the counted rows and the control totals: exact BilledCost a currency.

        Totals and rows are of the whole file, those in quarantine included. `rounded` is what
        rounding put on BilledCost, where it has more decimals than are held; `nothing` says of each
        other cost how many charges have 0 or nothing there, and what they bill.
        """
        odd = self.quarantined
        set_apart = np.zeros(self.rows, np.bool_) if odd is None else odd
        billed, billed_quarantined = {}, {}
        currencies = self._currencies()
        for currency, of_currency in currencies.items():
            if (total := self._billed(of_currency)) is not None:
                billed[currency] = plain(total)
            if (set_apart & of_currency).any():
                apart = self._billed(set_apart & of_currency)
                billed_quarantined[currency] = plain(apart or Decimal(0))
        rounded = {
            one.currency: plain(one.difference) for one in self.rounded if one.column == COSTS[0]
        }
        return {
            "version": version_of(self.source.columns),
            "rows": self.rows,
            "quarantined": int(np.count_nonzero(set_apart)),
            "billed": billed,
            "billed_quarantined": billed_quarantined,
            **({"rounded": rounded} if rounded else {}),
            **self._nothing(~set_apart, currencies),
        }

    def _nothing(self, counted: Truths, currencies: Mapping[str, Truths]) -> dict[str, Any]:
        """Return, by cost, the charges that bill something and have 0 or nothing there."""
        found = {}
        for name in (name for name in COSTS[1:] if name in self.numbers):
            where = counted & self.numbers[COSTS[0]].other & ~self.numbers[name].other
            if where.any():
                sums = {c: self._billed(where & rows) for c, rows in currencies.items()}
                billed = {c: plain(amount) for c, amount in sums.items() if amount}
                found[name] = {"rows": int(np.count_nonzero(where)), "billed": billed}
        return {"nothing": found} if found else {}

    def _currencies(self) -> dict[str, Truths]:
        """Return the rows of each currency, in the order of their names; `?` where none is said."""
        column = self.texts["BillingCurrency"]
        said = column.values.to_pylist()
        names = [*("?" if "\0" in n or len(n) > LONGEST_NAME else n for n in said), "?"]
        found: dict[str, Truths] = {}
        for place, (name, count) in enumerate(zip(names, column.counts)):
            if count:
                rows = column.codes == (place if place < len(column.values) else -1)
                found[name] = found[name] | rows if name in found else rows
        return dict(sorted(found.items()))

    def _billed(self, where: Truths) -> Decimal | None:
        """Return the sum billed in some rows; None where none of them bills."""
        billed = self.numbers["BilledCost"]
        if billed.missing is not None and billed.missing[where].all():
            return None
        return exact(billed.total(None if where.all() else where), billed.scale)


def _beside_keys(name: str) -> str:
    """Return the name of a column of the source beside the two that name a charge."""
    return f"{name.lower()}_1" if name.lower() in ("import_id", "row_no") else name


def moment_text(moment: datetime) -> str:
    """Return a moment as SQL says it: no zeros at the end of its seconds' decimals."""
    text = str(moment)
    return text.rstrip("0") if "." in text else text
