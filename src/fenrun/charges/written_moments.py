"""Dates and times as a file writes them: which of day, month and year stands first.

All values of a file say it together: `9/2/24` alone says nothing, `9/13/24` beside it does. What
cannot be read is no date; nobody guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import pyarrow as pa

from fenrun.base.problem import Place, Problem, Refused
from fenrun.charges.coded import Coded
from fenrun.charges.date_orders import Periods
from fenrun.charges.rows import DAYS, STARTS
from fenrun.charges.staged import Moments

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_NAMES = {part: n for n, name in enumerate(_MONTHS, 1) for part in (name, name[:3], name[:4])}
_LONGEST = timedelta(days=731)
"""The longest time between dates of one file whose years have two digits."""
_ORDERS = ("dmy", "mdy", "ymd")
_DAY = (
    r"(?P<iso>\d{4})(?:(?P<i1>[-/.])(?P<im>\d{1,2})(?P=i1)(?P<id>\d{1,2})"
    r"|年(?P<cm>\d{1,2})月(?P<cd>\d{1,2})日|(?P<bm>\d\d)(?P<bd>\d\d))"
    r"|(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})(?P=s)(?P<c>\d{4}|\d\d)"
    r"|(?P<d1>\d{1,2})[- ](?P<m1>[A-Za-z]{3,9})\.?[-, ]{1,2}(?P<y1>\d{4})"
    r"|(?P<m2>[A-Za-z]{3,9})\.? (?P<d2>\d{1,2}),? (?P<y2>\d{4})"
)
_HALF = r"AM|PM|am|pm|a\.m\.|p\.m\.|上午|下午"
_MONTH = re.compile(r"\s*(?P<y>20\d\d)(?:[-/.]?(?P<m>\d\d?)|年\s?(?P<c>\d\d?)月)\s*")
"""A month by itself, as a beginning: its first day."""
_TIME = (
    rf"(?:[T ]|, ?)\s?(?:(?P<before>{_HALF})\s?)?(?P<h>\d{{1,2}}):(?P<mi>\d\d)"
    rf"(?::(?P<se>\d\d)(?:[.,](?P<f>\d{{1,9}}))?)?\s?(?P<after>{_HALF})?"
    r"\s?(?P<zone>Z|z|UTC|GMT|(?:UTC|GMT)?(?P<zs>[+-])(?P<zh>\d\d?):?(?P<zm>\d\d)?)?"
)
_MOMENT = re.compile(rf"\s*(?:{_DAY})(?:{_TIME})?(?:\s?(?:UTC|Z))?\s*")


class Read(NamedTuple):
    """The moments of a column, by its distinct texts."""

    moments: list[datetime | None]
    """In UTC, without a zone; None where a text is no date."""
    order: str
    """`dmy`, `mdy` or `ymd` where texts leave it open by themselves, else nothing."""


def read_moments(columns: Mapping[str, Sequence[str]], file: str) -> dict[str, Read]:
    """Return the moments of columns, of each by its distinct texts.

    One order holds for all columns of a file. Raises Refused where texts differ in their order, or
    do not say it.
    """
    found = _matched(columns)
    open_ = _open(found)
    order = _order(open_, _fitting(open_), file)
    return {name: _read(matches, order) for name, matches in found.items()}


def moments_of(
    columns: Mapping[str, Coded], file: str
) -> tuple[dict[str, Moments], Sequence[Problem]]:
    """Return columns of text as moments, and what is to be said of their order.

    Where texts leave the order open, periods may say it: a billing period is about a month. Raises
    Refused where nothing says it, or where a column has another order than the file.
    """
    matched = _matched({name: column.values.to_pylist() for name, column in columns.items()})
    open_, said = _open(matched), list[Problem]()
    fitting = _fitting(open_)
    order = ""
    if open_:
        periods = Periods.of(columns, {name: _meanings(m) for name, m in matched.items()})
        holding = periods.holding(fitting)
        if len(holding) == 1 and len(_meant(open_, fitting)) > 1:
            said.append(_said_by_periods(open_, holding[0], fitting, file))
            fitting = holding
        order = _order(open_, fitting, file)
        name, other = periods.otherwise(order)
        if name:
            raise Refused([_of_column(open_, name, other, file)])
    found = {}
    for name, column in columns.items():
        values = pa.array(_read(matched[name], order).moments, pa.timestamp("us"))
        codes = pa.array(column.codes, mask=column.codes < 0)
        found[name] = Moments(values.take(codes), column)
    return found, said


_Matches = Sequence[re.Match[str] | None]
_Dates = Sequence[tuple[str, re.Match[str]]]
"""Texts that leave their order open, each with its column."""


def _matched(columns: Mapping[str, Sequence[str]]) -> dict[str, _Matches]:
    return {
        name: [_MOMENT.fullmatch(_as_day(text) if name in STARTS else text) for text in texts]
        for name, texts in columns.items()
    }


def _open(columns: Mapping[str, _Matches]) -> _Dates:
    return [
        (name, match)
        for name, matches in columns.items()
        for match in matches
        if match and match["s"] and _possible(match)
    ]


def _meanings(matches: _Matches) -> dict[str, list[datetime | None]]:
    """Return what the texts of a column mean, by each order that they can all have."""
    open_ = [match for match in matches if match and match["s"] and _possible(match)]
    orders = [order for order in _ORDERS if _fits(open_, order)]
    return {order: _read(matches, order).moments for order in orders}


def _said_by_periods(dates: _Dates, order: str, fitting: Sequence[str], file: str) -> Problem:
    """Return the warning that periods alone say an order, with the first text that has others."""
    name, match = next(one for one in dates if len(_readings(one[1], fitting)) > 1)
    read = _moment(match, order)
    values = {"value": match[0].strip(), "read": f"{read:%Y-%m-%d}"}
    return _problem("date-order-by-periods", file, name, values)


def _of_column(dates: _Dates, name: str, other: str, file: str) -> Problem:
    """Return the error that a column probably has another order than the rest of a file."""
    mine = [match for column, match in dates if column == name]
    match = next((one for one in mine if len(_readings(one, _possible(one))) > 1), mine[0])
    rest = next((one for _, one in dates if not _fits([one], other)), dates[-1][1])
    values = {"value": match[0].strip(), "other": rest[0].strip()}
    return _problem("date-orders-differ", file, name, values)


def _as_day(text: str) -> str:
    """Return the first day of a month that stands by itself; other texts as they are.

    `201209` may be a month or the day 2020-12-09: it is left as it is, which is no date.
    """
    match = _MONTH.fullmatch(text)
    month = match and (match["m"] or match["c"])
    is_bare = match and text.strip().isdigit()
    if match is None or not month or (is_bare and (len(month) < 2 or match["y"] < "2013")):
        return text
    return f"{match['y']}-{int(month):02}-01"


def _fitting(dates: _Dates) -> list[str]:
    """Return the orders in which all of some texts are dates."""
    return [order for order in _ORDERS if _fits([match for _, match in dates], order)]


def _meant(dates: _Dates, orders: Sequence[str]) -> set[tuple[datetime | None, ...]]:
    """Return what texts mean in some orders, each meaning once."""
    return {tuple(_moment(match, order) for _, match in dates) for order in orders}


def _order(dates: _Dates, fitting: Sequence[str], file: str) -> str:
    """Return the order of dates, of those that fit; nothing where there are no dates.

    Raises Refused where there is not one.
    """
    if not dates:
        return ""
    if len(_meant(dates, fitting)) == 1:
        return fitting[0]
    if fitting:
        name, match = next(one for one in dates if len(_readings(one[1], fitting)) > 1)
        readings = ", ".join(f"{day:%Y-%m-%d}" for day in _readings(match, fitting) if day)
        values = {"value": match[0].strip(), "readings": readings}
        raise Refused([_problem("date-order-unclear", file, name, values)])
    name, match = dates[0]
    other = next((one for _, one in dates if not _both(match, one)), dates[-1][1])
    values = {"value": match[0].strip(), "other": other[0].strip()}
    raise Refused([_problem("date-orders-differ", file, name, values)])


def _problem(code: str, file: str, column: str, values: Mapping[str, str]) -> Problem:
    return Problem(code, Place(file, 0, column), {"column": column, **values})


def _readings(match: re.Match[str], orders: Sequence[str]) -> list[datetime | None]:
    """Return what a text may mean, each meaning once."""
    return list(dict.fromkeys(_moment(match, order) for order in orders))


def _both(one: re.Match[str], other: re.Match[str]) -> bool:
    """Return whether two texts are dates in one order."""
    return any(_fits([one, other], order) for order in _ORDERS)


def _read(matches: _Matches, order: str) -> Read:
    return Read([_moment(match, order) if match else None for match in matches], order)


def _possible(match: re.Match[str]) -> list[str]:
    """Return the orders in which a text is a date."""
    return [order for order in _ORDERS if _fits([match], order)]


def _fits(matches: Sequence[re.Match[str]], order: str) -> bool:
    if order == "ymd" and any(len(match["c"]) == 4 for match in matches):
        return False
    found = [_moment(match, order) for match in matches]
    moments = [moment for moment in found if moment]
    if len(moments) < len(found):
        return False
    is_short = any(len(match["c"]) == 2 for match in matches)
    return not is_short or max(moments) - min(moments) <= _LONGEST


def _moment(match: re.Match[str], order: str) -> datetime | None:
    """Return the moment in UTC that a text says; None where there is no such moment."""
    try:
        moment = datetime(*_day(match, order)) + _time(match)
        zone = timedelta()
        if match["zs"]:
            if int(match["zm"] or 0) > 59:
                raise ValueError("no such offset")
            zone = timedelta(hours=int(match["zh"]), minutes=int(match["zm"] or 0))
            zone = -zone if match["zs"] == "-" else zone
        return moment.replace(tzinfo=timezone(zone)).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, KeyError):
        return None


def _day(match: re.Match[str], order: str) -> tuple[int, int, int]:
    """Return year, month and day. Raises KeyError or ValueError where there is no such month."""
    if match["iso"]:
        month, day = (
            next(_there(match, names)) for names in (("im", "cm", "bm"), ("id", "cd", "bd"))
        )
        return int(match["iso"]), int(month), int(day)
    if match["s"]:
        parts = dict(zip(order, (match["a"], match["b"], match["c"])))
        year = int(parts["y"])
        return year + DAYS[0].year if year < 100 else year, int(parts["m"]), int(parts["d"])
    name = match["m1"] or match["m2"]
    return (
        int(match["y1"] or match["y2"]),
        _NAMES[name.lower()],
        int(match["d1"] or match["d2"]),
    )


def _there(match: re.Match[str], names: Sequence[str]) -> Iterator[str]:
    return (match[name] for name in names if match[name])


def _time(match: re.Match[str]) -> timedelta:
    """Return the time of day. Raises ValueError where there is no such time."""
    if match["h"] is None:
        return timedelta()
    hour, half = int(match["h"]), (match["before"] or match["after"] or "").lower().replace(".", "")
    if half:
        if not 1 <= hour <= 12 and half in ("am", "pm"):
            raise ValueError("no such hour")
        is_late = half in ("pm", "下午")
        hour = hour % 12 + (12 if is_late else 0)
    minute, second = int(match["mi"]), int(match["se"] or 0)
    if (hour, minute, second, half, match["f"]) == (24, 0, 0, "", None):
        return timedelta(days=1)  # the end of a day, as ISO 8601 has it
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("no such time")
    micros = int((match["f"] or "0").ljust(6, "0")[:6])
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)
