"""Forms of charge files: each is read as the plain file that says the same, or refused in words."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.problem import Refused
from fenrun.charges.form import table_text
from fenrun.charges.read import stage_charges
from fenrun.charges.stored import read_charges
from fenrun.store.facts import Imported, Replaced, Store

DAYS = ("2024-09-01", "2024-10-01", "2024-09-02", "2024-09-03")
COLUMNS = [
    *("BilledCost", "EffectiveCost", "BillingAccountId", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"),
    *("ChargeCategory", "InvoiceIssuerName", "x_Note"),
]
ROWS = [
    ["100.25", "100.25", "A1", "CNY", *DAYS, "Usage", "北辰云", "one, two"],
    ["50.50", "50.00", "A2", "CNY", *DAYS, "Usage", "北辰云", "three"],
    ["-0.75", "0.00", "A2", "CNY", *DAYS, "Credit", "北辰云", ""],
]


def _text(delimiter: str = ",", end: str = "\n", comma: bool = False, more: str = "") -> str:
    """The rows as text; `more` stands at the end of every line."""
    lines = [COLUMNS, *ROWS]
    if comma:
        lines = [
            [cell.replace(".", ",") if n < 2 else cell for n, cell in enumerate(r)] for r in lines
        ]
    cells = [[f'"{c}"' if set(c) & {delimiter, "\n"} else c for c in line] for line in lines]
    return "".join(delimiter.join(line) + more + end for line in cells)


def _zip(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, _text())
    return packed.getvalue()


def _tar() -> bytes:
    packed, text = io.BytesIO(), _text().encode()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("charges.csv")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return packed.getvalue()


def _zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


def _json(end: str = "\n") -> str:
    objects = [dict(zip(COLUMNS, row)) for row in ROWS]
    texts = (json.dumps(o, ensure_ascii=False) for o in objects)
    return end.join(text.replace('"100.25"', "100.25").replace('""', "null") for text in texts)


FORMS = {
    "comma": _text().encode(),
    "semicolon": _text(";").encode(),
    "tab": _text("\t").encode(),
    "pipe": _text("|").encode(),
    "semicolon and decimal comma": _text(";", comma=True).encode(),
    "tab and decimal comma": _text("\t", comma=True).encode(),
    "comma and quoted decimal comma": _text(comma=True).encode(),
    "semicolon CRLF": _text(";", "\r\n").encode(),
    "tab CR": _text("\t", "\r").encode(),
    "CRLF": _text(end="\r\n").encode(),
    "CR": _text(end="\r").encode(),
    "no last end": _text().rstrip().encode(),
    "sep line": ("sep=;\n" + _text(";")).encode(),
    "sep line CRLF": ("sep=;\r\n" + _text(";", "\r\n")).encode(),
    "comma too many": _text(more=",").encode(),
    "three commas too many": _text(more=",,,").encode(),
    "semicolon too many": _text(";", more=";").encode(),
    "comma too many, not in the header": _text(more=",").replace("x_Note,", "x_Note").encode(),
    "UTF-8 BOM": _text().encode("utf-8-sig"),
    "UTF-8 BOM, semicolon": _text(";").encode("utf-8-sig"),
    "UTF-16": _text().encode("utf-16"),
    "UTF-16 LE": b"\xff\xfe" + _text().encode("utf-16-le"),
    "UTF-16 BE": b"\xfe\xff" + _text().encode("utf-16-be"),
    "UTF-16 LE without BOM": _text().encode("utf-16-le"),
    "UTF-16 BE without BOM": _text().encode("utf-16-be"),
    "UTF-16 tab CRLF, as spreadsheets save": _text("\t", "\r\n").encode("utf-16"),
    "UTF-32": _text().encode("utf-32"),
    "GBK": _text().encode("gbk"),
    "GB18030, semicolon": _text(";").encode("gb18030"),
    "GBK CRLF": _text(end="\r\n").encode("gbk"),
    "gzip": gzip.compress(_text().encode()),
    "gzip of two members": gzip.compress(_text().encode()[:150])
    + gzip.compress(_text().encode()[150:]),
    "gzip GBK": gzip.compress(_text().encode("gbk")),
    "gzip semicolon": gzip.compress(_text(";").encode()),
    "zstd": _zstd(_text().encode()),
    "zstd UTF-16": _zstd(_text().encode("utf-16")),
    "zip": _zip("charges.csv"),
    "zip with what a desktop adds": _zip("charges.csv", "__MACOSX/._charges.csv", ".DS_Store"),
    "JSON lines": _json().encode(),
    "JSON lines CRLF": _json("\r\n").encode(),
    "JSON lines, UTF-8 BOM": _json().encode("utf-8-sig"),
    "JSON array": f"[{_json(', ')}]".encode(),
    "JSON, each object over lines": b"\n".join(
        json.dumps(json.loads(line), indent=1).encode() for line in _json().splitlines()
    ),
    "JSON, a page of an API": (
        f'{{"value": [{_json(", ")}], "size": 9, "total": 3, "nextLink": null}}'.encode()
    ),
    "JSON, a list of rows in objects": (
        f'{{"meta": {{"n": 3}}, "result": {{"items": [{_json(", ")}]}}}}'.encode()
    ),
    "JSON, columns and rows": json.dumps(
        {"properties": {"columns": [{"name": n} for n in COLUMNS], "rows": [[*r] for r in ROWS]}}
    ).encode(),
    "JSON lines of one key": "\n".join(
        f'{{"charge": {line}}}' for line in _json().splitlines()
    ).encode(),
    "JSON lines, gzip": gzip.compress(_json().encode()),
}


def _import(content: bytes, folder: Path, name: str = "charges") -> tuple[Imported, pa.Table]:
    path, store = folder / name, Store(folder / "ws")
    path.write_bytes(content)
    done = stage_charges(store, path)(datetime(2025, 1, 1), Replaced())
    (item,) = store.imports("charges")
    return done, read_charges(item.folder, item.id)


def _codes(done: Imported) -> set[str]:
    return {problem.code for problem in done.problems}


def _refused(content: bytes, folder: Path) -> list[tuple[str, int]]:
    with pytest.raises(Refused) as refusal:
        _import(content, folder)
    assert not (folder / "ws" / "charges").exists()
    return [(problem.code, problem.place.row) for problem in refusal.value.problems]


@pytest.mark.in_turn(5)
@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_as_the_plain_file(name: str, tmp_path: Path) -> None:
    done, table = _import(FORMS[name], tmp_path)
    assert done.facts["billed"] == {"CNY": "150.00"}
    assert table["row_no"].to_pylist() == [2, 3, 4]
    assert table["x_Note"].to_pylist() == ["one, two", "three", None]
    assert set(table["InvoiceIssuerName"].to_pylist()) == {"北辰云"}
    assert set(table["ChargePeriodStart"].to_pylist()) == {datetime(2024, 9, 2)}
    assert table.column_names[2:] == COLUMNS
    is_plain = name in ("comma", "CRLF", "no last end", "UTF-8 BOM") or "decimal" in name
    is_plain |= name in ("gzip", "gzip of two members", "zstd")
    assert is_plain or "read-as" in _codes(done)
    assert ("GB" in name) == ("encoding-guessed" in _codes(done))


def test_what_came_is_kept_and_known_again(tmp_path: Path) -> None:
    done, _ = _import(FORMS["gzip GBK"], tmp_path)
    (archive,) = (tmp_path / "ws").rglob("archive*")
    assert archive.read_bytes() == FORMS["gzip GBK"]
    again = stage_charges(Store(tmp_path / "ws"), tmp_path / "charges")(
        datetime(2025, 1, 2), Replaced()
    )
    assert (again.id, again.new) == (done.id, False)


def test_a_late_line_says_the_encoding(tmp_path: Path) -> None:
    """The first 64 KB are ASCII, what comes after is GBK."""
    ascii_row = ",".join(["1", "1", "A1", "CNY", *DAYS, "Usage", "Acme", "n" * 1000]) + "\n"
    text = _text().splitlines()[0] + "\n" + ascii_row * 200 + _text().splitlines()[2] + "\n"
    done, _ = _import(text.encode("gbk"), tmp_path)
    assert done.facts["billed"] == {"CNY": "250.50"}
    assert "encoding-guessed" in _codes(done)


REFUSED = {
    "Windows-1252": (_text().replace("北辰云", "Nébula").encode("cp1252"), "encoding-unclear", 2),
    "Windows-1252 with a comma": (
        _text().replace("北辰云", "Caf\u00e9").encode("cp1252"),
        "file-encoding",
        2,
    ),
    "Shift JIS": (_text().replace("北辰云", "クラウド").encode("shift-jis"), "encoding-unclear", 2),
    "a name that is missing": (
        _text(more=",x").replace("x_Note,x", "x_Note").encode(),
        "row-malformed",
        2,
    ),
    "a value below no name": (
        _text(more=",x").replace("x_Note,x", "x_Note,").encode(),
        "column-unnamed",
        2,
    ),
    "a workbook": (_zip("xl/workbook.xml", "[Content_Types].xml"), "file-not-table", 0),
    "a zip of two": (_zip("a.csv", "b.csv"), "zip-contents", 0),
    "an empty zip": (_zip(), "zip-contents", 0),
    "a zip cut short": (_zip("a.csv")[:-30], "file-truncated", 0),
    "a PDF": (b"%PDF-1.7\n", "file-not-table", 0),
    "a page": (b"<html><body>Sign in</body></html>", "file-not-table", 0),
    "JSON of lists": (b"[[1, 2]]", "row-malformed", 1),
    "JSON of two lists": (
        f'{{"usage": [{_json(", ")}], "tax": [{_json(", ")}]}}'.encode(), "json-lists", 1),
    "JSON that has a next page": (
        f'{{"value": [{_json(", ")}], "meta": {{"hasMore": true}}}}'.encode(), "json-pages", 1),
    "JSON that counts more rows": (
        f'{{"Data": {{"TotalCount": 4, "Items": {{"Item": [{_json(", ")}]}}}}}}'.encode(),
        "json-pages",
        1,
    ),
    "JSON of rows without their columns": (b'{"columns": ["a"], "rows": [[1, 2]]}', "not-focus", 1),
    "a tar": (_tar(), "file-packed", 0),
    "a tar in gz": (gzip.compress(_tar()), "file-packed", 0),
    "a 7z": (b"7z\xbc\xaf\x27\x1c", "file-packed", 0),
    "JSON cut short": (_json()[:-20].encode(), "row-malformed", 3),
    "UTF-16 cut short": (_text().encode("utf-16")[:-1], "file-encoding", 4),
    "decimals of two kinds": (
        _text(";").replace("50.50", "50,50").encode(),
        "decimal-marks-differ",
        2,
    ),
    "thousands or decimals": (
        _text(";").replace("100.25", "1.234").replace("50.50", "2").replace("50.00", "1")
        .replace("-0.75", "1").replace("0.00", "1").encode(),
        "decimal-mark-unclear",
        2,
    ),
    "letters in a cost": (_text(";").replace("50.50", "fifty").encode(), "cost-unreadable", 3),
    "groups of four": (_text(";").replace("50.50", "12,3456.00").encode(), "cost-unreadable", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_say_its_form_is_refused(name: str, tmp_path: Path) -> None:
    content, code, row = REFUSED[name]
    found = _refused(content, tmp_path)
    assert code in [code for code, _ in found]
    assert not row or (code, row) in found


def test_a_book_has_the_same_forms(tmp_path: Path) -> None:
    """`table_text` is what a book's file is read from."""
    plain = "party,kind\n北辰云,partner\n"
    for content in (
        plain.encode("utf-16"),
        plain.encode("gbk"),
        plain.replace(",", ";").encode("utf-8-sig"),
        plain.replace(",", "\t").replace("\n", "\r").encode(),
        gzip.compress(plain.encode()),
    ):
        (tmp_path / "book.csv").write_bytes(content)
        assert table_text(tmp_path / "book.csv") == plain


