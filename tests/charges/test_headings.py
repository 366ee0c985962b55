"""Headers that are not of FOCUS: proposed, asked about, read as agreed, never guessed."""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.charges.headings import propose
from fenrun.charges.preview import preview_charges
from fenrun.charges.source import Said
from fenrun.settle.imports import Wanted, import_files
from fenrun.store.facts import Imported, Store

KNOWN = datetime(2025, 1, 1)
A, B, C, P, D, I = (  # noqa: E741
    "BillingAccountId",
    "BilledCost",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "InvoiceIssuerName",
)
PLAIN = [
    ("账单账号,计费周期,应付金额,币种,产品,消费时间", [I]),
    ("账期,财务账号,应付金额,币种,消费时间,开票方", []),
    ("支付者 UIN,使用者 UIN,产品名称,优惠后总价,使用开始时间,账单月份,币种,销售主体", []),
    ("客户账号,账期,官网价,应付金额（元）,消费开始时间,币种", [I]),
    ("帳單帳號,帳期,應付金額,幣別,日期", [I]),
    ("付款账号,账号ID,账单月,账单金额(CNY),日期,货币,签约主体", []),
    ("bill/PayerAccountId,lineItem/UnblendedCost,lineItem/CurrencyCode,"
     "bill/BillingPeriodStartDate,lineItem/UsageStartDate,bill/InvoicingEntity", []),
    ("bill_payer_account_id,line_item_unblended_cost,line_item_currency_code,"
     "bill_billing_period_start_date,line_item_usage_start_date,bill_invoicing_entity", []),
    ("BillingAccountId,CostInBillingCurrency,BillingCurrency,BillingPeriodStartDate,Date", [I]),
    ("請求アカウント ID,請求額,通貨,請求月,利用日,請求元", []),
    ("청구 계정 ID,청구 금액,통화,청구월,사용일", [I]),
    ("Payer Account ID,Amount Due,Currency Code,Billing Month,Usage Date,Seller", []),
]  # fmt: skip
UNCLEAR = [
    ("账单账号,账期,金额,币种,日期", B, "EffectiveCost"),
    ("账单账号,账期,费用,币种,日期", B, "EffectiveCost"),
    ("账单账号,账期,应付金额,账单金额,币种,日期", "应付金额", "账单金额"),
    ("账号ID,账期,应付金额,币种,日期", A, "SubAccountId"),
    ("账单账号,账期,计费周期,应付金额,币种,日期", "账期", "计费周期"),
    ("账单账号,账期,应付金额,币种,开始时间,日期", "开始时间", "日期"),
    ("payer account,billing month,cost,currency,date", B, "EffectiveCost"),
    ("Account,billing month,amount due,currency,date", A, "SubAccountId"),
    ("付款账号,财务账号,账期,应付金额,币种,日期", "付款账号", "财务账号"),
]


@pytest.mark.parametrize(("header", "missing"), PLAIN)
def test_usual_headings_are_proposed(header: str, missing: list[str]) -> None:
    headings = header.split(",")
    there = [name for name in headings if name in (A, B, C, P, D, I)]
    found = propose(headings, there, [])
    assert found.missing == missing and not found.unclear
    assert {A, B, C, P, D} <= {*found.columns, *there}
    assert len(set(found.columns.values())) == len(found.columns)


