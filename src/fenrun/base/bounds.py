"""Bounds of files: how large one may be, and how large it may become when it is read."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from fenrun.base.problem import Place, Refused, refused
from fenrun.base.words import Message

MOST_TEXT = 256 << 20
"""Bytes of a text that is read whole: a book, a plan."""
_MOST_RATIO = 100
"""Times that compressed text may grow. Exports grow some ten times, gzip up to a thousand."""
_MOST_VALUES = 30
"""Values that a Parquet file may hold for each of its bytes. Exports hold one or two."""
_SMALL_TEXT, _SMALL_TABLE = 32 << 20, 4 << 20
"""Bytes, and values, that any file may grow to, however small it is."""


def read_text(path: Path) -> str:
    """Return a file's text. Raises Refused where it is too large, or not UTF-8; or OSError."""
    if path.stat().st_size > MOST_TEXT:
        raise too_large(path, "text-too-large", most=MOST_TEXT >> 20)
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused("file-encoding", Place(path.name, 1)) from error


def most_unpacked(path: Path) -> int:
    """Return the bytes that a compressed file may unpack to."""
    return _SMALL_TEXT + _MOST_RATIO * path.stat().st_size


def refuse_unpacked(path: Path) -> None:
    """Refuse a compressed file that unpacks to more."""
    raise too_large(path, "unpacks-too-far", most=_MOST_RATIO)


def refuse_swollen(path: Path, most_rows: int = 2**63) -> None:
    """Refuse a Parquet file that holds more values than its bytes can mean in earnest.

    One value repeated a thousand million times takes it a few bytes. Nor may it have more rows than
    `most_rows`.
    """
    found = pq.read_metadata(path)
    if found.num_rows > most_rows:
        raise too_large(path, "too-many-rows", most=most_rows)
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    values = sum(
        group.column(number).num_values for group in groups for number in range(group.num_columns)
    )
    unpacked = sum(group.total_byte_size for group in groups)
    stored = path.stat().st_size
    if values > _SMALL_TABLE + _MOST_VALUES * stored or unpacked > most_unpacked(path):
        raise too_large(path, "parquet-too-far", values=values, size=unpacked >> 20)


def too_large(path: Path, why: str, **values: int) -> Refused:
    """Return the refusal of a file; `why` names its words."""
    return refused("file-too-large", Place(path.name), detail=Message(why, values))
