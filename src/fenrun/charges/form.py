"""The form of a file: how it is packed, encoded and separated, told by what it holds.

A file of another form than plain UTF-8 text with commas is rewritten as such a file, or as Parquet
of plain types, beside it; all that comes after reads only these. Rows keep their numbers.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple, cast

import pyarrow as pa

from fenrun.base.bounds import MOST_TEXT, most_unpacked, read_text, refuse_unpacked, too_large
from fenrun.base.problem import Place, Refused, refused
from fenrun.base.words import Message
from fenrun.charges.encodings import encoding_of
from fenrun.charges.from_json import rows_of_json
from fenrun.charges.rows import ESSENTIAL

HEAD = 4 << 20
"""Bytes in which the header of a text must end."""
csv.field_size_limit(16 << 20)  # of the process: no reader of a table stops at 128 KB
_BEGINNING = 1 << 16
"""Bytes by which a text is told, where its header ends in them."""
_BLOCK = 1 << 20
_MAGIC = {
    b"PAR1": "parquet",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xd0\xcf\x11\xe0": "old-workbook",
    b"%PDF": "pdf",
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
    b"7z\xbc\xaf": "seven-zip",
    b"Rar!": "rar",
    b"Obj\x01": "avro",
    b"ORC": "orc",
    b"SQLi": "sqlite",
    b"<htm": "html",
    b"<!DO": "html",
    b"<?xm": "xml",
}
"""The first bytes by which a file is told."""
_PACKINGS = ("gzip", "zstd", "zip")
_TAR = (257, b"ustar")
"""Where a tar says what it is, and how."""
_ARCHIVES = (*_PACKINGS, "bzip2", "xz", "seven-zip", "rar", "tar", "parquet")
"""Kinds from which somebody takes the file that is meant; Parquet that is packed is one."""
_TABLES = re.compile(r"(?i)\.(csv|tsv|txt|jsonl?|ndjson|parquet|xlsx?|gz|zst|zip)$")
"""The names of files of an archive that may be meant: a document of an office has none."""
DELIMITERS = ",;\t|"
_SHOWN_AS = {"\t": "\\t"}
_SHOWN = 40
_TITLES = 20
"""Lines among which a header is looked for, to say that it is not the first."""


class Form(NamedTuple):
    """The form of a file."""

    format: str
    """`csv`, `json` or `parquet`."""
    packing: str = "none"
    """`none`, `gzip`, `zstd` or `zip`."""
    encoding: str = "utf-8"
    delimiter: str = ","
    line_end: str = "\n"
    skipped: int = 0
    """Lines before the header: the one by which a spreadsheet is told the delimiter."""
    columns: tuple[str, ...] = ()
    """The column names of a text, as its first line has them."""
    is_wider: bool = False
    """Whether the first row has more cells than the header."""
    header_at: int = 0
    """A later line of a text that looks like a header of charges; 0 where none does."""
    guessed: str = ""
    """Words in an encoding that is likely, but not sure."""

    @property
    def is_text_plain(self) -> bool:
        """Return whether a CSV file can be read as it is."""
        return (
            self.packing != "zip"
            and (self.encoding, self.delimiter, self.line_end) == ("utf-8", ",", "\n")
            and not self.skipped
            and not self.has_nameless
        )

    @property
    def has_nameless(self) -> bool:
        """Return whether there are cells below no name."""
        return self.is_wider or not all(map(str.strip, self.columns))


def form_of(path: Path, is_thorough: bool = False, given: str = "") -> Form:
    """Return the form of a file. Raises Refused where it is none that is read.

    The encoding is `given`, or told by the beginning; by all lines beyond ASCII, if the asker wants
    that.
    """
    packing = packing_of(path)
    with open_packed(path, packing) as file:
        head = guarded(path, lambda: file.read(_BEGINNING))
        if len(head) == _BEGINNING and b"\n" not in head:
            head += guarded(path, lambda: file.read(HEAD - _BEGINNING))
        if not head:
            raise refused("file-empty", Place(path.name))
        inner = _kind_of(head[:4]) or ("tar" if _is_tar(head) else "")
        if inner:
            raise _no_table(path, inner)
        odd = _odd_lines(path, file, head) if is_thorough else head
    encoding, guessed = encoding_of(path, head, odd, given)
    text = _decoded(head, encoding)
    if text.lstrip()[:1] in ("{", "["):
        return Form("json", packing, encoding, guessed=guessed)
    return _text_form(text)._replace(packing=packing, encoding=encoding, guessed=guessed)


def packing_of(path: Path) -> str:
    """Return how a file is packed: `parquet`, `none` (text), or `gzip`, `zstd` or `zip` of text.

    Raises Refused where it cannot be opened, or is no table.
    """
    try:
        with path.open("rb") as file:
            kind = _kind_of(file.read(4))
    except OSError as error:
        detail = error.strerror or Message("file-cannot-be-opened")
        raise refused("file-unreadable", Place(path.name), detail=detail) from error
    if kind not in ("", "parquet", *_PACKINGS):
        raise _no_table(path, kind)
    return kind or "none"


def _no_table(path: Path, kind: str) -> Refused:
    """Return the refusal of a file of a kind that is not read, with what to do."""
    code = "file-packed" if kind in _ARCHIVES else "file-not-table"
    return refused(code, Place(path.name), kind=Message(f"kind-{kind}"))


def _is_tar(head: bytes) -> bool:
    """Return whether the beginning of a file is that of a tar."""
    return head.startswith(_TAR[1], _TAR[0])


def _kind_of(first: bytes) -> str:
    """Return what a file is by its first four bytes; nothing for text."""
    return next((kind for magic, kind in _MAGIC.items() if first.startswith(magic)), "")


def open_packed(path: Path, packing: str) -> IO[bytes]:
    """Open the content of a file, unpacked. Raises Refused where a zip holds several files."""
    if packing == "zip":
        return _open_member(path)
    if packing == "gzip":
        return cast(IO[bytes], gzip.open(path, "rb"))
    stream = pa.input_stream(str(path), compression="zstd" if packing == "zstd" else None)
    return cast(IO[bytes], stream)


def _open_member(path: Path) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(path)
        names = [name for name in archive.namelist() if not re.search(r"(^|/)[._]|/$", name)]
        if any(name.startswith("xl/") for name in names):
            raise refused("file-not-table", Place(path.name), kind=Message("kind-workbook"))
        if len(names) > 1 and not any(map(_TABLES.search, names)):
            raise refused("file-not-table", Place(path.name), kind=Message("kind-others"))
        if len(names) != 1:
            shown = ", ".join(sorted(names)[:5])
            raise refused("zip-contents", Place(path.name), count=len(names), names=shown or "-")
        return archive.open(names[0])
    except Refused:
        raise
    except Exception as error:  # of a damaged archive, whichever its reader meets
        detail = Message("compressed-data-breaks-off")
        raise refused("file-truncated", Place(path.name), detail=detail) from error


def guarded(path: Path, read: Callable[[], bytes]) -> bytes:
    """Read, and say where a compressed stream breaks off. Raises Refused."""
    try:
        return read()
    except Exception as error:  # of a damaged archive, whichever its reader meets
        detail = Message("compressed-data-breaks-off")
        raise refused("file-truncated", Place(path.name), detail=detail) from error


def blocks(path: Path, packing: str) -> Iterator[bytes]:
    """Yield the content. Raises Refused where it breaks off, or unpacks to more than it should."""
    left = most_unpacked(path)
    with open_packed(path, packing) as file:
        while block := guarded(path, lambda: file.read(_BLOCK)):
            left -= len(block)
            if left < 0:
                refuse_unpacked(path)
            yield block


def _odd_lines(path: Path, file: IO[bytes], head: bytes) -> bytes:
    """Return lines beyond ASCII from all over a text."""
    found, size, left = [], 0, b""
    block = head
    while block and size < _BLOCK:
        *lines, left = (left + block).split(b"\n")
        odd = [line for line in lines if not line.isascii()]
        found += odd
        size += sum(map(len, odd))
        block = guarded(path, lambda: file.read(_BLOCK))
    return b"\n".join([*found, left])


def _decoded(head: bytes, encoding: str) -> str:
    """Return the beginning of a text, without its mark."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    return text.removeprefix("\ufeff")


