"""A charge file as it lies on disk: its form, its columns, and whether its bytes are whole."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.bounds import refuse_swollen
from fenrun.base.ids import digest, file_digest
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.words import Message, visible
from fenrun.charges.form import (
    Form,
    blocks,
    form_of,
    form_words,
    json_columns,
    packing_of,
    write_plain,
)
from fenrun.charges.headings import agreed, heading_key, name_key, propose, proposed
from fenrun.charges.plain_parquet import floats_of, is_plain, problems_of_types, write_plain_parquet
from fenrun.charges.rows import ESSENTIAL, ORDER, focus_columns

MOST_COLUMNS = 2_000
_MOST_LISTED = 500
_LINE_FEED, _QUOTE = ord("\n"), ord('"')
_BEFORE_CELL, _AFTER_CELL = (
    np.isin(np.arange(256), np.frombuffer(beside, np.uint8)) for beside in (b',\n"', b',\r\n"')
)
"""Of each byte, whether beside a quote all readers take it for the begin or end of a cell, or for a
quote."""


class Header(NamedTuple):
    """The head of a table file."""

    format: str
    """`csv` or `parquet`."""
    columns: list[str]
    """Column names as the file spells them."""
    form: Form


@dataclass(frozen=True)
class Said:
    """Things said of a file beyond its bytes, by a person or the workspace's sources."""

    fills: Mapping[str, str] = field(default_factory=dict)
    """By column of text what stands in its empty cells, or in a column that is not there."""
    encoding: str = ""
    """In which encoding it is; empty where its bytes tell."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The file's heading by column of FOCUS, where it is another."""
    called: str = ""
    """How a command names it, where that is not by its name alone."""
    zone: str = ""
    """The time zone of times that do not say theirs; empty for UTC."""
    part: Mapping[str, Any] = field(default_factory=dict)
    """The part of a run of an export that it is, as a manifest says."""

    def digest_of(self, content: str) -> str:
        """Return the id of what bytes say, by their digest, with all that is said of them."""
        said = digest("charges", content, *([sorted(self.fills.items())] if self.fills else []))
        said = digest("charges", said, self.encoding) if self.encoding else said
        said = digest("charges", said, sorted(self.columns.items())) if self.columns else said
        return digest("charges", said, "zone", self.zone) if self.zone else said

    def options(self) -> list[str]:
        """Return the options of a command by which all of this is said."""
        pairs = (("--column", self.columns), ("--set", self.fills))
        words = [w for option, said in pairs for n, v in said.items() for w in (option, f"{n}={v}")]
        one = (("--encoding", self.encoding), ("--zone", self.zone))
        return words + [word for option, value in one if value for word in (option, value)]


NOTHING_SAID = Said()


@dataclass(frozen=True)
class Source:
    """A file that can be read."""

    path: Path
    """The file; or one of plain form that says the same."""
    format: str
    """`csv` or `parquet`."""
    compression: str
    """`none`, `gzip` or `zstd` (CSV only)."""
    header: tuple[str, ...]
    """Column names as the file spells them."""
    names: dict[str, str]
    """Spelling in the file to name in the store: FOCUS names get their FOCUS spelling."""
    origin: Path
    """The file as it came."""
    packing: str = "none"
    """How it came packed: `none`, `gzip`, `zstd` or `zip`."""
    digest: str = ""
    """The digest of what came, unpacked, where `path` is another file."""
    is_comma_likely: bool = False
    """Whether `1.234` may be a number of thousands: semicolons stand between its cells."""
    floats: frozenset[str] = frozenset()
    """The columns that came as binary floats, by their names in the store."""
    called: str = ""
    """How a command names it; empty where that is by its name alone."""
    said: tuple[Problem, ...] = ()
    """How the file was read, where that is not plain."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Columns of which another has the heading too, by name in the store: the other's name."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The texts in columns that the file does not have and somebody has said."""
    agreed: frozenset[str] = frozenset()
    """The columns whose heading somebody has said."""
    zone: str = ""
    """The time zone of times that do not say theirs; empty for UTC."""

    @property
    def columns(self) -> set[str]:
        """The column names in the store."""
        return set(self.names.values())