START = datetime(2024, 9, 2, tzinfo=UTC)
TYPES: dict[str, tuple[str, pa.Array]] = {
    **{
        f"timestamp {unit} {zone}": (
            "ChargePeriodStart",
            pa.array([START] * 3, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, zone)),
        )
        for unit in ("ms", "us", "ns")
        for zone in ("UTC", "Asia/Shanghai", "+08:00")
    },
    "timestamp s": ("ChargePeriodStart", pa.array([datetime(2024, 9, 2)] * 3, pa.timestamp("s"))),
    "timestamp ns": ("ChargePeriodStart", pa.array([datetime(2024, 9, 2)] * 3, pa.timestamp("ns"))),
    "date32": ("ChargePeriodStart", pa.array([START.date()] * 3, pa.date32())),
    "date64": ("ChargePeriodStart", pa.array([START.date()] * 3, pa.date64())),
    "dictionary": ("ChargeCategory", pa.array([r[8] for r in ROWS]).dictionary_encode()),
    "large string": ("x_Note", pa.array(["one, two", "three", None], pa.large_string())),
    "bytes": ("x_Note", pa.array([b"one, two", b"three", None], pa.binary())),
    "double": ("BilledCost", pa.array([100.25, 50.5, -0.75], pa.float64())),
    "float": ("BilledCost", pa.array([100.25, 50.5, -0.75], pa.float32())),
    **{
        f"decimal {kind}": ("BilledCost", pa.array([Decimal(r[0]) for r in ROWS], kind))
        for kind in (
            *(pa.decimal128(5, 2), pa.decimal128(38, 18), pa.decimal128(38, 30)),
            *(pa.decimal256(50, 2), pa.decimal256(76, 40)),
        )
    },
}


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("name", TYPES)
def test_a_type_of_parquet_is_read_as_text_is(name: str, tmp_path: Path) -> None:
    column, values = TYPES[name]
    table = pa.table({c: [r[n] or None for r in ROWS] for n, c in enumerate(COLUMNS)})
    table = table.set_column(COLUMNS.index(column), column, values)
    pq.write_table(table, tmp_path / "c", use_deprecated_int96_timestamps="ns" in name)
    done, found = _import((tmp_path / "c").read_bytes(), tmp_path)
    assert done.facts["billed"] == {"CNY": "150.00"}
    assert set(found["ChargePeriodStart"].to_pylist()) == {datetime(2024, 9, 2)}
    assert found["x_Note"].to_pylist() == ["one, two", "three", None]
    assert ("cost-is-float" in _codes(done)) == (name in ("double", "float"))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.0, 2.0]),
        pa.array([1, 2]),
        pa.array(["1", "2"]),
        pa.array([Decimal("1.00"), Decimal("2.00")]),
        pa.array([1.0, 2.0], pa.float32()),
        pa.array([Decimal("1.00"), Decimal("2.00")], pa.decimal256(60, 2)),
        pa.array([b"1", b"2"]),
        pa.array(["1", "2"]).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