def _text_form(text: str) -> Form:
    """Return how the beginning of a text is separated."""
    line_end = "\n" if "\n" in text or "\r" not in text else "\r"
    lines = text.split(line_end)
    said = re.fullmatch(r"\"?sep=(.)\"?\r?", lines[0])
    lines = lines[1:] if said else lines
    header = lines[0].rstrip("\r")
    delimiter = said[1] if said else max(DELIMITERS, key=lambda d: _clean(header, d))
    columns = _cells(header, delimiter)
    names = [name.lower() for name in ESSENTIAL]
    below = (n for n, line in enumerate(lines[1:_TITLES], 2) if _named(line, names) == len(names))
    first = _cells(lines[1].rstrip("\r"), delimiter) if len(lines) > 1 else []
    return Form(
        "csv",
        delimiter=delimiter,
        line_end=line_end,
        skipped=1 if said else 0,
        columns=tuple(columns),
        header_at=0 if _named(header, names) else next(below, 0),
        is_wider=len(first) > len(columns) and not any(first[len(columns) :]),
    )


def _named(line: str, names: Sequence[str]) -> int:
    """Return how many names stand in a line."""
    lowered = line.lower()
    return sum(name in lowered for name in names)


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter), [])


def _clean(header: str, delimiter: str) -> tuple[int, int]:
    """Return how many cells a delimiter makes in which no other one is, and how many in all.

    Tabs at the ends of cells, by which exports tell spreadsheets that these are texts, make more.
    """
    cells = [cell.strip() for cell in _cells(header, delimiter)]
    others = set(DELIMITERS) - {delimiter}
    return sum(bool(cell) and not others & set(cell) for cell in cells), len(cells)


