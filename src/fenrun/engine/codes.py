"""Codes: the whole numbers that stand for names, days and months inside the engine.

Texts are met at the edge alone: facts and plans become codes when they are loaded, and results
become texts when somebody reads them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Context, Decimal

import pyarrow as pa

_EXACT = Context(prec=100)
_EPOCH = date(1970, 1, 1)
_FEW = 100
"""The most texts that are coded one by one: in less time than arrow takes to begin."""


@dataclass
class Codes:
    """The texts of one settlement, numbered from 1 in the order in which they are met."""

    texts: list[str] = field(default_factory=lambda: [""])
    """Text by code; 0 is the empty text."""
    numbers: dict[str, int] = field(default_factory=lambda: {"": 0})

    def of(self, text: str) -> int:
        """Return the code of a text: a party, role, label, value, figure, period, clause."""
        number = self.numbers.get(text)
        if number is None:
            number = self.numbers[text] = len(self.texts)
            self.texts.append(text)
        return number

    def of_column(self, column: pa.ChunkedArray | pa.Array) -> pa.Array:
        """Return the codes of a column of texts; missing ones stay missing."""
        if len(column) <= _FEW:
            texts = column.to_pylist()
            return pa.array([None if text is None else self.of(text) for text in texts], pa.int64())
        found = _whole(column).dictionary_encode()
        given = found.dictionary.to_pylist()
        # The new ones at once: a call for each takes twice the time.
        new = [text for text in given if text not in self.numbers]
        self.numbers |= zip(new, range(len(self.texts), len(self.texts) + len(new)))
        self.texts += new
        numbers = [self.numbers[text] for text in given]
        return pa.array(numbers, pa.int64()).take(found.indices)

    def text(self, number: int | None) -> str | None:
        """Return the text of a code, or None for None."""
        return None if number is None else self.texts[number]


def day_number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """Return the day of a number."""
    return _EPOCH + timedelta(days=number)


def month_number(day: date) -> int:
    """Return the months since the year 0 of the month that holds a day."""
    return day.year * 12 + day.month - 1


def month_of(number: int) -> date:
    """Return the first day of a month."""
    return date(number // 12, number % 12 + 1, 1)


def scaled(value: Decimal, scale: int) -> int:
    """Return an amount as a whole number of 10 to the minus `scale`.

    Raises ValueError where it has more decimals than that.
    """
    shifted = value.scaleb(scale, _EXACT)
    whole = int(shifted)
    if whole != shifted:
        raise ValueError(f"{value} has more than {scale} decimals")
    return whole


def maybe_scaled(value: Decimal | None, scale: int) -> int | None:
    """Return the same, or None for None."""
    return None if value is None else scaled(value, scale)


def scaled_column(column: pa.ChunkedArray | pa.Array, scale: int) -> pa.Array:
    """Return amounts as whole numbers of 10 to the minus `scale`: decimals of no places.

    Raises ValueError where one has more decimals than that, or needs more than 38 digits.
    """
    found = _whole(column).cast(pa.decimal128(38, scale))
    return pa.Array.from_buffers(
        pa.decimal128(38, 0), len(found), found.buffers(), found.null_count, found.offset
    )


def places_of(column: pa.ChunkedArray | pa.Array) -> int:
    """Return the fewest decimals that hold all amounts of a column of decimals."""
    for places in range(column.type.scale):
        with suppress(pa.ArrowInvalid):
            column.cast(pa.decimal128(38, places))
            return places
    return int(column.type.scale)


def day_column(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return dates as days since 1970-01-01."""
    return _whole(column).cast(pa.int32()).cast(pa.int64())


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def unscaled(number: int | None, scale: int) -> Decimal | None:
    """Return the amount of a whole number, or None for None."""
    return None if number is None else Decimal(number).scaleb(-scale, _EXACT)
