"""Files of the real world that came out wrong once, a kind each: right now, or said before anybody
is paid. Each case can be checked by hand: a partner earns 10 % of what its customer is billed."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.settle.deliveries import undecided
from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import Wanted, files_in, import_files
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store
from fenrun.whatif.cases import refuse_failing_cases
from tests.command import fenrun

KNOWN = datetime(2025, 1, 1)
PLAN = """plan: flat
title: Flat
source: invented
published: 2024-01-01
effective: {from: 2024-01-01}
currency: USD
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: double, roles: [partner]}]}
tables:
  t: [{from: 2024-01-01, source: invented, kind: all units, bands: [pays 10 %]}]
earn:
  sum: [{id: c, pays: partner, per: month, on: amount, by: amount, table: t}]
"""
LINK = "  - {of: customer, subject: K1, role: partner, party: P1}\n"
BOOK = f"""parties: [{{party: P1, kind: partner}}, {{party: K1, kind: customer}}]
links:
  - {{of: account, issuer: Acme, subject: A1, role: customer, party: K1}}
{LINK}"""
COLUMNS = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "ChargeCategory,InvoiceIssuerName,InvoiceId,ResourceId"
)
HEAD = COLUMNS + "\n"
CASE = """cases:
  - case: c
    given: {links: [{of: customer, subject: K1, role: partner, party: P1}],
      charges: [{customer: K1, month: 2024-03, billed: 200}]}
    expect: [{payee: P1, period: 2024-03, earned: 21.00}]