def open_source(
    path: Path, scratch: Path | None = None, is_thorough: bool = False, said: Said = NOTHING_SAID
) -> Source:
    """Read a file's head. Raises Refused where it is not a FOCUS file.

    A file that is not of plain form is written as one into the scratch folder, if there is one. The
    encoding is said, or told by its beginning; by all of it, if the asker wants that.
    """
    header = read_header(path, is_thorough, said.encoding)
    names, copies = _agreed_names(path, header.columns, said.columns)
    there = [names[spelt] for spelt in header.columns if spelt in names]
    given = {
        n: v for n, v in said.fills.items() if _type(n) == "String" and n not in {*there, *copies}
    }
    problems = _header_problems(path, [*there, *copies], given, header.columns, said)
    if problems:
        below = {"also_fix": Message("header-below", {"line": header.form.header_at})}
        more = below if header.form.header_at else {}
        raise Refused(replace(p, values=p.values | more) for p in problems)
    form = header.form
    compression = form.packing if header.format == "csv" else "none"
    source = Source(path, header.format, compression, tuple(names), names, path, form.packing)
    notes = (*_said(path, form), *([agreed(path.name, said.columns)] if said.columns else []))
    source = replace(source, is_comma_likely=form.delimiter == ";", said=notes)
    source = replace(source, copies=copies, given=given, agreed=frozenset(said.columns))
    source = replace(source, called=said.called or path.name, zone=said.zone)
    if header.format == "parquet":
        return _plain_parquet(source, scratch)
    if form.is_text_plain and form.format == "csv":
        return source
    return _plain_text(source, form, scratch)


def names_of(columns: Sequence[str]) -> dict[str, str]:
    """Return the name in the store of each column that has one in the file, by its spelling."""
    known = {name_key(name): name for name in focus_columns()}
    there = [spelt for spelt in columns if spelt.strip()]
    return {spelt: known.get(name_key(spelt), spelt.strip()) for spelt in there}


def _type(name: str) -> str:
    """Return the type of a column that somebody may name; nothing of one that FOCUS has not."""
    column = focus_columns().get(name)
    return column.type if column else "String" if name == ORDER else ""


