"""What an archive's head may say wrongly is a problem of the file, never a fault of its reader."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Refused
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.errors.gallery import KNOWN, ROW

_TEXT = f"{','.join(ROW)}\n{','.join(ROW.values())}\n".encode()
_MANY = _TEXT + b"".join(_TEXT.split(b"\n")[1] + b"%d\n" % n for n in range(4000))
_VERSION, _FLAGS, _METHOD = 6, 8, 10
"""Places in the central directory's entry: version needed, flags, method."""


def _zip(*names: str) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, _TEXT)
    return into.getvalue()


def _parquet() -> bytes:
    into = io.BytesIO()
    pq.write_table(pa.table({name: [value] for name, value in ROW.items()}), into)
    return into.getvalue()


def _zstd() -> bytes:
    found: bytes = pa.compress(_MANY, "zstd", asbytes=True)
    return found


_FORMS = {
    "charges.zip": _zip("a.csv"),
    "book.xlsx": _zip("xl/workbook.xml", "[Content_Types].xml"),
    "charges.csv.gz": gzip.compress(_MANY),
    "charges.csv.zst": _zstd(),
    "charges.parquet": _parquet(),
}


def _is_refused_in_words_or_read(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    try:
        import_file(Store(folder / "ws"), folder / name, KNOWN)
    except Refused as refusal:
        assert all(problem.words("what") for problem in refusal.problems)


@pytest.mark.parametrize("name", ["charges.zip", "book.xlsx"])
@pytest.mark.parametrize("place", [_VERSION, _FLAGS, _METHOD])
@pytest.mark.parametrize("value", [1, 9, 12, 14, 20, 65, 93, 255])
def test_an_entry_that_says_otherwise(name: str, place: int, value: int, tmp_path: Path) -> None:
    content = bytearray(_FORMS[name])
    content[content.rindex(b"PK\x01\x02") + place] = value
    _is_refused_in_words_or_read(tmp_path, name, bytes(content))


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("name", _FORMS)
def test_bytes_that_are_otherwise(name: str, tmp_path: Path) -> None:
    chance = random.Random(name)
    for _ in range(60):
        content = bytearray(_FORMS[name])
        ends = chance.choice([(0, len(content)), (0, 60), (len(content) - 120, len(content))])
        for _ in range(chance.randint(1, 4)):
            place = min(len(content) - 1, max(4, chance.randrange(*ends)))
            content[place] = chance.randrange(256)
        _is_refused_in_words_or_read(tmp_path, name, bytes(content))
        cut = _FORMS[name][: chance.randrange(4, len(_FORMS[name]))]
        _is_refused_in_words_or_read(tmp_path, name, cut)
