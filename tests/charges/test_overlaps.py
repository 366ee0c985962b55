"""Charges that come twice, in every form in which exports bring them again; and those that do not.

Each sibling is a file beside one month of 12 charges. What both hold is counted exactly, whatever
the form; what only looks like it is not counted.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.charges.overlaps import DIGESTS, find_overlaps
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import files_in, import_file
from fenrun.store.facts import Import, Store

Row = dict[str, str]
KNOWN = datetime(2025, 1, 1)


def _row(day: int, **cells: str) -> Row:
    cost = f"{100 + day}.50"
    return {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ContractedCost": cost,
        "ListCost": cost,
        "BillingAccountId": "A1",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2024-09-01T00:00:00Z",
        "BillingPeriodEnd": "2024-10-01T00:00:00Z",
        "ChargePeriodStart": f"2024-09-{day:02}T00:00:00Z",
        "ChargePeriodEnd": f"2024-09-{day + 1:02}T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": "vm",
        "InvoiceIssuerName": "Acme",
        "ResourceId": f"r{day % 3}",
        "ServiceName": "VM",
        "Tags": "",
    } | cells


MONTH = [_row(day) for day in range(1, 12)] + [_row(11)]
"""Eleven days, the last of them with two equal charges."""
ZERO = dict.fromkeys(("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"), "0")


def _csv(rows: list[Row], end: str = "\n", quoting: Any = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator=end, quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _each(change: Callable[[Row], Row]) -> bytes:
    return _csv([change(dict(row)) for row in MONTH])


def _parquet(costs: pa.DataType, moments: bool = False) -> bytes:
    columns: dict[str, pa.Array] = {}
    for name in MONTH[0]:
        values = pa.array([row[name] or None for row in MONTH])
        if name.endswith("Cost"):
            values = pa.array([Decimal(row[name]) for row in MONTH], costs)
        elif moments and name.endswith(("Start", "End")):
            said = [datetime.fromisoformat(row[name].rstrip("Z")) for row in MONTH]
            values = pa.array(said, pa.timestamp("ms"))
        columns[name] = values
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _costs(change: Callable[[str], str]) -> bytes:
    names = [name for name in MONTH[0] if name.endswith("Cost")]
    return _each(lambda row: row | {name: change(row[name]) for name in names})


AGAIN: dict[str, tuple[bytes, int]] = {
    "grown.csv": (_csv([*MONTH, *map(_row, range(12, 20))]), 12),
    "shrunk.csv": (_csv(MONTH[:4]), 4),
    "one-row.csv": (_csv(MONTH[5:6]), 1),
    "other-order.csv": (_csv(MONTH[::-1]), 12),
    "columns-reordered.csv": (_each(lambda row: dict(reversed(row.items()))), 12),
    "carriage-returns.csv": (_csv(MONTH, "\r\n"), 12),
    "quoted.csv": (_csv(MONTH, quoting=csv.QUOTE_ALL), 12),
    "byte-order-mark.csv": (b"\xef\xbb\xbf" + _csv(MONTH), 12),
    "packed.csv.gz": (gzip.compress(_csv(MONTH[:6]), mtime=0), 6),
    "decimals.parquet": (_parquet(pa.decimal128(18, 2)), 12),
    "many-decimals.parquet": (_parquet(pa.decimal128(38, 12)), 12),
    "moments.parquet": (_parquet(pa.decimal128(18, 4), moments=True), 12),
    "trailing-zeros.csv": (_costs(lambda cost: cost + "000"), 12),
    "without-zeros.csv": (_costs(lambda cost: cost.removesuffix("0")), 12),
    "exponents.csv": (_costs(lambda cost: f"{Decimal(cost) * 10}e-1"), 12),
    "signs.csv": (_costs(lambda cost: f"+{cost}"), 12),
    "dates-only.csv": (
        _each(lambda r: {k: v.removesuffix("T00:00:00Z") for k, v in r.items()}),
        12,
    ),
    "dates-with-space.csv": (_each(lambda r: {k: v.replace("T0", " 0") for k, v in r.items()}), 12),
    "offset.csv": (_each(lambda r: {k: v.replace("0Z", "0+00:00") for k, v in r.items()}), 12),
    "null-words.csv": (_each(lambda row: row | {"ChargeClass": "NULL"}), 12),
    "invoice-known.csv": (_each(lambda row: row | {"InvoiceId": "INV-1"}), 12),
    "tagged.csv": (_each(lambda row: row | {"Tags": '{"a": "b"}'}), 12),
    "more-columns.csv": (_each(lambda row: row | {"x_Line": row["ChargePeriodStart"]}), 12),
    "header-spelt.csv": (_each(lambda row: {k.lower(): v for k, v in row.items()}), 12),
    "one-corrected.csv": (_csv([MONTH[0] | {"BilledCost": "101.51"}, *MONTH[1:]]), 11),
    "of-two-accounts.csv": (_csv([*MONTH[:3], _row(1, BillingAccountId="A2")]), 3),
    "equal-rows-thrice.csv": (_csv([_row(11)] * 3), 2),
}
"""By name a file, and how many of the month's charges it holds again."""
OTHERS: dict[str, bytes] = {
    "other-account.csv": _each(lambda row: row | {"BillingAccountId": "A2"}),
    "other-issuer.csv": _each(lambda row: row | {"InvoiceIssuerName": "Bolt"}),
    "other-currency.csv": _each(lambda row: row | {"BillingCurrency": "EUR"}),
    "other-resource.csv": _each(lambda row: row | {"ResourceId": "r9"}),
    "other-service.csv": _each(lambda row: row | {"ServiceName": "DB"}),
    "corrections.csv": _each(lambda row: row | {"ChargeClass": "Correction"}),
    "billed-later.csv": _each(lambda row: row | {"BillingPeriodStart": "2024-10-01T00:00:00Z"}),
    "later-days.csv": _csv([_row(day) for day in range(12, 20)]),
    "refunds.csv": _costs(lambda cost: f"-{cost}"),
    "a-cent-more.csv": _costs(lambda cost: str(Decimal(cost) + Decimal("0.01"))),
    "no-money.csv": _each(lambda row: row | ZERO),
    "header-only.csv": _csv(MONTH).splitlines(keepends=True)[0],
}
"""By name a file that holds none of them."""


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Import]:
    """The month and each sibling, imported into one workspace."""
    folder = tmp_path_factory.mktemp("overlaps")
    store = Store(folder / "ws")
    files = {"month.csv": _csv(MONTH), **{n: file for n, (file, _) in AGAIN.items()}, **OTHERS}
    for name, content in files.items():
        (folder / name).write_bytes(content)
        import_file(store, folder / name, KNOWN)
    return {item.source: item for item in store.imports("charges")}


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("name", AGAIN)
def test_what_comes_again_is_counted(name: str, imports: dict[str, Import]) -> None:
    month, again = imports["month.csv"], imports[name]
    (found,) = find_overlaps([again], [month])
    assert (found.one, found.other, found.rows) == (again.id, month.id, AGAIN[name][1])
    if found.rows == len(MONTH):
        assert found.billed == {"USD": str(sum(Decimal(row["BilledCost"]) for row in MONTH))}


