"""A column of decimals: as Arrow holds it, and as whole numbers of its last place.

Nothing here is a float but `doubles`, which compares and never pays.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.money import COST_DECIMALS, COST_DIGITS
from fenrun.charges.coded import Numbers, Truths
from fenrun.engine.dialect import NARROW, WIDEST

_EXACT_DOUBLE = 1 << 53
"""Whole numbers up to this are doubles without loss."""
_FEW = 1000


@dataclass(frozen=True)
class Decimals:
    """A column of exact decimals. Grain: a row."""

    array: pa.Array
    """decimal128, in one chunk."""

    @property
    def scale(self) -> int:
        """The decimals of the type."""
        return int(self.array.type.scale)

    @cached_property
    def missing(self) -> Truths | None:
        """The rows without a value; None where there are none."""
        if not self.array.null_count:
            return None
        found: Truths = self.array.is_null().to_numpy(zero_copy_only=False)
        return found

    @cached_property
    def _words(self) -> npt.NDArray[np.int64]:
        """The lower and the upper 64 bits of each value; 0 where there is none."""
        array = self.array
        words = np.frombuffer(array.buffers()[1], np.int64, 2 * len(array), array.offset * 16)
        words = words.reshape(-1, 2)
        return words if self.missing is None else np.where(self.missing[:, None], 0, words)

    @cached_property
    def narrow(self) -> Numbers | None:
        """The values as whole numbers of the last place; None where 64 bits do not hold them."""
        low, high = self._words[:, 0], self._words[:, 1]
        return low if np.array_equal(high, low >> 63) else None

    @property
    def negative(self) -> Truths:
        """The rows below 0."""
        found: Truths = self._words[:, 1] < 0
        return found

    @property
    def positive(self) -> Truths:
        """The rows above 0."""
        return ~self.negative & self.other

    @property
    def other(self) -> Truths:
        """The rows that are not 0."""
        found: Truths = (self._words != 0).any(axis=1) if self.narrow is None else self.narrow != 0
        return found

    @property
    def zero(self) -> Truths:
        """The rows that are 0."""
        return ~self.other if self.missing is None else ~self.other & ~self.missing

    @cached_property
    def broken(self) -> Truths:
        """The rows that are no whole numbers."""
        found: Truths
        if self.narrow is not None:
            found = self.narrow % 10**self.scale != 0
        else:
            differs = pc.not_equal(pc.trunc(self.array), self.array).fill_null(False)
            found = differs.to_numpy(zero_copy_only=False)
        return found

    def total(self, where: Truths | None = None) -> int:
        """Return the sum of the rows, as a whole number of the last place, however large."""
        words = self._words if where is None else self._words[where]
        low, high = np.ascontiguousarray(words[:, 0]).view(np.uint64), words[:, 1]
        sums = (part.sum() for part in (low & 0xFFFFFFFF, low >> 32, high & 0xFFFFFFFF, high >> 32))
        return sum(int(part) << (32 * place) for place, part in enumerate(sums))

    def units(self, row: int) -> int:
        """Return one value as a whole number of the last place."""
        low, high = (int(word) for word in self._words[row])
        return (high << 64) + (low & 0xFFFFFFFFFFFFFFFF)

    @cached_property
    def largest(self) -> int:
        """The largest value without its sign, as a whole number of the last place."""
        if self.narrow is not None:
            ends = (self.narrow.min(initial=0), self.narrow.max(initial=0))
            return max(abs(int(end)) for end in ends)
        ends = pc.min_max(self.array).as_py().values()
        return max(int("".join(map(str, end.as_tuple().digits))) for end in ends)

    @cached_property
    def doubles(self) -> npt.NDArray[np.float64]:
        """The values as the nearest doubles; NaN where there is none."""
        power = 10**self.scale
        if self.narrow is None:
            low = np.ascontiguousarray(self._words[:, 0]).view(np.uint64)
            found = (self._words[:, 1] * 2.0**64 + low) / power
        elif self.largest <= _EXACT_DOUBLE:
            found = self.narrow / power
        else:
            whole = np.trunc(self.narrow / power).astype(np.int64)
            found = whole + (self.narrow - whole * power) / power
        return found if self.missing is None else np.where(self.missing, np.nan, found)

    def text(self, row: int) -> str | None:
        """Return a value as SQL says it, with all its decimals."""
        value = self.array[row].as_py()
        return None if value is None else f"{value:f}"

    def as_type(self, kind: pa.DataType) -> Decimals:
        """Return the same values in another type, which must hold them."""
        array = self.array
        if self.scale == kind.scale:
            buffers = [array.buffers()[0], array.buffers()[1]]
            return Decimals(
                pa.Array.from_buffers(kind, len(array), buffers, array.null_count, array.offset)
            )
        return Decimals(array.cast(pa.decimal128(WIDEST, kind.scale))).as_type(kind)

    def trimmed(self) -> Decimals:
        """Return the same values with the fewest decimals that hold them all."""
        found = self
        while found.scale and (less := found._with_one_less()):
            found = less
        return found

    def _with_one_less(self) -> Decimals | None:
        if self.narrow is not None and (self.narrow[:_FEW] % 10).any():
            return None
        if self.narrow is not None and (self.narrow % 10).any():
            return None
        try:
            return self.as_type(pa.decimal128(WIDEST, self.scale - 1))
        except pa.ArrowInvalid:
            return None


def exact(units: int, scale: int) -> Decimal:
    """Return a whole number of the last place as a decimal, however many digits it has."""
    return Decimal(f"{units}e-{scale}")


def as_decimals(column: pa.ChunkedArray) -> Decimals | None:
    """Return texts of numbers as decimals; None where they are not all plain ones."""
    array = column.combine_chunks()
    sample = array.slice(0, _FEW).drop_null().to_pylist()
    likely = max((len(text.partition(".")[2]) for text in sample), default=0)
    for scale in (min(likely, COST_DECIMALS), COST_DECIMALS):
        try:
            found = Decimals(array.cast(pa.decimal128(WIDEST, scale)))
        except pa.ArrowInvalid:
            continue
        return found.trimmed()
    return None


def typed(columns: dict[str, Decimals], costs: tuple[str, ...]) -> dict[str, Decimals] | None:
    """Return columns in the types of the store: costs with the decimals of the finest of them.

    None where a value is too large for the exact way.
    """
    of_costs = max((_decimals(columns[name]) for name in costs if name in columns), default=0)
    found = {}
    for name, column in columns.items():
        scale = of_costs if name in costs else _decimals(column)
        digits = max(1, len(str(column.largest)) - column.scale)
        if digits > COST_DIGITS:
            return None
        kind = pa.decimal128(NARROW if scale + digits <= NARROW else WIDEST, scale)
        found[name] = column.as_type(kind)
    return found


def _decimals(column: Decimals) -> int:
    """Return how many decimals a column has; none where it has no value."""
    return 0 if column.array.null_count == len(column.array) else column.scale
