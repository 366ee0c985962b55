"""A charge file as it lies on disk: its format, its columns, and whether its bytes are whole."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.bounds import most_unpacked, refuse_swollen, refuse_unpacked
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.words import Message
from fenrun.charges.rows import ESSENTIAL, focus_columns

MOST_COLUMNS = 2_000
_HEAD = 4 << 20
"""Bytes in which the header of a CSV file must end."""
_BLOCK = 1 << 20
"""Bytes that are read at a time: they stay in the processor's cache."""
_LINE_FEED, _QUOTE = ord("\n"), ord('"')
_BEFORE_CELL = np.frombuffer(b',\n"', np.uint8)
_AFTER_CELL = np.frombuffer(b',\r\n"', np.uint8)
"""The bytes beside a quote that all readers take for the begin or end of a cell, or for a quote."""
_MAGIC = {b"PAR1": "parquet", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""The first bytes by which a file is told."""


class Header(NamedTuple):
    """The head of a table file."""

    format: str
    """`csv` or `parquet`."""
    compression: str
    """`none`, `gzip` or `zstd` (CSV only)."""
    columns: list[str]
    """Column names as the file spells them."""


@dataclass(frozen=True)
class Source:
    """A file that can be read."""

    path: Path
    format: str
    """`csv` or `parquet`."""
    compression: str
    """`none`, `gzip` or `zstd` (CSV only)."""
    header: tuple[str, ...]
    """Column names as the file spells them."""
    names: dict[str, str]
    """Spelling in the file to name in the store: FOCUS names get their FOCUS spelling."""

    @property
    def columns(self) -> set[str]:
        """The column names in the store."""
        return set(self.names.values())


def open_source(path: Path) -> Source:
    """Read a file's head. Raises Refused where it is not a FOCUS file."""
    header = read_header(path)
    known = {name.lower(): name for name in focus_columns()}
    names = {spelt: known.get(spelt.strip().lower(), spelt.strip()) for spelt in header.columns}
    problems = _header_problems(path, [names[spelt] for spelt in header.columns])
    if problems:
        raise Refused(problems)
    return Source(path, header.format, header.compression, tuple(header.columns), names)


def _header_problems(path: Path, columns: list[str]) -> list[Problem]:
    """Return why a file with these columns (named as in the store) is not a FOCUS file."""
    missing = [name for name in ESSENTIAL if name not in columns]
    problems = []
    if missing:
        problems.append(Problem("not-focus", Place(path.name, 1), {"missing": ", ".join(missing)}))
    if len(columns) > MOST_COLUMNS:
        values = {"count": len(columns), "most": MOST_COLUMNS}
        return [*problems, Problem("too-many-columns", Place(path.name, 1), values)]
    lowered = [name.lower() for name in columns]
    for name in sorted({name for name in lowered if lowered.count(name) > 1}):
        problems.append(Problem("column-twice", Place(path.name, 1, name), {"column": name}))
    return problems


def read_header(path: Path) -> Header:
    """Read the head of a CSV or Parquet file. Raises Refused where it has none."""
    try:
        with path.open("rb") as file:
            first = file.read(4)
    except OSError as error:
        detail = error.strerror or Message("file-cannot-be-opened")
        raise refused("file-unreadable", Place(path.name), detail=detail) from error
    kind = _MAGIC.get(first) or _MAGIC.get(first[:2]) or "none"
    if kind == "parquet":
        return Header("parquet", "none", _parquet_columns(path))
    return Header("csv", kind, _csv_columns(path, kind))


def _parquet_columns(path: Path) -> list[str]:
    try:
        refuse_swollen(path)
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        detail = Message("parquet-footer-broken")
        raise refused("file-truncated", Place(path.name), detail=detail) from error


def _csv_columns(path: Path, compression: str) -> list[str]:
    with open_bytes(path, compression) as file:
        head = _guarded(path, lambda: file.read(_HEAD))
    if not head:
        raise refused("file-empty", Place(path.name))
    top = Place(path.name, 1)
    line, newline, _ = head.partition(b"\n")
    commas = line.count(b",")
    is_endless = not newline and len(head) == _HEAD
    if is_endless or commas >= MOST_COLUMNS:
        raise refused("too-many-columns", top, count=f"> {commas}", most=MOST_COLUMNS)
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused("file-encoding", top) from error
    if "\x00" in text:
        raise refused("not-focus", top, missing=", ".join(ESSENTIAL))
    return next(csv.reader(io.StringIO(text.rstrip("\r"))), [])


def open_bytes(path: Path, compression: str) -> IO[bytes]:
    """Open the file's content, decompressed."""
    if compression == "gzip":
        return cast(IO[bytes], gzip.open(path, "rb"))
    stream = pa.input_stream(str(path), compression="zstd" if compression == "zstd" else None)
    return cast(IO[bytes], stream)


class Content(NamedTuple):
    """The content of a file, decompressed."""

    digest: str
    lines: int
    """Lines of a CSV file."""
    plain: bool
    """Whether every reader of CSV takes the file apart alike, if each of its lines is a row."""


def read_content(source: Source, progress: Callable[[int], Any]) -> Content:
    """Read the content once; `progress` is told of the bytes read.

    Raises Refused where the content breaks off or is not UTF-8.
    """
    seen = hashlib.sha256()
    text = _Text(source.path)
    for block in _blocks(source):
        seen.update(block)
        progress(len(block))
        if source.format == "csv":
            text.add(block)
    return Content(seen.hexdigest(), text.lines, text.is_plain())


class _Text:
    """The findings of a walk over the bytes of a CSV file. Raises Refused where it is not UTF-8."""

    def __init__(self, path: Path):
        self._path = path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._ends = 0
        """Line feeds so far."""
        self._returns = 0
        """Carriage returns so far, each with a line feed after it or not."""
        self._pairs = 0
        """Carriage returns with a line feed after them."""
        self._quotes = 0
        self._is_odd = False
        """Whether a byte or a quote stands where readers differ."""
        self._left = b"\n"
        """The last bytes whose neighbours are not known yet."""

    @property
    def lines(self) -> int:
        """The lines; the last may have no end."""
        return self._ends + (self._left[-1:] != b"\n")

    def is_plain(self) -> bool:
        """Return whether every reader takes the text apart alike, but for quoted line ends."""
        self._inspect(self._left + b"\n")
        undecoded, _ = self._decoder.getstate()
        ends = self._returns in (0, self._ends) and self._returns == self._pairs
        return not self._is_odd and not undecoded and ends and not self._quotes % 2

    def add(self, block: bytes) -> None:
        """Take in the next bytes."""
        if not block.isascii() or self._decoder.getstate()[0]:
            self._decode(block)
        if not self._ends:
            self._left = b"\n" if block.startswith(codecs.BOM_UTF8) else self._left
            block = block.removeprefix(codecs.BOM_UTF8)
        self._ends += int(np.count_nonzero(np.frombuffer(block, np.uint8) == _LINE_FEED))
        self._inspect(self._left + block)
        self._left = (self._left + block[-2:])[-2:]

    def _decode(self, block: bytes) -> None:
        try:
            self._decoder.decode(block)
        except UnicodeDecodeError as error:
            row = 1 + self._ends + block[: error.start].count(b"\n")
            raise refused("file-encoding", Place(self._path.name, row)) from error

    def _inspect(self, text: bytes) -> None:
        """Inspect the bytes of a text that have a neighbour on both sides."""
        self._is_odd |= b"\0" in text
        if b"\r" in text[1:-1]:
            self._returns += text.count(b"\r", 1, -1)
            self._pairs += text.count(b"\r\n", 1)
        if b'"' in text[1:-1]:
            self._inspect_quotes(np.frombuffer(text, np.uint8))

    def _inspect_quotes(self, text: npt.NDArray[np.uint8]) -> None:
        """Note whether each quote begins or ends a cell, or stands beside its like."""
        places = np.flatnonzero(text[1:-1] == _QUOTE) + 1
        is_first = (np.arange(len(places)) + self._quotes) % 2 == 0
        begins = np.isin(text[places[is_first] - 1], _BEFORE_CELL)
        ends = np.isin(text[places[~is_first] + 1], _AFTER_CELL)
        self._is_odd |= not (begins.all() and ends.all())
        self._quotes += len(places)


def _blocks(source: Source) -> Iterator[bytes]:
    """Yield the content. Raises Refused where it breaks off, or unpacks to more than it should."""
    left = most_unpacked(source.path)
    with open_bytes(source.path, source.compression) as file:
        while block := _guarded(source.path, lambda: file.read(_BLOCK)):
            left -= len(block)
            if left < 0:
                refuse_unpacked(source.path)
            yield block


def open_arrow(path: Path, compression: str) -> pa.NativeFile:
    """Open the file's content, decompressed, as Arrow reads it."""
    if compression == "none":
        return pa.memory_map(str(path))
    return pa.input_stream(str(path), compression=compression)


def _guarded(path: Path, read: Callable[[], bytes]) -> bytes:
    """Read, and say where a compressed stream breaks off. Raises Refused."""
    try:
        return read()
    except (EOFError, OSError, gzip.BadGzipFile, pa.ArrowException) as error:
        detail = Message("compressed-data-breaks-off")
        raise refused("file-truncated", Place(path.name), detail=detail) from error