def write_plain(path: Path, form: Form, file: IO[str]) -> None:
    """Write a text of any form as plain CSV. Raises Refused where it does not keep its form."""
    if form.format == "json":
        _write_json(path, form, file)
    elif form.delimiter == "," and not form.has_nameless:
        file.writelines(islice(_lines(path, form), form.skipped, None))
    else:
        _write_cells(path, form, file)


def _texts(path: Path, form: Form) -> Iterator[str]:
    """Yield the text in parts. Raises Refused where it is not in its encoding."""
    decoder = codecs.getincrementaldecoder(form.encoding)()
    row, is_first = 1, True
    for block in chain(blocks(path, form.packing), [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise refused("file-encoding", Place(path.name, row)) from error
        yield text.removeprefix("\ufeff") if is_first else text
        row, is_first = row + text.count("\n"), False


def _lines(path: Path, form: Form) -> Iterator[str]:
    """Yield the lines of a text, each with its end; a line that ends with CR alone gets LF."""
    left = ""
    for text in _texts(path, form):
        *lines, left = (left + text).split(form.line_end)
        yield from (f"{line}\n" for line in lines)
    if left:
        yield left


def _write_cells(path: Path, form: Form, file: IO[str]) -> None:
    """Write the cells of a text with other delimiters, or with columns that have no name."""
    lines = islice(_lines(path, form), form.skipped, None)
    writer = csv.writer(file, lineterminator="\n")
    named = [place for place, name in enumerate(form.columns) if name.strip()]
    nameless = [place for place, name in enumerate(form.columns) if not name.strip()]
    reader = csv.reader(lines, delimiter=form.delimiter, strict=True)
    try:
        for cells in reader:
            odd = [*nameless, *range(len(form.columns), len(cells))]
            full = next((p for p in odd if p < len(cells) and cells[p].strip()), None)
            if full is not None:
                values = {"number": full + 1, "value": cells[full][:_SHOWN]}
                raise refused("column-unnamed", Place(path.name, reader.line_num), **values)
            writer.writerow([cells[place] for place in named if place < len(cells)])
    except csv.Error as error:
        place = Place(path.name, reader.line_num)
        raise refused("row-malformed", place, detail=str(error)) from error


def json_columns(path: Path, form: Form) -> list[str]:
    """Return the keys that any object of a file has. Raises Refused where it holds others."""
    columns: dict[str, None] = {}
    for row in _objects(path, form):
        columns |= dict.fromkeys(row)
    return list(columns)


def _write_json(path: Path, form: Form, file: IO[str]) -> None:
    """Write objects as rows, with a column for each key that any of them has."""
    columns = json_columns(path, form)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in _objects(path, form):
        writer.writerow([row.get(column, "") for column in columns])


def _objects(path: Path, form: Form) -> Iterator[dict[str, str]]:
    """Yield the objects of a text of JSON, as texts. Raises Refused."""
    return rows_of_json(path.name, _lines(path, form))


def table_text(path: Path) -> str:
    """Return a small table of any form as plain CSV. Raises Refused, or OSError."""
    if packing_of(path) == "none":
        form = form_of(path)
        if form.is_text_plain and form.format == "csv":
            return read_text(path)
        if path.stat().st_size > MOST_TEXT:
            raise too_large(path, "text-too-large", most=MOST_TEXT >> 20)
    file = io.StringIO()
    write_plain(path, form_of(path), file)
    return file.getvalue()


def form_words(form: Form) -> Message | str:
    """Return what is other about a form than plain text with commas; nothing where all is plain."""
    found = ["zip"] if form.packing == "zip" else []
    found += ["JSON"] if form.format == "json" else []
    found += [form.encoding.upper()] if form.encoding != "utf-8" else []
    if form.skipped or form.delimiter != ",":
        found.append(f"sep={_SHOWN_AS.get(form.delimiter, form.delimiter)}")
    found += ["CR"] if form.line_end == "\r" else []
    words = ", ".join(found)
    if form.format == "csv" and form.has_nameless:
        return Message("form-nameless", {"form": words or "CSV"})
    return words
