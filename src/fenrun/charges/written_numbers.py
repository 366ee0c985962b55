"""Numbers as a file writes them: which mark stands before their decimals, told by all of them.

`1.234,56` and `0,5` say that a comma does, `1,234.56` that a point does; `1,234` alone says
neither, and nobody guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fenrun.base.problem import Place, Problem, Refused

GROUPS = "'’\u00a0\u2009\u202f "
"""What may stand between groups of three digits, besides the mark that is not the decimals'."""
_WRITTEN = re.compile(rf"[+-]?[\d.,{GROUPS}]*\d[\d.,{GROUPS}]*")


class Written(NamedTuple):
    """A number as a file writes it."""

    text: str
    row: int
    """As a spreadsheet counts."""
    column: str


def decimal_mark(numbers: Iterable[Written], file: str, is_comma_likely: bool) -> str:
    """Return the mark before the decimals of a file's numbers: `.` or `,`.

    Where it is likely that a comma is, as in files that semicolons separate, `1.234` alone does not
    say that a point is. Raises Refused where numbers differ, or none of them decides.
    """
    sure: dict[str, Written] = {}
    unsure: Written | None = None
    for number in numbers:
        mark = _mark(number.text)
        if mark:
            sure.setdefault(mark, number)
        elif mark is None and (is_comma_likely or "," in number.text):
            unsure = unsure or number
    if len(sure) == 2:
        raise Refused([_problem("decimal-marks-differ", file, sure["."], other=sure[","].text)])
    if sure or not unsure:
        return next(iter(sure), ".")
    fraction = re.sub("[.,]", ".", unsure.text)
    whole = re.sub("[.,]", "", unsure.text)
    raise Refused([_problem("decimal-mark-unclear", file, unsure, fraction=fraction, whole=whole)])


def _problem(code: str, file: str, number: Written, **values: str) -> Problem:
    place = Place(file, number.row, number.column)
    return Problem(code, place, {"column": number.column, "value": number.text, **values})


def _mark(text: str) -> str | None:
    """Return the mark before a number's decimals; nothing where it has none, None if unclear."""
    bare = text.strip().lstrip("+-")
    if not _WRITTEN.fullmatch(bare):
        return ""
    marks: list[str] = re.findall("[.,]", bare)
    if not marks:
        return ""
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return "." if marks[0] == "," else ","
    head, tail = re.split("[.,]", bare)
    is_group = len(tail) == 3 and re.fullmatch(rf"[1-9]\d{{0,2}}([{GROUPS}]\d{{3}})*", head)
    return None if is_group and head.isdecimal() else marks[0]


def shape_of(mark: str) -> str:
    """Return the pattern of numbers with that mark; groups of three may be parted."""
    other = "," if mark == "." else r"\."
    decimals = rf"({re.escape(mark)}\d*)?"
    grouped = "|".join(rf"\d{{1,3}}({part}\d{{3}})+" for part in (other, f"[{GROUPS}]"))
    grouped += r"|\d{1,2}(,\d\d)+,\d{3}" if mark == "." else ""  # as in India: 12,34,567.89
    return rf"\s*[+-]?(({grouped}|\d+){decimals}|{re.escape(mark)}\d+)\s*"


def read_as(number: Written, mark: str) -> str:
    """Return a number as plain text."""
    if not re.fullmatch(shape_of(mark), number.text):
        return number.text
    other = "," if mark == "." else "."
    return re.sub(f"[{GROUPS}{other}\\s]", "", number.text).replace(",", ".")
