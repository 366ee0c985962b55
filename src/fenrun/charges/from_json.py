"""Objects of JSON as rows: in lines, in an array, or in what an API puts around a page of them.

`{"value": [...]}`, `{"data": {"items": [...]}}` and `{"columns": [...], "rows": [[...]]}` are read
as their rows. An answer that says that more pages follow is refused: it is a part of a bill.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, cast

from fenrun.base.problem import Place, refused
from fenrun.charges.rows import ESSENTIAL

_SHOWN = 40
_DEEPEST = 4
"""Objects around a list of rows, at most."""
_LISTS = re.compile(
    "(?i)value|data|items?|results?|rows?|records?|charges|content|list|entries|billitems"
)
"""What APIs call the list of rows, where rows do not have the names of FOCUS."""
_MORE = re.compile(
    r"(?i)(@odata\.?)?(next_?(link|page|page_?token|token|cursor|url)?|has_?(more|next(_?page)?)"
    r"|is_?truncated|last_?evaluated_?key|more)"
)
"""What they call the next page."""

_COUNT = re.compile(
    r"(?i)(@odata\.)?count|total_?(count|records|rows|items|elements|results|size|num(ber)?)?"
)
"""What they call the rows of all pages, counted."""

Row = dict[str, str]


class _Number(str):
    """A number as JSON writes it."""


def rows_of_json(file: str, lines: Iterable[str]) -> Iterator[Row]:
    """Yield the objects of a text as texts by their keys. Raises Refused where it holds others."""
    for row, text, value in _values(file, lines):
        for found in _unwrapped(file, row, value):
            if not isinstance(found, dict):
                raise refused("row-malformed", Place(file, row), detail=text[:_SHOWN].strip())
            yield {name: _cell(item) for name, item in found.items()}


def _values(file: str, lines: Iterable[str]) -> Iterator[tuple[int, str, Any]]:
    """Yield the values of a text with their rows: one a line, or of any layout."""
    lines = iter(lines)
    first = next((line for line in lines if line.strip()), "")
    if not _is_line(first):
        yield from _of_any_layout(file, "".join([first, *lines]))
        return
    for row, text in enumerate(chain([first], lines), 1):
        if text.strip():
            yield row, text, _parsed(file, row, partial(_DECODER.decode, text.strip()))


def _is_line(text: str) -> bool:
    """Return whether a line is an object as a whole, or is meant to be one."""
    bare = text.strip()
    if bare in ("{", "[") or bare.startswith("["):
        return False
    try:
        _DECODER.raw_decode(bare)
    except (ValueError, RecursionError):
        return bare.endswith("}")
    return True


def _of_any_layout(file: str, text: str) -> Iterator[tuple[int, str, Any]]:
    """Yield the values of a text that stand behind each other, over as many lines as they have."""
    at, row = _after_blanks(text, 0), 1
    while at < len(text):
        row = 1 + text.count("\n", 0, at)
        value, end = _parsed(file, row, partial(_DECODER.raw_decode, text, at))
        yield row, text[at : at + _SHOWN], value
        at = _after_blanks(text, end)


def _after_blanks(text: str, at: int) -> int:
    return cast(re.Match[str], re.compile(r"[\s,]*").match(text, at)).end()


def _unwrapped(file: str, row: int, value: Any) -> Iterable[Any]:
    """Return the rows that a value holds: itself, unless it is a list or is put around one."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or _is_named(value):
        return [value]
    found = _lists(value, 0)
    if not found:
        inner = [one for one in value.values() if isinstance(one, dict)]
        return inner if len(value) == 1 and inner and _is_named(inner[0]) else [value]
    if len(found) > 1:
        names = ", ".join(path for path, _ in found)
        raise refused("json-lists", Place(file, row), names=names)
    more = _says_more(value, len(found[0][1]), 0)
    if more:
        raise refused("json-pages", Place(file, row), name=more)
    return found[0][1]


def _is_named(value: Any) -> bool:
    """Return whether an object has names of what every charge has."""
    names = {str(name).strip().lower() for name in value} if isinstance(value, dict) else set()
    return any(name.lower() in names for name in ESSENTIAL)


def _lists(value: Mapping[str, Any], deep: int) -> list[tuple[str, Sequence[Any]]]:
    """Return the lists of rows in an object, each with where it stands."""
    table = _table(value)
    if table is not None:
        return [("rows", table)]
    found = list[tuple[str, Sequence[Any]]]()
    for name, item in value.items():
        if isinstance(item, dict) and deep < _DEEPEST:
            found += [(f"{name}.{path}", rows) for path, rows in _lists(item, deep + 1)]
        is_list = isinstance(item, list) and all(isinstance(one, dict) for one in item)
        if is_list and (_LISTS.fullmatch(name) or any(map(_is_named, item[:1]))):
            found.append((name, item))
    named = [one for one in found if any(map(_is_named, one[1][:1]))]
    return named or found


def _table(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object that lists its columns and its rows; None for another."""
    columns, rows = value.get("columns"), value.get("rows")
    if not (isinstance(columns, list) and isinstance(rows, list) and columns):
        return None
    said = [one.get("name") if isinstance(one, dict) else one for one in columns]
    names = [name for name in said if isinstance(name, str)]
    is_table = len({*names}) == len(said)
    is_table &= all(isinstance(row, list) and len(row) == len(names) for row in rows)
    return [dict(zip(names, row)) for row in rows] if is_table else None


def _says_more(value: Any, rows: int, deep: int) -> str:
    """Return the name under which an object says that it lacks rows; nothing where it has all."""
    if not isinstance(value, dict) or deep > _DEEPEST:
        return ""
    for name, item in value.items():
        is_next = _MORE.fullmatch(name) and item and not isinstance(item, list) and item != "false"
        is_count = isinstance(item, _Number) and item.isdecimal() and _COUNT.fullmatch(name)
        if is_next or (is_count and int(item) > rows):
            return str(name)
    return next(filter(None, (_says_more(one, rows, deep + 1) for one in value.values())), "")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON. Raises ValueError where a key is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} x 2")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_Number
)


def _parsed(file: str, row: int, parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except (ValueError, RecursionError) as error:
        raise refused("row-malformed", Place(file, row), detail=str(error)) from error


def _cell(value: object) -> str:
    """Return a value of JSON as a cell: text as it is, nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    """Return a value as JSON, its numbers as they came."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_json(key)}: {_json(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)