def test_a_column_of_several_types_is_one_text(values: pa.Array, tmp_path: Path) -> None:
    table = pa.table({c: [r[n] or None for r in ROWS[:2]] for n, c in enumerate(COLUMNS)})
    pq.write_table(table.append_column("x_Tier", values), tmp_path / "c")
    _, found = _import((tmp_path / "c").read_bytes(), tmp_path)
    assert found["x_Tier"].to_pylist() == ["1", "2"]


@given(
    st.lists(
        st.decimals(-(10**9), 10**9, places=25) | st.floats(-1e9, 1e9).map(repr),
        min_size=1,
        max_size=8,
    )
)
def test_rounding_is_conserved(costs: list[Any]) -> None:
    """What is imported less the difference is what came, to the last digit."""
    texts = [c if isinstance(c, str) else f"{c:f}" for c in costs]
    lines = [",".join([t, "1", "A1", "CNY", *DAYS, "Usage", "Acme", ""]) for t in texts]
    content = "\n".join([",".join(COLUMNS), *lines]) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        done, table = _import(content.encode(), Path(folder))
    with localcontext(Context(prec=400)):
        came = sum(map(Decimal, texts), Decimal(0))
        difference = Decimal(done.facts.get("rounded", {}).get("CNY", 0))
        assert Decimal(done.facts["billed"]["CNY"]) - difference == came
        assert sum(table["BilledCost"].to_pylist(), Decimal(0)) - difference == came
    assert (difference == 0) or "cost-decimals-rounded" in _codes(done)
