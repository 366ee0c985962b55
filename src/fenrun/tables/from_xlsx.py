"""The reading of a workbook: sheets that are tables of facts, cell by cell as Excel keeps them.

Excel keeps a number to 15 digits, a day as a number, and makes both of what is typed. What it may
have made of an id is refused by its cell, with what to do; so is a formula whose value it has not
kept, or which is an error.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from fenrun.base.bounds import most_unpacked, refuse_unpacked, too_large
from fenrun.base.problem import Place, Refused, refused
from fenrun.base.words import Message

MOST_ROWS = 200_000
"""Rows of one sheet. Larger books are CSV or Parquet files."""
_MOST_COLUMNS = 100
_LONGEST_REASON = 200
_OLD, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
"""The first bytes of a workbook of the old kind, or with a password, and of a new one."""
_HEAD_ROWS = 20
"""Rows in which the header of a sheet must stand."""
IDS = frozenset(
    (
        *("party", "subject", "issuer", "id", "customer", "partner", "sku"),
        *("agreement", "floor", "approval", "coupon", "event", "payment", "trade"),
        *("actor", "order", "device", "payer", "seller", "buyer", "item", "serial", "project"),
        *("asked_by", "decided_by", "granted_by", "reference", "address"),
    )
)
"""Columns of ids: what looks like a number or a day there is text that Excel changed."""
_IDS_OF = {"identities": {"value"}, "rates": {"period"}}
"""Further columns of ids, by the one table in which they are: the period of a rate can be a day."""
_DAYS, _MOMENTS, _PERIOD = {"from", "to", "day"}, {"at", "asked_at", "decided_at"}, "period"
_DIGITS = 15
"""Digits of a number that Excel keeps."""
HINTS = "fenrun"
"""The sheet of a template that holds no rows."""


@dataclass(frozen=True)
class Sheet:
    """A table of a workbook."""

    name: str
    table: str
    """The table that its header is of."""
    columns: dict[str, str]
    """The letter of each column, by its name in the header."""
    rows: list[tuple[int, dict[str, Any]]]
    """The number of each row, and its cells by column: text, or a Message why it cannot be one."""


def _workbook(path: Path, data_only: bool = True) -> Any:
    """Open a workbook, of which the values alone are read, or what was written."""
    from openpyxl import load_workbook  # a sixth of a command's start: few read workbooks

    return load_workbook(path, read_only=True, data_only=data_only)


def _letter(place: int) -> str:
    """Return the letter of a column, the first of which is 0."""
    from openpyxl.utils import get_column_letter

    letter: str = get_column_letter(place + 1)
    return letter


def headers_of(path: Path) -> list[list[str]]:
    """Return the rows of all sheets in which a header may stand, as names. Raises Refused."""
    with _guarded(path):
        _refuse_swollen(path)
        with closing(_workbook(path)) as book:
            sheets = [sheet for sheet in book.worksheets if sheet.title != HINTS]
            rows = (sheet.iter_rows(max_row=_HEAD_ROWS, max_col=_MOST_COLUMNS) for sheet in sheets)
            heads = (islice(found, _HEAD_ROWS) for found in rows)  # many may say they are the third
            return [[_name(cell) for cell in row] for found in heads for row in found]


def is_workbook(path: Path) -> bool:
    """Return whether a file is a workbook of Excel, by what it holds.

    Raises OSError, and Refused for one of an old kind.
    """
    with path.open("rb") as file:
        first = file.read(len(_OLD))
    if first == _OLD:
        raise refused("file-unreadable", Place(path.name), detail=Message("workbook-old"))
    if not first.startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(path) as parts:
            return "xl/workbook.xml" in parts.namelist()
    except Exception:  # of a damaged archive, whichever its reader meets: it is no workbook
        return False


TableOf = Callable[[Iterable[str]], str | None]
"""Tells the table of a header, if it is one of a table."""


def read_sheets(path: Path, table_of: TableOf, tables: Iterable[str]) -> list[Sheet]:
    """Read the sheets whose header is one of a table. Raises Refused where it is too large.

    So it is where a sheet is none, but for that of a template's hints: nothing is passed over.
    """
    with _guarded(path):
        _refuse_swollen(path)
        kept = _workbook(path)
        written = _workbook(path, data_only=False)
        with closing(kept), closing(written):
            pairs = zip(kept.worksheets, written.worksheets)
            names = ", ".join(tables)
            readers = [_Reader(path, names, *pair) for pair in pairs if pair[0].title != HINTS]
            return [sheet for reader in readers if (sheet := reader.sheet(table_of))]


def _refuse_swollen(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        if sum(part.file_size for part in file.infolist()) > most_unpacked(path):
            refuse_unpacked(path)


def first_sheet(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a workbook's first sheet, of which every cell is text, with their numbers.

    Raises Refused where a cell below the first row is none.
    """
    with _guarded(path):
        _refuse_swollen(path)
        with closing(_workbook(path)) as book:
            for number, cells in enumerate(book.worksheets[0].iter_rows(), 1):
                odd = next((c for c in cells if not isinstance(c.value, (str, type(None)))), None)
                if odd is not None and number > 1:
                    place = Place(path.name, number, odd.coordinate)
                    raise refused("cell-not-text", place, value=str(odd.value))
                yield number, [str(cell.value or "") for cell in cells]


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Refuse a workbook that breaks its reader, which raises whatever it meets.

    Raises Refused.
    """
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        raise refused("file-unreadable", Place(path.name), detail=detail) from error


class _Reader:
    """One sheet being read: the values that Excel keeps, beside what is written in the cells."""

    def __init__(self, path: Path, tables: str, kept: Any, written: Any):
        self._path, self._tables, self._kept, self._written = path, tables, kept, written

    def sheet(self, table_of: TableOf) -> Sheet | None:
        """Return the table; None for an empty sheet. Raises Refused for what is none."""
        rows = self._rows()
        head = list(islice(rows, _HEAD_ROWS))
        headers = [[_name(cell) for cell in cells] for _, cells, _ in head]
        tables = [table_of(filter(None, names)) for names in headers]
        first = next((at for at, table in enumerate(tables) if table), None)
        if first is None:
            if not any(name for names in headers for name in names):
                return None
            detail = Message("sheet-no-table", {"sheet": self._kept.title, "tables": self._tables})
            raise refused("file-unreadable", Place(self._path.name), detail=detail)
        names, table = headers[first], str(tables[first])
        below = head[first + 1 :]
        ids = IDS | _IDS_OF.get(table, set())
        found = []
        for number, cells, written in chain(below, rows):
            texts = {
                names[at] if at < len(names) and names[at] else _letter(at): text
                for at, (cell, other) in enumerate(zip(cells, written))
                if (text := _text(names[at] if at < len(names) else "", ids, cell, other)) != ""
            }
            if texts:
                found.append((number, texts))
            if len(found) > MOST_ROWS:
                raise too_large(self._path, "too-many-rows", most=MOST_ROWS)
        letters = {name: _letter(at) for at, name in enumerate(names) if name}
        return Sheet(self._kept.title, table, letters, found)

    def _rows(self) -> Iterator[tuple[int, Any, Any]]:
        """Yield each row's number, its values and what is written. Raises Refused."""
        most = {"max_row": 1 << 20, "max_col": _MOST_COLUMNS + 1}
        pairs = zip(self._kept.iter_rows(**most), self._written.iter_rows(**most))
        for number, (kept, written) in enumerate(pairs, 1):
            if len(kept) > _MOST_COLUMNS and kept[_MOST_COLUMNS].value is not None:
                place, count = Place(self._path.name, number), f"> {_MOST_COLUMNS}"
                raise refused("too-many-columns", place, count=count, most=_MOST_COLUMNS)
            yield number, kept, written


