"""Charges that begin as much later or earlier in one file as in another: told in two time zones.

A provider writes the times of a bill in UTC once, and of its own zone another time; or the offset
gets lost on the way. All of its charges then begin hours apart, by no more than zones do; or a day,
where the date alone was kept of a time in another zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fenrun.charges.coded import A_DAY, Numbers

QUARTER = 900 * 1_000_000
"""Microseconds by which zones differ, or a multiple of it."""
MOST = 14 * 4 * QUARTER
"""The farthest zone from UTC."""
_TRIED = 3
"""Shifts that are tried: of a year in two zones some of its charges have another than the rest."""


class Begun(NamedTuple):
    """Charges by a digest of what they are, their times aside, and their beginnings.

    Grain: a charge. Sorted by digest, and then by beginning.
    """

    digests: Numbers
    starts: Numbers
    """Microseconds of 1970."""


def begun(digests: Any, starts: Numbers) -> Begun:
    """Return charges in their order."""
    order = np.lexsort((starts, digests))
    return Begun(digests[order], starts[order])


def shift_of(one: Begun, other: Begun) -> int:
    """Return by how many microseconds charges of one begin before those of the other; 0 for none.

    At least half of the fewer charges must be in both, that much apart, and fewer at one time.
    """
    tried = [(_common(one, other, shift), -abs(shift), shift) for shift in _likely(one, other)]
    count, _, shift = max(tried, default=(0, 0, 0))
    is_enough = count * 2 >= min(len(one.digests), len(other.digests))
    return shift if is_enough and count > _common(one, other, 0) else 0


def shifts_of(one: Begun, other: Begun) -> list[int]:
    """Return the shift of charges, and where clocks were changed meanwhile the others near it."""
    main = shift_of(one, other)
    if not main:
        return []
    return [main, *(s for s in _likely(one, other) if 0 < abs(s - main) <= 4 * QUARTER)]


def _likely(one: Begun, other: Begun) -> Iterator[int]:
    """Yield the shifts by which most first and last charges of a digest differ."""
    common, mine, theirs = np.intersect1d(one.digests, other.digests, return_indices=True)
    ends = [np.searchsorted(side.digests, common, "right") - 1 for side in (one, other)]
    apart = np.concatenate(
        [other.starts[theirs] - one.starts[mine], other.starts[ends[1]] - one.starts[ends[0]]]
    )
    is_of_zones = (apart != 0) & (np.abs(apart) <= MOST) & (apart % QUARTER == 0)
    if _at_one_time(one.starts, other.starts):  # else days follow each other
        is_of_zones |= np.abs(apart) == A_DAY
    values, counts = np.unique(apart[is_of_zones], return_counts=True)
    for place in np.argsort(-counts, kind="stable")[:_TRIED]:
        yield int(values[place])


def _at_one_time(one: Numbers, other: Numbers) -> bool:
    """Return whether some charges begin after the first and before the last ones of others."""
    if not (len(one) and len(other)):
        return False
    return bool(one.min() <= other.max() and other.min() <= one.max())


def _common(one: Begun, other: Begun, shift: int) -> int:
    """Return how many charges both have, those of one later by a shift."""
    moved, theirs = mixed(one.digests, one.starts + shift), mixed(*other)
    found, counts = np.unique(moved, return_counts=True)
    values, others = np.unique(theirs, return_counts=True)
    _, mine, their = np.intersect1d(found, values, assume_unique=True, return_indices=True)
    return int(np.minimum(counts[mine], others[their]).sum())


def mixed(digests: Any, starts: Numbers) -> Any:
    """Return a digest of what charges are and when they begin."""
    found = digests.astype(np.uint64) ^ (starts.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    found ^= found >> np.uint64(29)
    return found * np.uint64(0xBF58476D1CE4E5B9)