def test_many_files_are_compared_as_each_pair_is(imports: dict[str, Import]) -> None:
    files = sorted(imports.values(), key=lambda item: item.seq)
    if "FENRUN_NIGHTLY" not in os.environ:
        files = files[::4]  # of 40 there are 750 pairs
    pairs = [one for item in files for one in find_overlaps([item], files)]
    assert find_overlaps(files, files) == pairs
    assert len({one.one for one in pairs}) > len(files) // 2


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_the_same_is_not_counted(name: str, imports: dict[str, Import]) -> None:
    assert not find_overlaps([imports[name]], [imports["month.csv"]])


def test_an_import_without_digests_is_compared_all_the_same(imports: dict[str, Import]) -> None:
    month, again = imports["month.csv"], imports["grown.csv"]
    kept = (month.folder / DIGESTS).read_bytes()
    (month.folder / DIGESTS).unlink()
    try:
        assert [one.rows for one in find_overlaps([again], [month])] == [12]
    finally:
        (month.folder / DIGESTS).write_bytes(kept)


class Deliveries:
    """A workspace into which files come."""

    def __init__(self, folder: Path):
        self.folder, self.store = folder, Store(folder / "ws")

    def take(self, name: str, rows: list[Row], day: int, **wanted: Any) -> str:
        path = self.folder / str(day) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_csv(rows))
        return import_file(self.store, path, datetime(2025, 1, day), **wanted).id

    def open(self, day: int = 28) -> list[tuple[str, object]]:
        found = undecided(self.store, datetime(2025, 1, day))
        return [(problem.code, problem.values.get("rows")) for problem in found]

    def in_force(self, day: int = 28) -> list[str]:
        return [i.id for i in self.store.imports("charges", datetime(2025, 1, day))]


