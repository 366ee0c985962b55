"""Times without a zone: of the zone that is said, of UTC otherwise, and never in silence."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import parse_period
from fenrun.charges.checks import find
from fenrun.charges.mendable import read_mendable
from fenrun.charges.overlaps import find_overlaps
from fenrun.charges.preview import preview_charges
from fenrun.charges.read import open_whole, read_staged
from fenrun.charges.source import Said
from fenrun.charges.staged import FIRST_ROW
from fenrun.charges.stored import read_charges
from fenrun.settle.billed_months import billed_months
from fenrun.settle.imports import Wanted, import_files
from fenrun.settle.mending import mend_rows
from fenrun.settle.runs import settle_workspace
from fenrun.settle.sources import read_sources
from fenrun.statement.rows import statements_of
from fenrun.store.facts import Imported, Store

KNOWN = datetime(2025, 1, 1)
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName,ResourceId\n"
)
SHANGHAI = [
    ("2024-09-01", "2024-08-31T16:00"),
    ("2024-09-01 00:00:00", "2024-08-31T16:00"),
    ("2024-09-01T07:59:59", "2024-08-31T23:59:59"),
    ("2024-09-01 08:00", "2024-09-01T00:00"),
    ("2024/9/30 23:59:59", "2024-09-30T15:59:59"),
    ("2024年9月1日 上午3:00", "2024-08-31T19:00"),
    ("20240901", "2024-08-31T16:00"),
    ("2024-09", "2024-08-31T16:00"),
    ("2024-09-01 00:00:00.123456", "2024-08-31T16:00:00.123456"),
    ("2024-09-01T03:00:00Z", "2024-09-01T03:00"),
    ("2024-09-01T03:00:00+00:00", "2024-09-01T03:00"),
    ("2024-09-01 03:00:00 +0800", "2024-08-31T19:00"),
    ("2024-09-01 03:00:00 UTC", "2024-09-01T03:00"),
    ("2024-09-01T03:00:00-05", "2024-09-01T08:00"),
]
"""What a file says, and when that is by the clock of UTC."""
ELSEWHERE = [
    ("Asia/Tokyo", "2024-09-01 08:59", "2024-08-31T23:59", ""),
    ("Asia/Kolkata", "2024-09-01 05:30", "2024-09-01T00:00", ""),
    ("Asia/Kathmandu", "2024-09-01 05:45", "2024-09-01T00:00", ""),
    ("America/Los_Angeles", "2024-09-30 23:00", "2024-10-01T06:00", ""),
    ("America/New_York", "2024-03-10 01:59", "2024-03-10T06:59", ""),
    ("America/New_York", "2024-03-10 02:30", "2024-03-10T07:30", "time-skipped"),
    ("America/New_York", "2024-03-10 03:00", "2024-03-10T07:00", ""),
    ("America/New_York", "2024-11-03 01:30", "2024-11-03T05:30", "time-twice"),
    ("America/New_York", "2024-11-03 02:00", "2024-11-03T07:00", ""),
    ("Europe/Berlin", "2024-10-27 02:15", "2024-10-27T00:15", "time-twice"),
    ("Europe/Berlin", "2024-03-31 02:15", "2024-03-31T01:15", "time-skipped"),
    ("America/Sao_Paulo", "2018-11-04 00:30", "2018-11-04T03:30", "time-skipped"),
    ("America/Sao_Paulo", "2018-02-17 23:30", "2018-02-18T01:30", "time-twice"),
    ("Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06T14:45", "time-twice"),
    ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30T22:00", "time-skipped"),
    ("UTC", "2024-09-01 00:00", "2024-09-01T00:00", ""),
]
ZONE_CODES = ("zone-said", "zone-unused", "zone-unsaid", "time-twice", "time-skipped")


def _rows(*starts: str, billed: str = "2024-09-01", issuer: str = "Acme") -> str:
    rows = (f"{n}.00,A1,CNY,{billed},{at},{issuer},r{n}\n" for n, at in enumerate(starts, 1))
    return HEAD + "".join(rows)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def _take(store: Store, *paths: Path, zone: str = "", known: datetime = KNOWN) -> list[Imported]:
    wanted = Wanted(zone=zone)
    done = list(import_files(store, paths, known, wanted=wanted))
    assert all(isinstance(one, Imported) for one in done), done
    return [one for one in done if isinstance(one, Imported)]


def _column(store: Store, content: str, name: str) -> list[Any]:
    item = next(one for one in store.imports("charges") if one.id == content)
    return list(read_charges(item.folder, item.id).sort_by("row_no")[name].to_pylist())


def _codes(problems: Any) -> list[str]:
    return [p.code for p in problems if p.code in ZONE_CODES]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_times_of_a_file_are_read_in_the_zone_that_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    path = _write(tmp_path / "a.csv", _rows(*(text for text, _ in SHANGHAI)))
    (done,) = _take(store, path, zone="Asia/Shanghai")
    assert _column(store, done.id, "ChargePeriodStart") == [_moment(at) for _, at in SHANGHAI]
    assert set(_column(store, done.id, "BillingPeriodStart")) == {_moment("2024-08-31T16:00")}
    assert [period.key for period in billed_months(store)] == ["2024-09"]
    assert _codes(done.problems) == ["zone-said"] and done.facts["zone"] == "Asia/Shanghai"
    said = next(p for p in done.problems if p.code == "zone-said")
    assert "2024-09-01 00:00:00 is 2024-08-31 16:00:00 UTC" in said.words("what")
    assert "Asia/Shanghai" in said.words("what", "zh-CN")


def test_clocks_that_are_set_are_read_as_is_defined(tmp_path: Path) -> None:
    for zone in {zone for zone, *_ in ELSEWHERE}:
        cases = [case[1:] for case in ELSEWHERE if case[0] == zone]
        path = _write(tmp_path / "a.csv", _rows(*(f"{text}:00" for text, *_ in cases)))
        staged = read_staged(*open_whole(path, tmp_path, int, Said(zone=zone)), tmp_path)
        starts = staged.moments["ChargePeriodStart"].array.to_pylist()
        assert starts == [_moment(at) for _, at, _ in cases], zone
        odd = [problem for problem in staged.odd if problem.code != "zone-said"]
        said = {problem.code: (problem.place.row - FIRST_ROW, problem.rows) for problem in odd}
        codes = [code for *_, code in cases]
        assert said == {c: (codes.index(c), codes.count(c)) for c in codes if c}, zone


def test_types_of_parquet_say_whether_they_have_a_zone(tmp_path: Path) -> None:
    at = datetime(2024, 9, 1, 3)
    kinds = {
        "us": (pa.timestamp("us"), at),
        "ns": (pa.timestamp("ns"), at),
        "s": (pa.timestamp("s"), at),
        "utc": (pa.timestamp("us", "UTC"), at),
        "tokyo": (pa.timestamp("ns", "Asia/Tokyo"), at),
        "day": (pa.date32(), date(2024, 9, 1)),
        "text": (pa.string(), "2024-09-01T03:00:00"),
        "text-z": (pa.string(), "2024-09-01T03:00:00Z"),
        "codes": (pa.dictionary(pa.int32(), pa.string()), "2024-09-01T03:00:00"),
    }
    local = datetime(2024, 8, 31, 19)
    wanted = dict.fromkeys(kinds, local) | {"utc": at, "tokyo": at, "text-z": at}
    wanted["day"] = datetime(2024, 8, 31, 16)
    store = Store(tmp_path / "ws")
    for n, (name, (kind, value)) in enumerate(kinds.items()):
        table = pa.table(
            {
                "BilledCost": [float(n + 1)],
                "BillingAccountId": ["A1"],
                "BillingCurrency": ["CNY"],
                "BillingPeriodStart": pa.array([datetime(2024, 9, 1)], pa.timestamp("us")),
                "ChargePeriodStart": pa.array([value], kind),
                "InvoiceIssuerName": ["Acme"],
            }
        )
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path)
        (done,) = _take(store, path, zone="Asia/Shanghai")
        assert _column(store, done.id, "ChargePeriodStart") == [wanted[name]], name


def test_a_source_says_its_zone_and_other_words_take_the_place(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    local = _write(tmp_path / "beijing" / "a.csv", _rows("2024-09-01 03:00", "2024-09-02 09:00"))
    there = _rows("2024-08-31T19:00:00Z", "2024-09-02T01:00:00Z", billed="2024-08-31T16:00:00Z")
    utc = _write(tmp_path / "utc.csv", there)
    (first,) = _take(store, local)
    assert "zone" not in first.facts and not _codes(first.problems)
    sources = "sources: [{source: b, files: beijing/*, zone: Asia/Shanghai}]"
    _write(store.path / "sources.yaml", sources)
    (again,) = _take(store, local, known=KNOWN + timedelta(days=1))
    assert again.facts["zone"] == "Asia/Shanghai" and again.facts["replaces"] == [first.id]
    assert [item.id for item in store.imports("charges")] == [again.id]
    assert [item.id for item in store.imports("charges", KNOWN)] == [first.id]
    (other,) = _take(store, utc, known=KNOWN + timedelta(days=2))
    found = find_overlaps(store.imports("charges"), store.imports("charges"))
    assert [(one.one, one.other, one.rows) for one in found] == [(other.id, again.id, 2)]
    _write(store.path / "sources.yaml", sources.replace("Asia/Shanghai", "Beijing"))
    with pytest.raises(Refused, match="zone"):
        read_sources(store.path)


PLAN = """plan: flat
title: Flat
source: invented for the tests
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: Asia/Shanghai
basis: billed
credit: {first match: [{id: all, mode: double, roles: [partner]}]}
tables:
  t: [{from: 2024-01-01, source: invented, kind: all units, bands: [pays 100 %]}]