def _agreed_names(
    path: Path, columns: Sequence[str], said: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of columns by their spelling, as somebody has said some of them.

    With them come the names of columns whose heading another has already, and that other's. Raises
    Refused where a heading is not there, or a column cannot be said.
    """
    names, copies = names_of(columns), dict[str, str]()
    by_key: dict[str, list[str]] = {}
    for spelt in names:
        by_key.setdefault(heading_key(spelt), []).append(spelt)
    taken: dict[str, str] = {}
    for name, heading in said.items():
        same = [s for s in names if s.strip() == heading.strip()]
        found = same or by_key.get(heading_key(heading), [])
        other = taken.get(found[0], name) if found else ""
        if len(found) != 1 or not _type(name) or _type(other) != _type(name):
            values = {"heading": visible(heading), "column": visible(name)}
            listed = visible(", ".join(names)[:_MOST_LISTED])
            raise refused("column-not-there", Place(path.name, 1), columns=listed, **values)
        if found[0] in taken:
            copies[name] = other
        else:
            taken[found[0]] = name
    return names | taken, copies


def _said(path: Path, form: Form) -> tuple[Problem, ...]:
    """Return how a text was read."""
    found, words = [], form_words(form)
    if words:
        found.append(Problem("read-as", Place(path.name), {"form": words}))
    if form.guessed:
        values = {"encoding": form.encoding.upper(), "value": form.guessed}
        found.append(Problem("encoding-guessed", Place(path.name), values))
    return tuple(found)


def _plain_text(source: Source, form: Form, scratch: Path | None) -> Source:
    """Write a text as plain CSV into the scratch folder."""
    if scratch is None:
        return source
    seen = hashlib.sha256()
    for block in blocks(source.path, form.packing):
        seen.update(block)
    into = scratch / "plain" / source.path.name
    into.parent.mkdir()
    with into.open("w", encoding="utf-8", newline="") as file:
        write_plain(source.path, form, file)
    return replace(source, path=into, compression="none", digest=seen.hexdigest())


def _plain_parquet(source: Source, scratch: Path | None) -> Source:
    """Write a Parquet file with other types than plain ones into the scratch folder."""
    schema = pq.read_schema(source.path)
    problems = problems_of_types(schema, source.names, source.path.name)
    if problems:
        raise Refused(problems)
    source = replace(source, floats=floats_of(schema, source.names))
    if scratch is None or is_plain(schema, source.names):
        return source
    into = scratch / "plain" / source.path.name
    into.parent.mkdir()
    write_plain_parquet(source.path, source.names, into)
    return replace(source, path=into, digest=file_digest(source.path))


def _header_problems(
    path: Path,
    columns: list[str],
    given: Mapping[str, str],
    headings: Sequence[str],
    said: Said,
) -> list[Problem]:
    """Return why a file with these columns (named as in the store) is not a FOCUS file."""
    missing = [name for name in ESSENTIAL if name not in columns and name not in given]
    problems = []
    if missing:
        found = propose(headings, columns, [*given])
        if found.columns or found.unclear:
            problems += proposed(path.name, said.called or path.name, found, said.options())
        else:
            values = {"missing": ", ".join(missing)}
            problems.append(Problem("not-focus", Place(path.name, 1), values))
    if len(columns) > MOST_COLUMNS:
        many = {"count": len(columns), "most": MOST_COLUMNS}
        return [*problems, Problem("too-many-columns", Place(path.name, 1), many)]
    lowered = [name.lower() for name in columns]
    for name in sorted({name for name in lowered if lowered.count(name) > 1}):
        problems.append(Problem("column-twice", Place(path.name, 1, name), {"column": name}))
    return problems


def read_header(path: Path, is_thorough: bool = False, encoding: str = "") -> Header:
    """Read the head of a table file. Raises Refused where it has none.

    The encoding is given, or told by its beginning; by all of it, if the asker wants that.
    """
    if packing_of(path) == "parquet":
        return Header("parquet", _parquet_columns(path), Form("parquet"))
    form = form_of(path, is_thorough, encoding)
    if form.format == "csv":
        _check_columns(path, form.columns)
        return Header("csv", list(form.columns), form)
    return Header("csv", json_columns(path, form), form)


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    """Refuse a text whose first line is no header."""
    top = Place(path.name, 1)
    if len(columns) >= MOST_COLUMNS:
        raise refused("too-many-columns", top, count=f"> {len(columns) - 1}", most=MOST_COLUMNS)
    if any("\0" in column for column in columns):
        raise refused("not-focus", top, missing=", ".join(ESSENTIAL))


def _parquet_columns(path: Path) -> list[str]:
    try:
        refuse_swollen(path)
        return list(pq.read_schema(path).names)
    except Refused:
        raise
    except Exception as error:  # of a damaged file, whichever its reader meets
        detail = Message("parquet-footer-broken")
        raise refused("file-truncated", Place(path.name), detail=detail) from error


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
    with ThreadPoolExecutor(1) as beside:
        for block in blocks(source.path, source.compression):
            digested = beside.submit(seen.update, block)
            progress(len(block))
            if source.format == "csv":
                text.add(block)
            digested.result()
    return Content(source.digest or seen.hexdigest(), text.lines, text.is_plain())


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
        if text.find(b"\r", 1, -1) >= 0:
            self._returns += text.count(b"\r", 1, -1)
            self._pairs += text.count(b"\r\n", 1)
        if text.find(b'"', 1, -1) >= 0:
            self._inspect_quotes(np.frombuffer(text, np.uint8))

    def _inspect_quotes(self, text: npt.NDArray[np.uint8]) -> None:
        """Note whether each quote begins or ends a cell, or stands beside its like."""
        places = np.flatnonzero(text[1:-1] == _QUOTE) + 1
        first = self._quotes % 2
        begins = _BEFORE_CELL[text[places[first::2] - 1]]
        ends = _AFTER_CELL[text[places[1 - first :: 2] + 1]]
        self._is_odd |= not (begins.all() and ends.all())
        self._quotes += len(places)


def open_arrow(path: Path, compression: str) -> pa.NativeFile:
    """Open the file's content, decompressed, as Arrow reads it."""
    if compression == "none":
        return pa.memory_map(str(path))
    return pa.input_stream(str(path), compression=compression)