@pytest.fixture
def deliveries(tmp_path: Path) -> Deliveries:
    return Deliveries(tmp_path)


def _codes(problems: list[Problem]) -> set[str]:
    return {problem.code for problem in problems}


def test_an_overlap_is_open_until_it_is_decided_and_as_of_then(deliveries: Deliveries) -> None:
    one = deliveries.take("part-0.csv", MONTH[:9], 1)
    two = deliveries.take("part-0.csv", MONTH, 2)
    assert deliveries.open(1) == [] and deliveries.open(2) == [("charges-twice", 9)]
    decide(deliveries.store, two, Decision(replaces=one), datetime(2025, 1, 3))
    assert deliveries.open(2) == [("charges-twice", 9)] and deliveries.open(3) == []
    assert deliveries.in_force(2) == [one, two] and deliveries.in_force(3) == [two]


def test_a_person_may_say_that_both_are_meant_or_take_one_back(deliveries: Deliveries) -> None:
    one = deliveries.take("a.csv", MONTH[:1], 1)
    two = deliveries.take("b.csv", MONTH[:2], 2, adds=["a.csv"])
    assert deliveries.open() == [] and deliveries.in_force() == [one, two]
    three = deliveries.take("c.csv", MONTH[1:3], 3)
    assert deliveries.open() == [("charges-twice", 1)]
    decide(deliveries.store, three, Decision(void=True), datetime(2025, 1, 4))
    assert deliveries.open() == [] and deliveries.in_force() == [one, two]


def test_a_file_name_means_the_delivery_of_the_same_month(deliveries: Deliveries) -> None:
    august = [_row(d, BillingPeriodStart="2024-08-01T00:00:00Z") for d in (1, 2)]
    one = deliveries.take("part-0.csv", august, 1)
    two = deliveries.take("part-0.csv", MONTH[:3], 2)
    three = deliveries.take("part-0.csv", MONTH, 3, replaces=["part-0.csv"])
    assert deliveries.in_force() == [one, three] and two not in deliveries.in_force()
    october = [_row(1, BillingPeriodStart="2024-10-01T00:00:00Z")]
    with pytest.raises(Refused, match="2024-08"):
        deliveries.take("part-1.csv", october, 4, replaces=["part-0.csv"])
    deliveries.take("part-0.csv", [_row(20)], 5)
    with pytest.raises(Refused, match="2 imports of charges"):
        deliveries.take("part-2.csv", [_row(21)], 6, replaces=["part-0.csv"])
    assert len(deliveries.in_force()) == 3


def test_a_file_that_is_there_can_still_replace_another(deliveries: Deliveries) -> None:
    one = deliveries.take("part-0.csv", MONTH[:9], 1)
    two = deliveries.take("part-0.csv", MONTH, 2)
    for _ in range(2):
        deliveries.take("part-0.csv", MONTH, 2, replaces=[one])
        assert deliveries.in_force() == [two]