def _write(folder: Path, header: str, *rows: str, name: str = "bill.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(("header", "one", "other"), UNCLEAR)
def test_what_may_be_two_columns_is_refused_with_both(
    header: str, one: str, other: str, tmp_path: Path
) -> None:
    path = _write(tmp_path, header, ",".join("1" for _ in header.split(",")))
    problems = preview_charges(path).problems
    said = [p.words("what") for p in problems if p.code == "columns-unclear"]
    assert len(said) == 1 and one in said[0] and other in said[0]
    assert "columns-proposed" in {p.code for p in problems}


HEADER = "账期,账单账号,应付金额（元）,币种,日期,原价"
ROWS = ('2024-09,1001,"1,234.50",CNY,2024-09-03,2000', "202409,1002,20.25,CNY,2024-09-04,30.5")
COLUMNS = {A: "账单账号", B: "应付金额", C: "币种", P: "账期", D: "日期"}
ISSUER = {I: "Beichen"}


def _import(store: Store, path: Path, **wanted: object) -> Imported:
    (done,) = import_files(store, [path], KNOWN, wanted=Wanted(**wanted))  # type: ignore[arg-type]
    if isinstance(done, Refused):
        raise done
    return done


def test_columns_are_read_as_agreed_and_said(tmp_path: Path) -> None:
    path, store = _write(tmp_path, HEADER, *ROWS), Store(tmp_path / "ws")
    with pytest.raises(Refused) as refusal:
        _import(store, path)
    (problem,) = refusal.value.problems
    assert problem.code == "columns-proposed" and I in problem.words("why")
    assert "--column 账单账号" not in problem.words("fix") and "账单账号" in problem.words("fix")
    assert not store.imports("charges")

    done = _import(store, path, columns=COLUMNS, fills=ISSUER)
    assert done.facts["billed"] == {"CNY": "1254.75"} and done.facts["quarantined"] == 0
    assert done.facts["columns"] == COLUMNS
    assert done.facts["set"] == {I: {"value": "Beichen", "rows": 2}}
    assert (done.facts["first_billed"], done.facts["last_billed"]) == ("2024-09-01", "2024-09-01")
    assert "columns-agreed" in {p.code for p in done.problems}
    assert not _import(store, path, columns=COLUMNS, fills=ISSUER).new
    (event,) = store.log.events("charges")
    assert event.facts()["columns"] == COLUMNS

    # The same bytes, of which something else is said, count in its place and not beside it.
    other = _import(store, path, columns=COLUMNS | {B: "原价"}, fills=ISSUER)
    assert other.new and other.facts["billed"] == {"CNY": "2030.50"}
    assert [i.id for i in store.imports("charges")] == [other.id]
    third = _import(store, path, columns=COLUMNS, fills={I: "Nanhai"})
    assert [i.id for i in store.imports("charges")] == [third.id]
    assert "said-otherwise" in {p.code for p in third.problems}


def test_the_proposed_command_keeps_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes("\n".join([HEADER, *ROWS]).encode("gb18030"))
    given = Said(ISSUER, "gb18030", {B: "原价"}, zone="Asia/Shanghai")
    (problem,) = preview_charges(path, said=given).problems
    assert problem.code == "columns-proposed"
    pasted = shlex.split(problem.values["set"])
    pairs = [*zip(pasted[::2], pasted[1::2])]
    said = {o: dict(v.split("=", 1) for p, v in pairs if p == o) for o in ("--column", "--set")}
    assert said["--column"][B] == "原价" and said["--set"] == ISSUER
    again = Said(said["--set"], dict(pairs)["--encoding"], said["--column"])
    found = preview_charges(path, said=again)
    assert found.totals["billed"] == {"CNY": "2030.50"}
    assert dict(pairs)["--zone"] == "Asia/Shanghai"


def test_a_source_says_it_once_and_a_heading_may_stand_for_two(tmp_path: Path) -> None:
    path, store = _write(tmp_path, "账号,账期,金额", "A1,2024年9月,5", "A1,2024/10,7.5"), "ws"
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "sources.yaml").write_text(
        "sources: [{source: b, files: '*.csv', set: {InvoiceIssuerName: Beichen, "
        "BillingCurrency: CNY}, columns: {BillingAccountId: 账号, BilledCost: 金额, "
        "BillingPeriodStart: 账期, ChargePeriodStart: 账期}}]",
        "utf-8",
    )
    done = _import(Store(tmp_path / store), path)
    assert done.facts["billed"] == {"CNY": "12.50"} and done.facts["quarantined"] == 0
    assert (done.facts["first_billed"], done.facts["last_billed"]) == ("2024-09-01", "2024-10-01")


@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS | {B: "实付金额"},  # not there
        COLUMNS | {"ListCost": "币种"},  # of another type than the one that has the heading
        COLUMNS | {"Amount": "原价"},  # no column of FOCUS
    ],
)
def test_what_cannot_be_agreed_is_refused(columns: dict[str, str], tmp_path: Path) -> None:
    path = _write(tmp_path, HEADER, *ROWS)
    problems = preview_charges(path, said=Said(ISSUER, columns=columns)).problems
    assert [p.code for p in problems] == ["column-not-there"]


def test_a_total_is_one_below_agreed_columns_too(tmp_path: Path) -> None:
    path = _write(tmp_path, HEADER, *ROWS, '合计,,"1,254.75",,,')
    found = preview_charges(path, said=Said(ISSUER, columns=COLUMNS))
    assert found.rows == 2 and "total-row" in {p.code for p in found.problems}


def test_months_by_themselves_are_their_first_days(tmp_path: Path) -> None:
    said = ("2024-09", "2024/9", "2024.09", "2024年9月", "202409", " 2024-09 ")
    no_month = ("201209", "2024-13", "2024-00", "20249", "09-2024", "2024-Q3")
    rows = [f"{text},A1,1,CNY,2024-09-03,1" for text in (*said, *no_month)]
    path = _write(tmp_path, HEADER, *rows)
    done = _import(Store(tmp_path / "ws"), path, columns=COLUMNS, fills=ISSUER)
    assert done.facts["quarantined"] == len(no_month)
    assert (done.facts["first_billed"], done.facts["last_billed"]) == ("2024-09-01", "2024-09-01")


def test_what_a_header_lacks_is_said_once(tmp_path: Path) -> None:
    """Not once for each column: three lines of each hid what had to be decided."""
    header = "BillingAccountId,billedcost,BillingCurrency,BillingPeriodStart,ChargePeriodStart"
    row = "A1,1,CNY,2024-09-01,2024-09-03,Cloud,red,round"
    path = _write(tmp_path, f"{header},InvoiceIssuerName,Colour,Shape", row)
    problems, codes = preview_charges(path).problems, ("unknown", "spelling", "missing")
    said = {code: [p.values for p in problems if p.code == f"column-{code}"] for code in codes}
    assert said["unknown"] == [{"column": "Colour, Shape"}]
    assert said["spelling"] == [{"value": "billedcost (BilledCost)"}]
    (missing,) = said["missing"]
    assert {"ServiceName", "ChargeCategory"} <= set(missing["column"].split(", "))
