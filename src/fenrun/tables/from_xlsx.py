"""The reading of a workbook: sheets that are tables of facts, cell by cell as Excel keeps them.

Excel keeps a number to 15 digits, a day as a number, and makes both of what is typed. What it may
have made of an id is refused by its cell, with what to do; so is a formula whose value it has not
kept, or which is an error, and a cell of a merged range but the first: it looks as if it had the
value of that, and has none. Hidden rows count, and are said.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from fenrun.base.bounds import most_unpacked, refuse_unpacked, too_large
from fenrun.base.problem import Place, Refused, refused
from fenrun.base.words import Message
from fenrun.charges.rows import ESSENTIAL

MOST_ROWS = 200_000
"""Rows of one sheet. Larger books are CSV or Parquet files."""
_MOST_COLUMNS = 100
_LONGEST_REASON = 200
_OLD, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
"""The first bytes of a workbook of the old kind, or with a password, and of a new one."""
_MOST_SHEET_ROWS = 1 << 20
"""Rows that Excel has: there is nothing below."""
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
_MARKS = re.compile(
    rb"""<(?:\w+:)?(?:(row)\s(?=[^>]*\br="(\d+)")[^>]*\bhidden="(?:1|true)"[^>]*"""
    rb"""|(mergeCell)\s[^>]*\bref="([A-Z]+\d+:[A-Z]+\d+)"[^>]*)>"""
)
_CALCULATE = re.compile(rb"""<(?:\w+:)?calcPr\s[^>]*\bfullCalcOnLoad="(?:1|true)\"""")
_LONGEST_MARK = 500
"""Bytes of a mark; what the readers of sheets leave out is looked for in their text."""
_CHUNK = 1 << 20


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
    hidden: list[int] = field(default_factory=list)
    """The numbers of those that Excel does not show."""


@dataclass
class _Marks:
    """Marks that a sheet has of its rows and cells, beside their values."""

    hidden: set[int] = field(default_factory=set)
    """The numbers of rows that are not shown."""
    merged: dict[int, dict[int, str]] = field(default_factory=dict)
    """The first cell of the merged range, for each other cell of it: by row, and column from 0."""

    def without_value(self, row: int, valued: Set[str]) -> dict[int, Message]:
        """Return the cells of a row that look as if they had the value of another that has one."""
        return {
            at: Message("cell-merged", {"first": first})
            for at, first in self.merged.get(row, {}).items()
            if first in valued
        }


def _workbook(path: Path, data_only: bool = True) -> Any:
    """Open a workbook, of which the values alone are read, or what was written."""
    from openpyxl import load_workbook  # a sixth of a command's start: few read workbooks

    warnings.filterwarnings("ignore", module="openpyxl")  # what it cannot read is a problem here
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
            readers = [_Reader(path, names, *pair) for pair in pairs]
            return [sheet for reader in readers if (sheet := reader.sheet(table_of))]


