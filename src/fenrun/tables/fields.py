"""The fields of one row, read one by one; what cannot be read is noted at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from fenrun.base.likeness import is_no_name, is_shortened, tidy
from fenrun.base.problem import Place, Problem
from fenrun.base.when import LONG_AGO, OPEN_END, parse_day, parse_moment
from fenrun.base.words import Message, Unreadable
from fenrun.tables.from_xlsx import IDS

_MOST_CHARACTERS = 200
_LONGEST = {"name": 500, "role": 60, "covers": 2000, "reason": 2000}
"""The most characters of a value: what every database of the portal holds."""
_FEWEST_CHARACTERS = min(_LONGEST.values())
_NAMES = ("party", "subject", "issuer", "customer", "partner")
"""Columns in which `None` or `#N/A` is what a program writes for nothing."""
_WRITTEN_BY_HAND = (".yaml", ".yml")
"""The endings of files that no program exports: a party can be called None there."""
_IDS = IDS - {"id"}
_TIMED = re.compile(r"(\S+)[T ](\d{2}):(\d{2})")


@lru_cache(maxsize=64)
def _lower(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of columns as they are looked for: those of all rows of a table at once."""
    return tuple(str(column).strip().lower() for column in columns)


class Fields:
    """One row being read: collects every problem instead of stopping at the first."""

    def __init__(
        self,
        table: str,
        columns: Mapping[str, bool],
        fields: Mapping[str, Any],
        place: Place,
        cells: Mapping[str, str],
    ):
        self.row_no = place.row
        self.problems: list[Problem] = []
        self._source, self._cells = place.source, cells
        if None in fields:  # cells to the right of the header
            fields = {column: value for column, value in fields.items() if column is not None}
        texts = ["" if value is None else str(value).strip() for value in fields.values()]
        self.fields = dict(zip(_lower(tuple(fields)), texts))
        self.unread = {c for c, value in fields.items() if isinstance(value, Message)}
        for column in sorted(self.unread):
            self._add("book-value", column, fields[column])
        for column in _IDS & self.fields.keys():
            self.fields[column] = tidy(self.fields[column])
        self._reject_no_names()
        if not self.fields.keys() <= columns.keys():
            for column in sorted(self.fields.keys() - columns.keys()):
                detail = Message("book-column", {"column": column, "of": table})
                self._add("book-key", column, detail)
        if max(map(len, texts), default=0) > _FEWEST_CHARACTERS or "\0" in "".join(texts):
            self._reject_too_long()

    def _reject_no_names(self) -> None:
        """Note names that no person wrote: what programs and spreadsheets make of some."""
        is_exported = not self._source.lower().endswith(_WRITTEN_BY_HAND)
        for column in _NAMES:
            text = self.fields.get(column)
            if not text:
                continue
            if is_exported and is_no_name(text):
                self.reject(column, "book-no-name", text=text)
            if is_shortened(text):
                self.reject(column, "book-shortened", text=text)

    def _reject_too_long(self) -> None:
        """Note values that no database holds."""
        for column, value in self.fields.items():
            most = _LONGEST.get(column, _MOST_CHARACTERS)
            if "\0" in value:
                self.reject(column, "book-nul")
            elif len(value) > most:
                self.reject(column, "book-too-long", count=len(value), most=most)

    def _add(self, code: str, column: str, detail: Message | str) -> None:
        cell = f"{self._cells[column]}{self.row_no}" if column in self._cells else column
        place = Place(self._source, self.row_no, cell)
        self.problems.append(Problem(code, place, {"column": column, "detail": detail}))

    def reject(self, column: str, key: str, **values: Any) -> None:
        """Note why a value cannot be taken."""
        self._add("book-value", column, Message(key, values))

    def text(self, column: str, default: str | None = None) -> str:
        """Return a value; one that is empty and has no default is a problem."""
        if column in self.unread:
            return ""
        value = self.fields.get(column, "")
        if not value and default is None:
            self.reject(column, "book-empty")
        return value or default or ""

    def choice(self, column: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Return a value that must be one of the choices, or empty where it has a default."""
        value = self.text(column, default)
        if value and value not in choices:
            self.reject(column, "book-choice", text=value, choices=", ".join(choices))
        return value

    def read(self, column: str, parse: Callable[[str], Any], default: Any) -> Any:
        """Return a value as parsed; one that is empty gives the default, if there is one."""
        value = self.fields.get(column, "")
        if column in self.unread or (not value and default is not None):
            return default
        try:
            return parse(value)
        except Unreadable as error:
            self._add("book-value", column, error.message)
            return default

    def read_if_there(self, column: str, parse: Callable[[str], Any]) -> Any:
        """Return a value as parsed; None where it is empty."""
        return self.read(column, parse, None) if self.fields.get(column) else None

    def moment(self, column: str) -> datetime | None:
        """Return a moment (UTC); None where it is empty."""
        found: datetime | None = self.read_if_there(column, parse_moment)
        return found

    def days(self) -> tuple[date, date]:
        """Return the first day, and the first day after."""
        start = self.read("from", parse_day, LONG_AGO)
        end = self.read("to", parse_day, OPEN_END)
        self._in_order(start, end)
        return start, end

    def whole_days(self) -> tuple[date, date]:
        """Return the first day, and the first day after, where times may stand beside the days.

        Only days held from midnight to midnight count: there may be none.
        """
        start = self.read("from", _day_from, LONG_AGO)
        end = self.read("to", _day_to, OPEN_END)
        if "T" in self.fields.get("from", "") + self.fields.get("to", ""):
            return start, max(start, end)
        self._in_order(start, end)
        return start, end

    def _in_order(self, start: date, end: date) -> None:
        if end < start:
            self.reject("to", "book-ends-early", start=start, end=end)


@lru_cache(maxsize=4096)
def _day_from(text: str) -> date:
    """Read the first whole day from a time on: a time after midnight leaves the next day."""
    timed = _TIMED.fullmatch(text.strip())
    if not timed:
        return parse_day(text)
    day = _day_to(text)
    if timed[2] + timed[3] == "0000":
        return day
    if day == OPEN_END:
        raise Unreadable("moment-out-of-range", text=text)
    return day + timedelta(days=1)


@lru_cache(maxsize=4096)
def _day_to(text: str) -> date:
    """Read the first day that is not whole any more."""
    timed = _TIMED.fullmatch(text.strip())
    if not timed:
        return parse_day(text)
    if int(timed[2]) > 23 or int(timed[3]) > 59:
        raise Unreadable("not-a-time", text=text)
    return parse_day(timed[1])
