"""Times that a file gives without a zone: of the zone that somebody says, or else of UTC.

Bills give the time that their provider's clock showed, and mostly not which clock that is. A time
that comes twice, as a clock is set back, is the first of the two; one that no clock showed, as it
was set forward, is that of a clock that was not. Both are said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.problem import Place, Problem
from fenrun.charges.coded import Numbers, Truths
from fenrun.charges.staged import FIRST_ROW, Moments, Staged

_WITH_ZONE = r"(?i)(?:(?:Z|UTC|GMT)|:\d\d.*[+-]\d\d?(?::?\d\d)?)\s*\z"
"""The end of a text that says its zone."""
_MINUTE = 60_000_000
"""Microseconds: no clock is set within a minute."""
_YEARS = tuple(int(np.datetime64(day, "us").astype(np.int64)) for day in ("1900", "9998"))
"""The moments that are read in a zone: others stand for an open end."""


class _Clock(NamedTuple):
    """A clock: for each minute that it is asked about, how far it is from UTC."""

    minutes: Numbers
    """Sorted; microseconds of 1970."""
    shifts: Numbers
    """What is taken off to have UTC, in microseconds."""
    skipped: Truths
    """Whether no clock of the zone showed it."""
    twice: Truths
    """Whether the clock showed it twice."""

    def places(self, micros: Numbers, rows: Truths) -> tuple[Numbers, Truths]:
        """Return where the minute of each moment is, and the rows that have one among some."""
        found = micros - micros % _MINUTE
        places = np.searchsorted(self.minutes, found)
        return places, rows & (self.minutes[places] == found)


def local_rows(staged: Staged, name: str) -> Truths | None:
    """Return the rows in which a column has a time without a zone; None for none."""
    column = staged.moments[name]
    if column.text is not None:
        local = ~_truths(pc.match_substring_regex(column.text.values, _WITH_ZONE))
        found: Truths = np.append(local, False)[column.text.codes]
    elif _is_of_zone(staged, name):
        return None
    else:
        found = np.ones(staged.rows, np.bool_)
    if column.missing is not None:
        found &= ~column.missing
    return found if found.any() else None


def _is_of_zone(staged: Staged, name: str) -> bool:
    """Return whether a column of a Parquet file holds moments of a zone, by its type."""
    spelt = next(s for s, known in staged.source.names.items() if known == name)
    schema = pq.read_schema(staged.source.origin)
    if spelt not in schema.names:
        spelt = next(s for s, n in staged.source.names.items() if n == staged.source.copies[name])
    kind = schema.field(spelt).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_timestamp(kind) and kind.tz)


def _truths(array: pa.Array) -> Truths:
    found: Truths = array.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def in_zone(staged: Staged) -> Staged:
    """Return a file whose times without a zone are of the one that was said of it, if one was."""
    zone = staged.source.zone
    if not zone:
        return staged
    rows_of = {name: local_rows(staged, name) for name in staged.moments}
    local = {name: rows for name, rows in rows_of.items() if rows is not None}
    if not local:
        said = Problem("zone-unused", Place(staged.source.path.name), {"zone": zone})
        return replace(staged, odd=[*staged.odd, said])
    clock = _clock(ZoneInfo(zone), [staged.moments[n].micros[rows] for n, rows in local.items()])
    moments = {**staged.moments}
    for name, rows in local.items():
        moments[name] = _read(staged.moments[name], rows, clock)
    found = replace(staged, moments=moments)
    problems = [_said(staged, found, local, zone), *_odd(staged, found, local, clock, zone)]
    return replace(found, odd=[*staged.odd, *problems])


def _clock(zone: ZoneInfo, moments: list[Numbers]) -> _Clock:
    micros = np.concatenate(moments)
    micros = micros[(micros >= _YEARS[0]) & (micros < _YEARS[1])]
    minutes = np.unique(micros - micros % _MINUTE)
    said = [_shift(zone, datetime(1970, 1, 1) + timedelta(microseconds=int(m))) for m in minutes]
    shifts, skipped, twice = zip(*said) if said else ((), (), ())
    return _Clock(
        np.append(minutes, np.iinfo(np.int64).max),
        np.array([*shifts, 0], np.int64),
        np.array([*skipped, False], np.bool_),
        np.array([*twice, False], np.bool_),
    )


def _shift(zone: ZoneInfo, shown: datetime) -> tuple[int, bool, bool]:
    """Return what a time is ahead of UTC, and whether no clock showed it or one did twice."""
    first, second = (shown.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    first, second = first or timedelta(), second or timedelta()
    return first // timedelta(microseconds=1), first < second, first > second


def _read(column: Moments, rows: Truths, clock: _Clock) -> Moments:
    """Return a column whose times in some rows are read by a clock."""
    places, is_known = clock.places(column.micros, rows)
    moved = column.micros - np.where(is_known, clock.shifts[places], 0)
    array = pa.array(moved, pa.int64(), mask=column.missing).cast(pa.timestamp("us"))
    return Moments(array, column.text)


def _said(before: Staged, after: Staged, local: dict[str, Truths], zone: str) -> Problem:
    """Return the note that times were read in a zone, with the first of them."""
    name, rows = next(iter(local.items()))
    row = int(rows.argmax())
    values = {
        "zone": zone,
        "columns": ", ".join(local),
        "value": before.moments[name].said(row),
        "read": after.moments[name].said(row),
    }
    somewhere = np.logical_or.reduce(list(local.values()))
    place = Place(before.source.path.name, row + FIRST_ROW, name)
    return Problem("zone-said", place, values, rows=int(np.count_nonzero(somewhere)))


def _odd(
    before: Staged, after: Staged, local: dict[str, Truths], clock: _Clock, zone: str
) -> Iterator[Problem]:
    """Yield the times that a clock showed twice, or never."""
    for name, rows in local.items():
        places, is_known = clock.places(before.moments[name].micros, rows)
        for code, holds in (("time-twice", clock.twice), ("time-skipped", clock.skipped)):
            where = is_known & holds[places]
            if where.any():
                row = int(where.argmax())
                values = {"zone": zone, "column": name, "value": before.moments[name].said(row)}
                values |= {"read": after.moments[name].said(row)}
                place = Place(before.source.path.name, row + FIRST_ROW, name)
                yield Problem(code, place, values, rows=int(np.count_nonzero(where)))