def _refuse_swollen(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        if sum(part.file_size for part in file.infolist()) > most_unpacked(path):
            refuse_unpacked(path)


def first_sheet(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a workbook's first sheet, of which every cell is text, with their numbers.

    Raises Refused where a cell below the first row is none, or has no value of its own.
    """
    with _guarded(path):
        _refuse_swollen(path)
        kept, written = _workbook(path), _workbook(path, data_only=False)
        with closing(kept), closing(written):
            sheet = kept.worksheets[0]
            marks, is_stale, valued = _marks(path, sheet), _is_stale(path), set[str]()
            rows = zip(_rows(sheet), _rows(written.worksheets[0]))
            for number, (cells, others) in enumerate(rows, 1):
                valued |= {cell.coordinate for cell in cells if cell.value is not None}
                none = marks.without_value(number, valued)
                for at, (cell, other) in enumerate(zip(cells, others)):
                    none |= {at: why} if (why := _why_none(cell, other, is_stale)) else {}
                    is_text = isinstance(cell.value, (str, type(None)))
                    if number > 1 and at not in none and not is_text:
                        place = Place(path.name, number, cell.coordinate)
                        raise refused("cell-not-text", place, value=str(cell.value))
                for at, why in none.items() if number > 1 else ():
                    place = Place(path.name, number, f"{_letter(at)}{number}")
                    raise refused("cell-no-value", place, detail=why)
                yield number, [str(cell.value or "") for cell in cells]


def _is_stale(path: Path) -> bool:
    """Return whether a workbook asks for its formulas to be calculated.

    Programs that write formulas without a value write 0, or nothing, and ask for that.
    """
    with zipfile.ZipFile(path) as parts:
        return bool(_CALCULATE.search(parts.read("xl/workbook.xml")))


def _why_none(cell: Any, written: Any, is_stale: bool) -> Message | None:
    """Return why a cell has no value of its own, if it has none."""
    if cell.data_type == "e":
        return Message("cell-error", {"text": cell.value})
    is_empty = cell.value is None and (is_stale or cell.data_type != "str")
    if written.data_type == "f" and (is_empty or (is_stale and cell.value == 0)):
        return Message("cell-not-kept")
    return None


def _marks(path: Path, sheet: Any) -> _Marks:
    """Read what is marked in a sheet's text. Of many merged cells the first are taken."""
    found, before = _Marks(), b""
    with zipfile.ZipFile(path) as parts, parts.open(sheet._worksheet_path) as text:
        while chunk := text.read(_CHUNK):
            seen = before + chunk
            for row, number, _, area in (mark.groups() for mark in _MARKS.finditer(seen)):
                if row:
                    found.hidden.add(int(number))
                else:
                    _add_merged(found.merged, area.decode())
            before = seen[-_LONGEST_MARK:]
    return found


def _add_merged(merged: dict[int, dict[int, str]], area: str) -> None:
    """Add all cells of a range but its first."""
    from openpyxl.utils import range_boundaries

    first = area.partition(":")[0]
    left, top, right, bottom = range_boundaries(area)
    for row in range(top, min(bottom, top + MOST_ROWS) + 1) if len(merged) < MOST_ROWS else ():
        columns = range(left - 1, min(right, _MOST_COLUMNS))
        merged.setdefault(row, {}).update(
            (at, first) for at in columns if (row, at) != (top, left - 1)
        )


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
        self._marks, self._is_stale = _marks(path, kept), _is_stale(path)
        self._valued: set[str] = set()

    def sheet(self, table_of: TableOf) -> Sheet | None:
        """Return the table; None for an empty sheet. Raises Refused for what is none."""
        rows = self._rows()
        head = list(islice(rows, _HEAD_ROWS))
        headers = [[_name(cell) for cell in cells] for _, cells, _ in head]
        tables = [table_of(filter(None, names)) for names in headers]
        first = next((at for at, table in enumerate(tables) if table), None)
        if first is None:
            if self._kept.title == HINTS or not any(map(any, headers)):
                return None
            essential = {name.lower() for name in ESSENTIAL}
            if any(essential <= set(names) for names in headers):
                raise refused(
                    "file-not-table", Place(self._path.name), kind=Message("kind-workbook")
                )
            detail = Message("sheet-no-table", {"sheet": self._kept.title, "tables": self._tables})
            raise refused("file-unreadable", Place(self._path.name), detail=detail)
        names, table = headers[first], str(tables[first])
        if twice := twice_in(names):
            cell = f"{self._kept.title}!{_letter(names.index(twice))}{head[first][0]}"
            raise refused(
                "column-twice", Place(self._path.name, head[first][0], cell), column=twice
            )
        below = head[first + 1 :]
        ids = IDS | _IDS_OF.get(table, set())
        found = []
        for number, cells, written in chain(below, rows):
            texts = self._texts(number, names, ids, zip(cells, written))
            if texts:
                found.append((number, texts))
            if len(found) > MOST_ROWS:
                raise too_large(self._path, "too-many-rows", most=MOST_ROWS)
        letters = {name: _letter(at) for at, name in enumerate(names) if name}
        is_hidden = self._kept.sheet_state != "visible"
        hidden = [at for at, _ in found if is_hidden or at in self._marks.hidden]
        return Sheet(self._kept.title, table, letters, found, hidden)

    def _texts(
        self, number: int, names: Sequence[str], ids: Set[str], pairs: Iterable[tuple[Any, Any]]
    ) -> dict[str, str | Message]:
        """Return the cells of a row by column, but those that are empty."""
        found: dict[str, str | Message] = {}
        for at, (cell, written) in enumerate(pairs):
            name = names[at] if at < len(names) else ""
            text = _why_none(cell, written, self._is_stale) or _text(name, ids, cell)
            if text != "":
                found[name or _letter(at)] = text
                if self._marks.merged:
                    self._valued.add(f"{_letter(at)}{number}")
        for at, why in self._marks.without_value(number, self._valued).items():
            found[names[at] if at < len(names) and names[at] else _letter(at)] = why
        return found

    def _rows(self) -> Iterator[tuple[int, Any, Any]]:
        """Yield each row's number, its values and what is written. Raises Refused."""
        for number, (kept, written) in enumerate(zip(_rows(self._kept), _rows(self._written)), 1):
            if far := [cell for cell in kept[_MOST_COLUMNS:] if cell.value is not None]:
                cell = f"{self._kept.title}!{far[0].coordinate}"
                place, count = Place(self._path.name, number, cell), f"> {_MOST_COLUMNS}"
                raise refused("too-many-columns", place, count=count, most=_MOST_COLUMNS)
            yield number, kept[:_MOST_COLUMNS], written[:_MOST_COLUMNS]


def _rows(sheet: Any) -> Iterator[Any]:
    """Yield the rows of a sheet, each as long as it is: those between them have no cells."""
    sheet.reset_dimensions()  # which can be less than what is there
    return iter(sheet.iter_rows(max_row=_MOST_SHEET_ROWS))


def twice_in(names: Iterable[str]) -> str:
    """Return the first name of a header that stands in it twice; nothing where none does."""
    counts = Counter(name.strip().lower() for name in names)
    return next((name for name, count in counts.items() if name and count > 1), "")


def _name(cell: Any) -> str:
    return str(cell.value).strip().lower() if cell.value is not None else ""


def _text(column: str, ids: Set[str], cell: Any) -> str | Message:
    """Return a cell's value as other files write it, or why it cannot be taken."""
    value = cell.value
    if value is None:
        return ""
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
