"""Orders of day, month and year, as the periods of charges show them.

Texts alone may leave an order open, or agree on one that only some columns have. A billing period
is about a month, nothing ends before it begins, and few charges lie months away from their bill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from fenrun.charges.coded import A_DAY, Coded, Codes, Numbers, joined
from fenrun.charges.rows import PERIODS

_MONTH = (25 * A_DAY, 35 * A_DAY)
"""The shortest and the longest billing period, in microseconds."""
_NEAR = (-62 * A_DAY, _MONTH[1])
"""How long before or after its billing period begins a charge does, if it is not far from it."""
_NOTHING = np.iinfo(np.int64).min
_COLUMNS = (PERIODS[:2], PERIODS[2:], *((name,) for name in PERIODS))
"""Columns that may have an order of their own, together or each."""

Meanings = Mapping[str, Sequence[datetime | None]]
"""By order, the moments of a column's distinct texts: of each order that fits all of them."""


@dataclass(frozen=True)
class Periods:
    """The periods of a file, each that differs from the others once."""

    codes: Mapping[str, Codes]
    """By column the place of a text among its distinct ones; -1 for none."""
    meanings: Mapping[str, Meanings]

    @classmethod
    def of(cls, columns: Mapping[str, Coded], meanings: Mapping[str, Meanings]) -> Periods:
        """Return the periods of columns of text, with what these mean by order."""
        there = {name: columns[name] for name in PERIODS if name in columns}
        if not there:
            return cls({}, {})
        _, firsts = joined([*there.values()])
        codes = {name: column.codes[firsts] for name, column in there.items()}
        return cls(codes, {name: meanings[name] for name in there})

    def holding(self, orders: Sequence[str]) -> list[str]:
        """Return those of some orders in which each period is one."""
        return [order for order in orders if not self._odd(dict.fromkeys(self.codes, order), False)]

    def otherwise(self, order: str) -> tuple[str, str]:
        """Return a column that fits the others better in another order than theirs, and that one.

        Nothing where there is none.
        """
        read = dict.fromkeys(self.codes, order)
        odd = self._odd(read, True)
        if odd:
            for names, other in self._others(order):
                if self._odd(read | dict.fromkeys(names, other), True) < odd:
                    return names[0], other
        return "", ""

    def _others(self, order: str) -> Iterator[tuple[Sequence[str], str]]:
        """Yield columns that all have another order too, and mean something else in it."""
        for named in _COLUMNS:
            names = [name for name in named if name in self.codes]
            for other in sorted({o for name in names for o in self.meanings[name]} - {order}):
                both = [(self.meanings[n].get(order), self.meanings[n].get(other)) for n in names]
                if all(meaning for _, meaning in both) and any(one != two for one, two in both):
                    yield names, other

    def _odd(self, orders: Mapping[str, str], is_far_odd: bool) -> int:
        """Count the periods that are none, in an order by column; those far away too, if asked."""
        at = {name: self._micros(name, order) for name, order in orders.items()}
        billed_from, billed_to, starts, ends = (at.get(name) for name in PERIODS)
        found = np.zeros(max(map(len, at.values()), default=0), np.bool_)
        if billed_from is not None and billed_to is not None:
            length = billed_to - billed_from
            is_month = (length >= _MONTH[0]) & (length <= _MONTH[1])
            found |= ~is_month & (billed_from != _NOTHING) & (billed_to != _NOTHING)
        if starts is not None and ends is not None:
            found |= (ends < starts) & (ends != _NOTHING)
        if is_far_odd and billed_from is not None and starts is not None:
            there = (billed_from != _NOTHING) & (starts != _NOTHING)
            after = starts - billed_from
            found |= there & ((after < _NEAR[0]) | (after > _NEAR[1]))
        return int(np.count_nonzero(found))

    def _micros(self, name: str, order: str) -> Numbers:
        moments = pa.array(self.meanings[name].get(order, []), pa.timestamp("us"))
        if not len(moments):
            return np.full(len(self.codes[name]), _NOTHING)
        numbers = moments.cast(pa.int64()).fill_null(_NOTHING).to_numpy()
        found: Numbers = np.append(numbers, _NOTHING)[self.codes[name]]
        return found