earn:
  sum: [{id: c, pays: partner, per: month, on: amount, by: amount, table: t}]
"""
BOOK = """parties:
- {party: P1, kind: partner}
- {party: P2, kind: partner}
- {party: K1, kind: customer}
links:
- {of: account, issuer: Acme, subject: A1, role: customer, party: K1}
- {of: customer, subject: K1, role: partner, party: P1, to: 2024-09-01}
- {of: customer, subject: K1, role: partner, party: P2, from: 2024-09-01}
"""


def test_days_and_months_of_a_settlement_are_those_of_the_clock(tmp_path: Path) -> None:
    """The partner changes at midnight of the first of September, in Beijing."""
    store = Store(tmp_path / "ws")
    files = [_write(tmp_path / "plan.yaml", PLAN), _write(tmp_path / "book.yaml", BOOK)]
    august = _rows("2024-08-31 23:30", billed="2024-08-01")
    files.append(_write(tmp_path / "8.csv", august))
    september = _rows("2024-09-01 00:00", "2024-09-01 07:00", "2024-09-30 23:59")
    files.append(_write(tmp_path / "9.csv", september))
    _take(store, *files, zone="Asia/Shanghai")
    paid = {}
    for month in ("2024-08", "2024-09"):
        run = settle_workspace(store, parse_period(month), KNOWN).run
        paid[month] = {name: one.earned for name, one in statements_of(run).items()}
    assert paid == {"2024-08": {"P1": 1}, "2024-09": {"P2": 6}}


def test_rows_that_are_mended_are_of_the_zone_of_their_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    (done,) = _take(
        store, _write(tmp_path / "a.csv", _rows("2024-09-02 01:00", "soon")), zone="Asia/Shanghai"
    )
    (item,) = store.imports("charges")
    (row,) = read_mendable(item)
    mended = mend_rows(store, done.id, {row.row: {"ChargePeriodStart": "2024-09-01 03:00"}}, KNOWN)
    assert _column(store, mended.id, "ChargePeriodStart") == [datetime(2024, 8, 31, 19)]
    assert "zone-unused" not in _codes(mended.problems)
    assert _column(store, mended.id, "BillingPeriodStart") == [datetime(2024, 8, 31, 16)]


def test_a_provider_that_is_known_to_mean_local_times_is_asked_about(tmp_path: Path) -> None:
    def found(text: str, zone: str = "") -> list[Problem]:
        path = _write(tmp_path / "a b.csv", text)
        problems = preview_charges(path, said=Said(zone=zone)).problems
        return [p for p in problems if p.code in ZONE_CODES]

    local = _rows("2024-09-01 03:00", issuer="Tencent Cloud International")
    (asked,) = found(local)
    assert asked.code == "zone-unsaid" and "'a b.csv' --zone Asia/Shanghai" in asked.words("fix")
    assert [p.code for p in found(local, "UTC")] == ["zone-said"]
    zoned = _rows("2024-09-01T03:00:00Z", issuer="Tencent Cloud", billed="2024-08-31T16:00:00Z")
    assert not found(zoned)
    assert not found(_rows("2024-09-01 03:00"))


FORMS = [
    # The starts of three charges, the row that is shown, and whether a zone is asked for.
    (("2024-09-02 00:00", "2024-09-02T00:00:00Z", "2024-09-03 00:00"), 2, True),
    (("2024-09-02T00:00Z", "2024-09-02 00:00:00 UTC", "2024-09-03T00:00:00Z"), 2, False),
    (("2024-09-02T08:00:00+08:00", "2024-09-02 00:00:00Z", "2024-09-03 00:00Z"), 2, False),
    (("2024-09-02 00:00Z", "2024-09-02", "2024-09-03 00:00Z"), 3, True),
]


@pytest.mark.parametrize("starts, row, is_asked", FORMS)
def test_a_zone_is_asked_of_times_alone_that_do_not_say_theirs(
    starts: tuple[str, ...], row: int, is_asked: bool, tmp_path: Path
) -> None:
    for zone in ("", "Asia/Tokyo"):
        path = _write(tmp_path / zone / "charges.csv", _rows(*starts))
        source, content = open_whole(path, tmp_path / zone, lambda n: None, Said(zone=zone))
        problems = find(read_staged(source, content, tmp_path / zone))
        (found,) = (
            problem
            for problem in problems
            if problem.code == "timestamp-form" and problem.place.column == "ChargePeriodStart"
        )
        assert zone or found.place.row == row
        for lang in ("en", "zh-CN"):
            assert ("--zone" in found.words("fix", lang)) is (is_asked and not zone)
