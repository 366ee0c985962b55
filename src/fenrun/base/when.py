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
    """A calendar month, quarter or year, with its key: `2024-09`, `2024-Q3`, `2024`."""

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


_PERIOD = re.compile(r"(\d{4})(?:-(?:Q([1-4])|(\d{2})))?")


def parse_period(text: str) -> Period:
    """Read `2024-09`, `2024-Q3` or `2024`. Raises ValueError."""
    found = _PERIOD.fullmatch(text.strip())
    if not found or (found[3] and not 1 <= int(found[3]) <= 12) or int(found[1]) in (0, 9999):
        raise ValueError(f"{text!r} is not a period: write 2024-09, 2024-Q3 or 2024")
    year = int(found[1])
    if found[2]:
        first, count = int(found[2]) * 3 - 2, 3
    else:
        first, count = (int(found[3]), 1) if found[3] else (1, 12)
    after = year * 12 + first - 1 + count
    return Period(text.strip(), Span(date(year, first, 1), date(after // 12, after % 12 + 1, 1)))


def parse_periods(text: str) -> list[Period]:
    """Read a period, or a range of equal ones such as `2024-01..2024-12`, which means each of them. Raises ValueError."""
    first, dots, last = text.partition("..")
    found = [parse_period(first)]
    if dots:
        end = parse_period(last)
        per = per_of(found[0].key)
        if per_of(end.key) != per or end < found[0]:
            raise ValueError(f"{text!r} is not a range of periods: write 2024-01..2024-12")
        while found[-1].key != end.key:
            found.append(period_of(found[-1].span.end, per))
    return found


def per_of(key: str) -> str:
    """`month`, `quarter` or `year`: what kind of period a key names."""
    return "year" if len(key) == 4 else "quarter" if "Q" in key else "month"


def period_of(day: date, per: str) -> Period:
    """The month, quarter or year that holds the day."""
    keys = {"month": f"{day.year:04d}-{day.month:02d}", "quarter": f"{day.year:04d}-Q{(day.month + 2) // 3}", "year": f"{day.year:04d}"}
    return parse_period(keys[per])


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
        raise ValueError(f"{text!r} is not a moment: write 2024-10-05 or 2024-10-05T08:00:00Z") from None
    if moment.tzinfo is not None:
        moment = (moment - (moment.utcoffset() or timedelta())).replace(tzinfo=None)
    return moment.replace(microsecond=0)


def show_moment(moment: datetime) -> str:
    """The moment as text, in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
