"""Time: half-open spans of days, the two clocks of a question, and the periods that plans pay by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

OPEN_END = date(9999, 12, 31)
"""Stands for 'until further notice' in a half-open span."""
LONG_AGO = date(1, 1, 1)
"""Stands for 'since ever'."""


@dataclass(frozen=True, order=True)
class Span:
    """Days from `start` up to, not including, `end`."""

    start: date
    end: date

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


@dataclass(frozen=True)
class AsOf:
    """The two clocks of every question: the day that is asked about, and the moment up to which facts were known."""

    effective: date
    known: datetime


@dataclass(frozen=True, order=True)
class Period:
    """Whole months, with their key: `2024-09`, `2024-Q3`, `2024-H2`, `2024`, `2024-07/2025-06`."""

    key: str
    span: Span

    @property
    def last_day(self) -> date:
        """The last day inside."""
        return self.span.end - timedelta(days=1)

    @property
    def months(self) -> list[str]:
        """The keys of the months inside, in order."""
        first = self.span.start.year * 12 + self.span.start.month - 1
        last = self.span.end.year * 12 + self.span.end.month - 1
        return [f"{m // 12:04d}-{m % 12 + 1:02d}" for m in range(first, last)]


_PERIOD = re.compile(r"(\d{4})(?:-(?:Q([1-4])|H([12])|(\d{2})(?:/(\d{4})-(\d{2}))?))?")


def parse_period(text: str) -> Period:
    """Read `2024-09`, `2024-Q3`, `2024-H2`, `2024`, or months up to and with the second: `2024-07/2025-06`. Raises ValueError."""
    found = _PERIOD.fullmatch(text.strip())
    year = int(found[1]) if found else 0
    if (
        not found
        or year in (0, 9999)
        or not all(1 <= int(m) <= 12 for m in (found[4], found[6]) if m)
    ):
        raise ValueError(
            f"{text!r} is not a period: write 2024-09, 2024-Q3, 2024-H2, 2024 or 2024-07/2025-06"
        )
    if found[2]:
        return _months(year, int(found[2]) * 3 - 2, 3)
    if found[3]:
        return _months(year, int(found[3]) * 6 - 5, 6)
    if not found[4]:
        return _months(year, 1, 12)
    count = (int(found[5]) - year) * 12 + int(found[6]) - int(found[4]) + 1 if found[5] else 1
    if count < 1 or int(found[5] or 1) == 9999:
        raise ValueError(f"{text!r} ends before it begins")
    return _months(year, int(found[4]), count)


def _months(year: int, month: int, count: int) -> Period:
    """So many months from the first day of one, under the shortest key."""
    first, after = year * 12 + month - 1, year * 12 + month - 1 + count
    named = {
        (1, 1): f"{year:04d}-{month:02d}",
        (3, 0): f"{year:04d}-Q{(month + 2) // 3}",
        (6, 0): f"{year:04d}-H{(month + 5) // 6}",
        (12, 0): f"{year:04d}",
    }
    whole = 1 if count == 1 else first % count
    key = named.get(
        (count, whole), f"{year:04d}-{month:02d}/{(after - 1) // 12:04d}-{(after - 1) % 12 + 1:02d}"
    )
    return Period(
        key, Span(date(first // 12, first % 12 + 1, 1), date(after // 12, after % 12 + 1, 1))
    )


def parse_periods(text: str) -> list[Period]:
    """Read a period, or a range of equal ones such as `2024-01..2024-12`, which means each of them. Raises ValueError."""
    first, dots, last = text.partition("..")
    found = [parse_period(first)]
    if dots:
        end, count = parse_period(last), len(found[0].months)
        while found[-1].span.end <= end.span.start:
            found.append(_months(found[-1].span.end.year, found[-1].span.end.month, count))
        if found[-1] != end:
            raise ValueError(f"{text!r} is not a range of periods: write 2024-01..2024-12")
    return found


def period_of(day: date, months: int, year_starts: int = 1) -> Period:
    """The period of so many months (a divisor of 12) that holds the day, counted from the month in which the year starts."""
    first = (day.year * 12 + day.month - year_starts) // months * months + year_starts - 1
    return _months(first // 12, first % 12 + 1, months)


def add_months(day: date, months: int) -> date:
    """The same day so many months later; the last of the month where that has no such day."""
    first = day.year * 12 + day.month - 1 + months
    start = date(first // 12, first % 12 + 1, 1)
    length = (date((first + 1) // 12, (first + 1) % 12 + 1, 1) - start).days
    return start.replace(day=min(day.day, length))


_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")


def parse_day(text: str) -> date:
    """Read a day, year first: `2024-09-01`, also `2024/9/1`. Raises ValueError."""
    found = _DAY.fullmatch(text.strip())
    try:
        if found:
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass
    raise ValueError(f"{text!r} is not a day: write it year first, as in 2024-09-01")


def parse_moment(text: str) -> datetime:
    """Read a moment in UTC: `2024-10-05T08:00:00Z`; a day alone means its first moment. Raises ValueError."""
    try:
        return datetime.combine(parse_day(text), datetime.min.time())
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a moment: write 2024-10-05 or 2024-10-05T08:00:00Z"
        ) from None
    if moment.tzinfo is not None:
        try:
            moment = (moment - (moment.utcoffset() or timedelta())).replace(tzinfo=None)
        except OverflowError:
            raise ValueError(f"{text!r} is out of range") from None
    return moment.replace(microsecond=0)


def show_moment(moment: datetime) -> str:
    """The moment as text, in UTC."""
    return moment.replace(microsecond=0).isoformat() + "Z"
