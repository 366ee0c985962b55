"""Bounds of what is read: a small text or file must not become a large one in memory."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from unittest import mock

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base import bounds, nodes
from fenrun.base.nodes import Overgrown, compose
from fenrun.base.problem import Refused
from fenrun.lab.scenario import read_scenario
from fenrun.plan.read import read_plan
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from fenrun.tables import from_xlsx, records
from fenrun.terms.policy import read_policy
from tests.charges.test_bad_files import GOOD


def _laughs(levels: int, each: int) -> str:
    """Lists of aliases of lists of aliases: `each` to the power of `levels` leaves."""
    lines = ["a0: &a0 x"]
    for level in range(1, levels + 1):
        aliases = ", ".join([f"*a{level - 1}"] * each)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (_laughs(9, 9), "text-repeats"),
        (_laughs(60, 2), "text-repeats"),
        ("a0: &a0 {x: y, z: w}\na: [" + "*a0, " * 1001 + "]", "text-overgrown"),
        ("[" * 61 + "]" * 61, "text-overgrown"),
        ("[" + "[]," * 10_000 + "]", "text-too-long"),
    ],
    ids=["laughs", "doubles", "aliases", "depth", "nodes"],
)
def test_a_text_that_grows_is_refused_before_it_does(text: str, key: str) -> None:
    with mock.patch.object(nodes, "_MOST_NODES", 10_000), pytest.raises(Overgrown) as caught:
        compose(text)
    assert caught.value.message.key == key


@pytest.mark.parametrize("read", [read_plan, read_scenario, read_policy])
def test_every_text_that_people_write_is_bounded(read: Callable[[str, str], object]) -> None:
    with pytest.raises(Refused, match="repeat more than"):
        read(f"title: x\n{_laughs(9, 9)}", "text.yaml")


def test_what_plans_and_books_repeat_is_read() -> None:
    shared = ", ".join(f"k{n}: {n}" for n in range(40))
    assert compose(f"a: &a {{{shared}}}\nb: [{'*a, ' * 999}]")


def _swollen(path: Path, values: int) -> None:
    """Write a table that repeats one value: a few bytes, however many there are."""
    names = ("party", "kind", "name")
    column = pa.DictionaryArray.from_arrays(pa.nulls(values, pa.int32()).fill_null(0), ["partner"])
    pq.write_table(pa.table(dict.fromkeys(names, column)), path, compression="zstd")


def _zeros(path: Path, size: int) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(GOOD.encode())
        for _ in range(size >> 20):
            out.write(b"\n" * (1 << 20))


def _full_sheet(path: Path, rows: int) -> None:
    """Write a workbook whose third row stands in it again and again."""
    openpyxl.Workbook().save(path)
    row = b'<row r="3"><c r="A3" t="inlineStr"><is><t>P2</t></is></c></row>'
    with zipfile.ZipFile(path) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b"<sheetData>" in parts[sheet]
    parts[sheet] = parts[sheet].replace(b"<sheetData>", b"<sheetData>" + row * rows)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name, content in parts.items():
            out.writestr(name, content)


def test_a_workbook_that_swells_is_not_even_opened(tmp_path: Path) -> None:
    """Looking for its header alone read two million rows, in minutes."""
    _full_sheet(tmp_path / "swells.xlsx", 1_000_000)
    opened = mock.patch.object(from_xlsx, "_workbook", side_effect=AssertionError)
    with opened, pytest.raises(Refused) as caught:
        import_file(Store(tmp_path / "ws"), tmp_path / "swells.xlsx", datetime(2026, 1, 1))
    assert [p.code for p in caught.value.problems] == ["file-too-large"]
    _full_sheet(tmp_path / "full.xlsx", 30_000)
    assert len(from_xlsx.headers_of(tmp_path / "full.xlsx")) <= 20


def test_a_file_that_swells_is_refused_at_import(tmp_path: Path) -> None:
    _swollen(tmp_path / "book.parquet", 6_000_000)
    rows = b"P1,partner,One\n" * 1001
    (tmp_path / "rows.csv").write_bytes(b"party,kind,name\n" + rows)
    columns = [f"c{n}" for n in range(200)]
    wide = pa.table(dict.fromkeys([*columns, "party", "kind"], pa.nulls(100_000)))
    pq.write_table(wide, tmp_path / "wide.parquet")
    _zeros(tmp_path / "charges.csv.zst", 40 << 20)
    with (tmp_path / "book.csv").open("wb") as file:
        file.write(b"party,kind,name\n")
        file.truncate(bounds.MOST_TEXT + 1)
    with (tmp_path / "plan.yaml").open("wb") as file:
        file.truncate(bounds.MOST_TEXT + 1)
    for path in sorted(tmp_path.iterdir()):
        with mock.patch.object(records, "_MOST_ROWS", 1000), pytest.raises(Refused) as caught:
            import_file(Store(tmp_path / "ws"), path, datetime(2026, 1, 1))
        assert [p.code for p in caught.value.problems] == ["file-too-large"], path.name
