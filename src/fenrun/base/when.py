"""Time: half-open spans of days, the two clocks of a question, and the periods that plans pay by.

Moments are in UTC and carry no time zone. Days are those of the plan's time zone.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from fenrun.base.words import Message, Unreadable

OPEN_END = date(9999, 12, 31)
"""Stands for 'until further notice' in a half-open span."""
LONG_AGO = date(1, 1, 1)
"""Stands for 'since ever'."""
_YEAR_ONE, _YEAR_LAST = 1, 9998
"""The years in which a period may begin; the day after it must be a day too."""


@dataclass(frozen=True, order=True)
class Span:
    """The days from `start` up to, not including, `end`."""

    start: date
    end: date

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


def if_bound(day: date | None) -> date | None:
    """Return a day; None for one that stands for no first or no last day."""
    return None if day in (LONG_AGO, OPEN_END) else day


def span_in_words(start: date, end: date) -> Message:
    """Return the days from `start` up to, not including, `end` as people read them."""
    days = {"start": str(start), "end": str(end)}
    if end >= OPEN_END:
        return Message("span-always" if start <= LONG_AGO else "span-from", days)
    return Message("span-until" if start <= LONG_AGO else "span-from-until", days)


@dataclass(frozen=True)
class AsOf:
    """The two clocks of every question."""

    effective: date
    """The day that is asked about."""
    known: datetime
    """Knowledge time: the moment (UTC) up to which facts were known."""


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
        return [_month_key(m) for m in range(_month_of(self.span.start), _month_of(self.span.end))]


_PERIOD = re.compile(
    r"(?P<year>\d{4})"
    r"(-(Q(?P<quarter>[1-4])|H(?P<half>[12])"
    r"|(?P<month>\d\d)(/(?P<last_year>\d{4})-(?P<last_month>\d\d))?))?"
)


@lru_cache(maxsize=4096)
def parse_period(text: str) -> Period:
    """Read `2024-09`, `2024-Q3`, `2024-H2`, `2024`, or first and last month: `2024-07/2025-06`.

    Raises Unreadable.
    """
    found = _PERIOD.fullmatch(text.strip())
    if not found:
        raise Unreadable("not-a-period", text=text)
    part = {name: int(digits) for name, digits in found.groupdict().items() if digits}
    years = [part[name] for name in ("year", "last_year") if name in part]
    months = [part[name] for name in ("month", "last_month") if name in part]
    if not all(_YEAR_ONE <= y <= _YEAR_LAST for y in years) or not all(
        1 <= m <= 12 for m in months
    ):
        raise Unreadable("not-a-period", text=text)
    january = _month_number(part["year"], 1)
    if "quarter" in part:
        return _period(january + 3 * (part["quarter"] - 1), 3)
    if "half" in part:
        return _period(january + 6 * (part["half"] - 1), 6)
    if "month" not in part:
        return _period(january, 12)
    first = last = _month_number(part["year"], part["month"])
    if "last_year" in part:
        last = _month_number(part["last_year"], part["last_month"])
    if last < first:
        raise Unreadable("period-ends-early", text=text)
    return _period(first, last - first + 1)


def parse_periods(text: str) -> list[Period]:
    """Read a period, or a range of equal ones: `2024-01..2024-12` means each of the months.

    Raises Unreadable.
    """
    first, dots, last = text.partition("..")
    found = [parse_period(first)]
    if not dots:
        return found
    end = parse_period(last)
    length = len(found[0].months)
    while found[-1].span.end <= end.span.start:
        found.append(_period(_month_of(found[-1].span.end), length))
    if found[-1] != end:
        raise Unreadable("not-a-range", text=text)
    return found


def period_of(day: date, months: int, year_starts: int = 1) -> Period:
    """Return the period of so many months that holds the day.

    `months` is a divisor of 12; periods are counted from the month `year_starts`.
    """
    since_start = _month_of(day) - (year_starts - 1)
    return _period(since_start // months * months + year_starts - 1, months)


def _period(first: int, count: int) -> Period:
    """Return the period of so many months from a month's number on, under its shortest key."""
    year, month = divmod(first, 12)
    if count == 1:
        key = _month_key(first)
    elif count == 3 and month % 3 == 0:
        key = f"{year:04d}-Q{month // 3 + 1}"
    elif count == 6 and month % 6 == 0:
        key = f"{year:04d}-H{month // 6 + 1}"
    elif count == 12 and month == 0:
        key = f"{year:04d}"
    else:
        key = f"{_month_key(first)}/{_month_key(first + count - 1)}"
    return Period(key, Span(_first_day(first), _first_day(first + count)))


def _month_number(year: int, month: int) -> int:
    """Number the months through the years, so that the next one is one more."""
    return year * 12 + month - 1


def _month_of(day: date) -> int:
    return _month_number(day.year, day.month)


def _first_day(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _month_key(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def add_months(day: date, months: int) -> date:
    """Return the day so many months later; the month's last where it has no such day."""
    first = _first_day(_month_of(day) + months)
    length = calendar.monthrange(first.year, first.month)[1]
    return first.replace(day=min(day.day, length))


_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")


def parse_day(text: str) -> date:
    """Read a day, year first: `2024-09-01`, also `2024/9/1`. Raises Unreadable."""
    day = _day(text)
    if day is None:
        raise Unreadable("not-a-day", text=text)
    return day


@lru_cache(maxsize=4096)
def _day(text: str) -> date | None:
    found = _DAY.fullmatch(text.strip())
    if not found:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def parse_moment(text: str) -> datetime:
    """Read a moment in UTC: `2024-10-05T08:00:00Z`; a day alone means its first moment.

    Raises Unreadable.
    """
    day = _day(text)
    if day is not None:
        return datetime.combine(day, time.min)
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise Unreadable("not-a-moment", text=text) from None
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise Unreadable("moment-out-of-range", text=text) from None
    return moment.replace(microsecond=0)


def show_moment(moment: datetime) -> str:
    """Return the moment (UTC) as text."""
    return moment.replace(microsecond=0).isoformat() + "Z"


def is_zone(text: str) -> bool:
    """Return whether a text is the name of a time zone: `Asia/Shanghai`."""
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError, TypeError):
        return False
    return True