def _name(cell: Any) -> str:
    return str(cell.value).strip().lower() if cell.value is not None else ""


def _text(column: str, ids: Set[str], cell: Any, written: Any) -> str | Message:
    """Return a cell's value as other files write it, or why it cannot be taken."""
    value = cell.value
    if cell.data_type == "e":
        return Message("cell-error", {"text": value})
    if value is None:
        return Message("cell-not-kept") if written.data_type == "f" else ""
    if isinstance(value, bool):
        return Message("cell-truth", {"text": str(value).upper()})
    if isinstance(value, (datetime, date)):
        return _of_day(column, value, column in ids)
    if isinstance(value, (int, float)):
        return _of_number(column in ids, value, cell.number_format or "")
    return value if isinstance(value, str) else Message("cell-time", {"text": value})


def _of_day(column: str, value: datetime | date, is_id: bool) -> str | Message:
    """Return a day, or the month of which Excel made its first day; of an id why it is none."""
    is_whole = not isinstance(value, datetime) or value.time() == time()
    day = value.date() if isinstance(value, datetime) else value
    if column in _DAYS:
        return str(day) if is_whole else f"{value:%Y-%m-%dT%H:%M}"
    if column in _MOMENTS:
        return _of_moment(value)
    if column == _PERIOD and not is_id and is_whole and day.day == 1:
        return f"{day:%Y-%m}"
    return Message("cell-day", {"text": str(day)})


def _of_moment(value: datetime | date) -> str:
    """Return a moment in whole seconds: Excel keeps it as a part of a day."""
    if not isinstance(value, datetime):
        return str(value)
    return (value + timedelta(milliseconds=500)).replace(microsecond=0).isoformat()


def _of_number(is_id: bool, value: int | float, form: str) -> str | Message:
    """Return a number in the digits that Excel keeps, as a rate where it is shown as one."""
    number = Decimal(f"{value:.{_DIGITS}g}")
    shown = f"{number:f}"
    if is_id:
        return Message("cell-id", {"text": shown})
    if number and number.adjusted() >= _DIGITS:
        return Message("cell-digits", {"text": shown, "most": _DIGITS})
    return f"{number.scaleb(2):f} %" if "%" in form else shown