@pytest.mark.parametrize("how", ["said", "delivered"])
def test_of_two_that_replace_the_same_at_once_one_is_told(tmp_path: Path, how: str) -> None:
    """Else both counted, in silence: 100 is replaced by 200, and meanwhile by 300."""
    store, add, others = Store(tmp_path / "ws"), Store.add, ["v3"]
    store.path.mkdir()
    if how == "delivered":
        text = "sources: [{source: cloud, files: '{version}/a.csv', delivers: overwrite}]\n"
        (store.path / "sources.yaml").write_text(text, "utf-8")
    named: dict[str, Any] = {"replaces": ["a.csv"]} if how == "said" else {}

    def take(version: str, **how_: Any) -> str:
        path = tmp_path / version / "a.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_csv([MONTH[0] | {"BilledCost": f"{version[1:]}00.00"}]))
        return import_file(store, path, KNOWN, **how_).id

    def meanwhile(self: Store, *given: Any, **more: Any) -> Path:
        if others:
            take(others.pop(), **named)
        return add(self, *given, **more)

    take("v1")
    with mock.patch.object(Store, "add", meanwhile), pytest.raises(Refused) as refused:
        take("v2", **named)
    assert [problem.code for problem in refused.value.problems] == ["decided-meanwhile"]
    (left,) = store.imports("charges")
    assert left.facts["billed"] == {"USD": "300.00"}


def test_what_is_kept_aside_is_open_until_filled_or_left_out(deliveries: Deliveries) -> None:
    rows = [MONTH[0], MONTH[1] | {"InvoiceIssuerName": ""}]
    one = deliveries.take("charges.csv", rows, 1)
    (problem,) = undecided(deliveries.store, KNOWN)
    assert problem.code == "kept-aside" and problem.values["amount"] == "102.50 USD"
    assert {"kept-aside", "row-quarantined"} <= _codes(check_workspace(deliveries.store))
    decide(deliveries.store, one, Decision(leave_out=True), datetime(2025, 1, 2))
    assert deliveries.open(1) == [("kept-aside", 1)]
    assert deliveries.open(2) == [("kept-aside-left-out", 1)]
    assert "row-quarantined" not in _codes(check_workspace(deliveries.store))
    path = deliveries.folder / "1" / "charges.csv"
    fills = {"InvoiceIssuerName": "Acme"}
    done = import_file(deliveries.store, path, datetime(2025, 1, 3), fills=fills)
    assert done.facts["set"] == {"InvoiceIssuerName": {"value": "Acme", "rows": 1}}
    assert deliveries.open() == [] and deliveries.in_force() == [done.id]
    (event,) = deliveries.store.log.events("charges", done.id)
    assert event.facts()["set"] == done.facts["set"] and event.facts()["replaces"] == [one]


def test_what_rounding_put_on_is_said_in_every_settlement(deliveries: Deliveries) -> None:
    deliveries.take("fine.csv", [MONTH[0] | {"BilledCost": "1.1234567890123456789"}], 1)
    (problem,) = undecided(deliveries.store, KNOWN)
    assert (problem.code, problem.severity) == ("billed-rounded", "note")
    assert problem.values["amount"] == "0.0000000000000000001 USD"


def test_every_file_of_a_folder_is_taken_or_named(tmp_path: Path) -> None:
    files = {
        "a.csv": _csv(MONTH),
        "part-00000": _csv(MONTH),
        "b.txt": _csv(MONTH),
        "notes.txt": b"nothing of this kind\n",
        "manifest.json": b'{"files": []}\n',
        ".hidden.csv": _csv(MONTH),
        ".git/x.csv": _csv(MONTH),
        "deep/c.csv": b"name,age\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    taken, passed = files_in(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in taken] == [
        "a.csv",
        "b.txt",
        "deep/c.csv",
        "part-00000",
    ]
    assert {p.place.source: p.values["reason"].key for p in passed} == {
        ".git/x.csv": "passed-hidden",
        ".hidden.csv": "passed-hidden",
        "manifest.json": "passed-manifest",
        "notes.txt": "passed-no-table",
    }
