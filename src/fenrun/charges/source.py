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
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.problem import Place, Problem, Refused
from fenrun.charges.rows import ESSENTIAL, focus_columns

MOST_COLUMNS = 2_000
_HEAD = 4 << 20
_BLOCK = 4 << 20


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


def open_source(path: Path) -> Source:
    """Look at a file's head. Raises Refused where it is not a FOCUS file."""
    return _named(path, *read_header(path))


def read_header(path: Path) -> tuple[str, str, list[str]]:
    """Format, compression and column names of a CSV or Parquet file. Raises Refused where it has none."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise Refused(
            [
                Problem(
                    "file-unreadable",
                    Place(path.name),
                    {"detail": error.strerror or "cannot be opened"},
                )
            ]
        ) from error
    if magic == b"PAR1":
        return "parquet", "none", _parquet_header(path)
    compression = (
        "gzip" if magic[:2] == b"\x1f\x8b" else "zstd" if magic == b"\x28\xb5\x2f\xfd" else "none"
    )
    return "csv", compression, _csv_header(path, compression)


def _parquet_header(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise Refused(
            [
                Problem(
                    "file-truncated",
                    Place(path.name),
                    {"detail": "the Parquet footer is missing or broken"},
                )
            ]
        ) from error


def _csv_header(path: Path, compression: str) -> list[str]:
    with open_bytes(path, compression) as file:
        head = _guarded(path, lambda: file.read(_HEAD))
    if not head:
        raise Refused([Problem("file-empty", Place(path.name))])
    line, newline, _ = head.partition(b"\n")
    if (not newline and len(head) == _HEAD) or line.count(b",") >= MOST_COLUMNS:
        count = f"over {line.count(b',')}"
        raise Refused(
            [
                Problem(
                    "too-many-columns", Place(path.name, 1), {"count": count, "most": MOST_COLUMNS}
                )
            ]
        )
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused([Problem("file-encoding", Place(path.name, 1))]) from error
    if "\x00" in text:
        raise Refused(
            [Problem("not-focus", Place(path.name, 1), {"missing": ", ".join(ESSENTIAL)})]
        )
    return next(csv.reader(io.StringIO(text.rstrip("\r"))), [])


def _named(path: Path, kind: str, compression: str, header: list[str]) -> Source:
    known = {name.lower(): name for name in focus_columns()}
    names = {spelt: known.get(spelt.strip().lower(), spelt.strip()) for spelt in header}
    problems = []
    if len(header) > MOST_COLUMNS:
        problems.append(
            Problem(
                "too-many-columns",
                Place(path.name, 1),
                {"count": len(header), "most": MOST_COLUMNS},
            )
        )
    missing = [name for name in ESSENTIAL if name not in names.values()]
    if missing:
        problems.append(Problem("not-focus", Place(path.name, 1), {"missing": ", ".join(missing)}))
    lowered = [names[spelt].lower() for spelt in header]
    for twice in (
        sorted({n for n in lowered if lowered.count(n) > 1}) if len(header) <= MOST_COLUMNS else []
    ):
        problems.append(Problem("column-twice", Place(path.name, 1, twice), {"column": twice}))
    if problems:
        raise Refused(problems)
    return Source(path, kind, compression, tuple(header), names)


def open_bytes(path: Path, compression: str) -> IO[bytes]:
    """The file's content, decompressed."""
    if compression == "gzip":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return pa.input_stream(str(path), compression="zstd" if compression == "zstd" else None)


def content_digest(source: Source, progress: Callable[[int], Any]) -> str:
    """A digest of the content (decompressed), while making sure that it is whole and UTF-8. Raises Refused."""
    seen, decoder, line = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), 1
    for block in _blocks(source):
        seen.update(block)
        progress(len(block))
        if source.format == "csv":
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                row = line + block[: error.start].count(b"\n")
                raise Refused([Problem("file-encoding", Place(source.path.name, row))]) from error
            line += block.count(b"\n")
    return seen.hexdigest()


def _blocks(source: Source) -> Iterator[bytes]:
    with open_bytes(source.path, source.compression) as file:
        while block := _guarded(source.path, lambda: file.read(_BLOCK)):
            yield block


def _guarded(path: Path, read: Callable[[], bytes]) -> bytes:
    """A read whose failure is a located problem: a compressed stream that breaks off."""
    try:
        return read()
    except (EOFError, OSError, gzip.BadGzipFile, pa.ArrowException) as error:
        raise Refused(
            [
                Problem(
                    "file-truncated", Place(path.name), {"detail": "the compressed data breaks off"}
                )
            ]
        ) from error