"""


def row(cost: str = "100.00", day: str = "2024-09-02", **cells: str) -> str:
    """Return a charge as a line of a file."""
    there = {"account": "A1", "currency": "USD", "month": f"{day[:7]}-01", "day": day}
    there |= {"category": "Usage", "issuer": "Acme", "invoice": "", "id": f"r{cost}{day}"}
    return ",".join([cost, *(there | cells).values()]) + "\n"


TWO = HEAD + row() + row("50.00", "2024-09-12")


def _parquet(cost: Any, day: Any, **more: Any) -> bytes:
    """Return charges of one account as Parquet, of given types."""
    count = len(cost)
    texts: dict[str, Any] = {
        "BillingAccountId": ["A1"] * count,
        "BillingCurrency": ["USD"] * count,
        "InvoiceIssuerName": ["Acme"] * count,
        "ResourceId": [f"r{number}" for number in range(count)],
    }
    out = io.BytesIO()
    days = {"ChargePeriodStart": day, "BillingPeriodStart": day}
    pq.write_table(pa.table({"BilledCost": cost, **days, **(texts | more)}), out)
    return out.getvalue()


def _workbook(text: str) -> bytes:
    """Return a table as a workbook of Excel."""
    book = openpyxl.Workbook()
    for line in text.splitlines():
        book.active.append(line.split(","))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _days(kind: pa.DataType) -> pa.Array:
    return pa.array([datetime(2024, 9, 2, tzinfo=UTC), datetime(2024, 9, 12, tzinfo=UTC)], kind)


TEXTS = pa.array(["2024-09-02T00:00:00Z", "2024-09-12T00:00:00Z"])
COSTS = pa.array(["100.00", "50.00"])
ODD_DAYS = {
    "milliseconds": pa.array([1_725_235_200_000, 1_726_099_200_000], pa.int64()),
    "doubles": pa.array([45537.0, 45547.0]),
    "truths": pa.array([True, False]),
}


@dataclass(frozen=True)
class Kind:
    """Files that come one after the other, and what becomes of them."""

    files: Mapping[str, str | bytes]
    credited: str
    """Credited to the partner in September, and what it earns of that."""
    said: str = ""
    """Codes that must be said."""
    plan: str = PLAN
    book: str = BOOK
    period: str = "2024-09"
    unsaid: str = ""
    """Codes that no longer are."""
    more: Mapping[str, str] = field(default_factory=dict)
    """What a file is told to replace, by its name."""


NAMED = {
    "8/p.csv": HEAD + row("800.00", "2024-08-02"),
    "9/p.csv": HEAD + row("90.00"),
    "9b/p.csv": HEAD + row("95.00"),
}
KINDS = {
    "book-row-corrected": Kind(
        {"book-2.yaml": BOOK.replace("P1}\n", "P1, from: 2024-09-05}\n"), "c.csv": TWO},
        "", "link-over-100 close-problems"),
    "book-row-corrected: mended": Kind(
        {"b0.yaml": BOOK, "c.csv": TWO}, "150.00 15.00", unsaid="book-value",
        book=BOOK.replace("P1}\n", "P1, from: 1.9.2024}\n")),
    "id-of-a-spreadsheet: told that it is a text": Kind(
        {"c.csv": HEAD + "".join(row(f"{n}.00", account=account) for n, account in enumerate(
            ['"=""A1"""', '="A1"', "'A1", "`A1"], 1))}, "10.00 1.00", "id-tidied"),
    "id-of-a-spreadsheet: the first digits alone": Kind(
        {"b.csv": "of,subject,role,party,issuer\naccount,1.23457E+11,customer,K1,Acme\n",
         "c.csv": HEAD + row(account="1.23457E+11")}, "",
        "id-shortened ids-shortened book-value close-problems"),
    "id-of-a-spreadsheet: doubles of Parquet": Kind(
        {"c.parquet": _parquet(COSTS, TEXTS, BillingAccountId=pa.array([123456789012.0] * 2))},
        "150.00 15.00", book=BOOK.replace("A1", '"123456789012"')),
    "files-put-together": Kind(
        {"c.csv.gz": gzip.compress(TWO.encode()) + gzip.compress((HEAD + row("7.00")).encode())},
        "157.00 15.70", "header-repeated"),
    "files-put-together: of the same charges": Kind(
        {"c.csv": TWO + HEAD + row()}, "250.00 25.00",
        "header-repeated rows-repeated close-problems"),
    "files-put-together: a whole file twice": Kind(
        {"c.csv": HEAD + "".join(row(f"{n}.50") for n in range(1, 11)) * 2}, "120.00 12.00",
        "rows-repeated close-problems"),
    "files-put-together: some rows that are equal": Kind(
        {"c.csv": TWO + row()}, "250.00 25.00", unsaid="rows-repeated"),
    "a-workbook-of-charges": Kind({"c.xlsx": _workbook(TWO)}, "0", "file-not-table"),
    "comma-after-the-header": Kind({"c.csv": TWO.replace("\n", ",\n")}, "150.00 15.00"),
    "costs-of-18-decimals": Kind(
        {"c.csv": HEAD + row() + row("0.012264277499950943")}, "100.012264277499950943 10.00"),
    "credited-to-nobody": Kind(
        {"c.csv": TWO}, "50.00 5.00", "account-uncredited",
        book=BOOK.replace("party: P1}\n", "party: P1, from: 2024-09-05}\n")),
    "currencies-without-cents: yen": Kind(
        {"c.csv": HEAD + row("12345", currency="JPY")}, "12345 1235",
        plan=PLAN.replace("USD", "JPY")),
    "currencies-without-cents: dinars": Kind(
        {"c.csv": HEAD + row("12.345", currency="KWD")}, "12.345 1.235",
        plan=PLAN.replace("USD", "KWD")),
    "decimal-comma-rate: of a plan": Kind(
        {"p.yaml": PLAN.replace("10 %]", "'0,500 %']").replace("pays '", "'pays ")},
        "0", "plan-value"),
    "decimal-comma-rate: of a figure": Kind(
        {"f.csv": 'party,figure,period,amount\nP1,rate,2024-09,"0,895"\n'}, "0", "book-value"),
    "failing-case-imported": Kind({"p.yaml": PLAN + CASE}, "0", "plan-cases-fail"),
    "fine-cost-and-a-third": Kind(
        {"c.csv": HEAD + row() + row("0.123456789012345")}, "33.3711481477778145885 3.34",
        book=BOOK.replace("party: P1}\n", "party: P1, share: 33.33 %}\n")),
    "issuer-empty": Kind(
        {"c.csv": HEAD + row() + row("40.00", issuer="")}, "100.00 10.00",
        "row-quarantined kept-aside close-problems"),
    "look-alike-accounts": Kind(
        {"c.csv": HEAD + "".join(row(f"{n}.00", account=account) for n, account in enumerate(
            ["A1 ", "A1\u00a0", "A1\u200b", "a1"], 1))}, "6.00 0.60",
        "id-tidied account-look-alike close-problems"),
    "month-without-business": Kind({"c.csv": HEAD}, "0", "file-no-rows"),
    "numbers-as-dates": Kind({}, "0"),  # the three types are tried below
    "numbers-as-dates: lines that end with CR": Kind(
        {"c.csv": TWO.replace("\n", "\r")}, "150.00 15.00"),
    "other-delimiters: semicolons": Kind(
        {"c.csv": TWO.replace(",", ";").replace(".", ",")}, "150.00 15.00", "decimal-mark"),
    "other-delimiters: tabs": Kind({"c.tsv": TWO.replace(",", "\t")}, "150.00 15.00"),
    "other-delimiters: a book": Kind(
        {"b.csv": "of;subject;role;party;issuer\naccount;A2;customer;K1;Acme\n",
         "c.csv": HEAD + row(account="A2")}, "100.00 10.00"),
    "parquet-double-costs": Kind(
        {"c.parquet": _parquet(pa.array([0.1 + 0.2, 1 / 3]), TEXTS)},
        "0.63333333333333334 0.06"),
    **{
        f"parquet-utc-timestamps: {unit} {zone}": Kind(
            {"c.parquet": _parquet(COSTS, _days(pa.timestamp(unit, zone)))}, "150.00 15.00")
        for unit, zone in (("us", "UTC"), ("ns", "UTC"), ("us", "Asia/Shanghai"))
    },
    "redelivered-month-to-date": Kind(
        {"10/c.csv": TWO, "16/c.csv": TWO + row("7.00", "2024-09-15")}, "",
        "charges-twice close-problems"),
    "refund-in-a-later-month": Kind(
        {"c.csv": HEAD + row("500.00") + row("-500.00", "2024-10-02")}, "-500.00 0.00",
        "below-zero", period="2024-10",
        plan=PLAN.replace("[pays 10 %]", "[from 0 below 1000 pays 5 %]")),
    "replaces-same-file-name": Kind(NAMED, "95.00 9.50", more={"9b/p.csv": "p.csv"}),
    "replaces-same-file-name: the month before": Kind(
        NAMED, "800.00 80.00", more={"9b/p.csv": "p.csv"}, period="2024-08"),
    "same-invoice-twice": Kind(
        {"a.csv": HEAD + row(invoice="INV-1"),
         "b.csv": HEAD + row(invoice="INV-1") + row("5.00", invoice="INV-2")}, "",
        "charges-twice close-problems"),
    "short-us-dates": Kind(
        {"c.csv": HEAD + row("100.00", "9/2/24", month="2024-09-01")}, "0", "date-order-unclear"),
    "tax-counts-unsaid": Kind(
        {"c.csv": HEAD + row("1000.00") + row("60.00", category="Tax")}, "1060.00 106.00",
        "tax-charge"),
    "totals-row": Kind(
        {"c.csv": TWO + "150.00,,,,,,,,\n"}, "150.00 15.00", "total-row"),
    "x-column-of-two-types": Kind(
        {f"{n}.parquet": _parquet(COSTS.slice(n, 1), TEXTS.slice(n, 1), x_Tier=tier)
         for n, tier in enumerate((pa.array([1]), pa.array([1.0])))}, "150.00 15.00",
        plan=PLAN.replace("per: month,", "of: \"x_Tier = '1'\", per: month,")),
}  # fmt: skip


def _codes(store: Store, name: str, content: str | bytes, replaces: str) -> list[Problem]:
    """Import a file. Return what is said, also where it is refused."""
    path = store.path.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    wanted = Wanted([replaces] if replaces else (), check_plan=refuse_failing_cases)
    (done,) = import_files(store, [path], KNOWN, wanted=wanted)
    return list(done.problems)


def _earned(store: Store, period: str) -> tuple[str, list[Problem]]:
    try:
        run = settle_workspace(store, parse_period(period)).run
    except Refused as refusal:
        return "0", list(refusal.problems)
    credits = run.engine.table("statement_credits").to_pylist()
    credited = sum((one["credited"] for one in credits), Decimal())
    earned = sum((one["earned"] for one in run.engine.table("statements").to_pylist()), Decimal())
    found = f"{credited.normalize():f} {earned}" if credited else "0"
    return found, list(run.problems)


def _same(one: str, other: str) -> bool:
    return [*map(Decimal, one.split())] == [*map(Decimal, other.split())]


@pytest.mark.in_turn(5)
@pytest.mark.parametrize("name", KINDS)
def test_a_kind_comes_out_right_or_is_said(name: str, tmp_path: Path) -> None:
    kind, store = KINDS[name], Store(tmp_path / "ws")
    said: list[Problem] = []
    for file, content in {"p0.yaml": kind.plan, "b0.yaml": kind.book, **kind.files}.items():
        said += _codes(store, file, content, kind.more.get(file, ""))
    found, problems = _earned(store, kind.period)
    left = [*problems, *undecided(store, KNOWN), *check_workspace(store)]
    assert not set(kind.unsaid.split()) & {problem.code for problem in left}
    said += left
    assert not kind.credited or _same(found, kind.credited), found
    wanted = set(kind.said.split())
    if "close-problems" in wanted:
        with pytest.raises(Refused) as refusal:
            close(store, parse_period(kind.period), KNOWN)
        said += refusal.value.problems
    assert wanted <= {problem.code for problem in said}, [str(problem) for problem in said]


@pytest.mark.parametrize("kind", ODD_DAYS)
def test_numbers_and_truths_are_no_days(kind: str, tmp_path: Path) -> None:
    (problem, *_) = _codes(Store(tmp_path / "ws"), "c.parquet", _parquet(COSTS, ODD_DAYS[kind]), "")
    assert problem.place.source == "c.parquet" and problem.place.column.endswith("PeriodStart")


def test_each_file_of_a_folder_that_is_passed_over_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.txt", "c.tsv", "d.jsonl", "part-00000", "e.docx"):
        (folder / name).write_text(TWO if name != "e.docx" else "PK")
    for name, members in (("f.zip", "ab"), ("g.docx", ""), ("h.7z", "")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member in [f"{m}.csv" for m in members] or ["[Content_Types].xml", "word/a.xml"]:
                archive.writestr(member, TWO)
    (folder / "h.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    taken, passed = files_in(folder)
    assert {"f.zip", "h.7z"} <= {path.name for path in taken}  # charges may be in them: refused
    named = {path.name for path in taken} | {problem.place.source for problem in passed}
    assert named == {path.name for path in folder.iterdir()}
    done = fenrun("import", tmp_path / "ws", folder)
    assert all(name in done.out + done.err for name in named), done.out + done.err
