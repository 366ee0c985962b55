"""Terms and events: alike from every form, as known at a moment, and apart from settlements."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.money import plain
from fenrun.base.problem import Refused
from fenrun.base.table import from_rows
from fenrun.base.when import OPEN_END, parse_period
from fenrun.closing.close import close
from fenrun.closing.differences import differences
from fenrun.proof import payee_extract
from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import LAYOUTS, dataset_of, import_file
from fenrun.settle.runs import settle_workspace
from fenrun.settle.terms_in_force import events_between, known_terms, terms_in_force
from fenrun.store.facts import Store
from fenrun.tables.kept import Sources
from fenrun.tables.records import read_tables, rows_from
from fenrun.terms.as_of import terms_of
from fenrun.terms.from_focus import agreement_fields
from fenrun.terms.rows import Floor
from tests.command import fenrun
from tests.errors.gallery import BOOK, COUPON, KNOWN, PLAN, ROW, STEP

DAY = timedelta(days=1)
ROWS: dict[str, dict[str, str]] = {
    "identities": {"party": "P1", "kind": "phone", "value": "008613800001111"},
    "agreements": {
        "agreement": "007", "kind": "commit", "customer": "K1", "from": "2024-01-01",
        "to": "2025-01-01", "amount": "60000000", "currency": "CNY", "shortfall": "20 %",
        "covers": "ServiceName in ('CDN', 'SMS')", "reference": "B-1",
    },
    "floors": {
        "floor": "F1", "covers": "ServiceName = 'Storage'", "least": "60 % of list",
        "fine": "5000000", "currency": "CNY", "source": "Price letter 3",
    },
    "approvals": {
        "approval": "A1", "step": "1", "kind": "discount", "customer": "K1", "partner": "P1",
        "grants": "45 % of list", "amount": "1000.5", "currency": "CNY", "from": "2024-09-01",
        "to": "2024-10-01", "asked_by": "ann", "asked_at": "2024-08-01T08:00:00",
        "decided_by": "boss", "decided_at": "2024-08-03T17:30:00", "outcome": "approved",
        "reason": "A large project",
    },
    "coupons": {
        "coupon": "C1", "customer": "K1", "covers": "ServiceName = 'GPU'", "amount": "50000",
        "currency": "CNY", "from": "2024-01-01", "to": "2024-07-01", "granted_by": "boss",
    },
    "prices": {"sku": "0012", "price": "0.0008", "currency": "CNY", "from": "2024-01-01"},
    "events": {
        "event": "E1", "at": "2024-09-03T10:15:30", "kind": "association", "actor": "op-3",
        "customer": "K1", "party": "P1", "order": "0017", "device": "d1", "address": "10.0.0.1",
    },
    "payments": {
        "payment": "Z1", "day": "2024-09-03", "payer": "P1", "customer": "K1",
        "amount": "-15000000", "currency": "CNY", "kind": "prepay", "reference": "007",
    },
    "trades": {
        "trade": "T1", "day": "2024-09-03", "seller": "P1", "buyer": "P2", "item": "router",
        "serial": "00X1", "quantity": "3", "amount": "100.10", "currency": "CNY", "project": "M",
    },
}  # fmt: skip
"""A row of each table, in the columns of files."""
_NUMBERS = ("amount", "fine", "price", "quantity", "step")
_DAYS = ("from", "to", "day")
_MOMENTS = ("at", "asked_at", "decided_at")


def _written(folder: Path, table: str, rows: Sequence[dict[str, str]]) -> Iterator[Path]:
    """The rows of a table in each form that files have."""
    path = folder / f"{table}.yaml"
    path.write_text(yaml.safe_dump({table: list(rows)}, allow_unicode=True), "utf-8")
    yield path
    with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    yield folder / f"{table}.csv"
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / f"{table}.parquet")
    yield folder / f"{table}.parquet"
    with xlsxwriter.Workbook(folder / f"{table}.xlsx") as book:
        sheet = book.add_worksheet("Sheet 1")
        sheet.write_row(0, 0, list(rows[0]))
        form = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for number, row in enumerate(rows, 1):
            for at, (column, text) in enumerate(row.items()):
                if column in (*_DAYS, *_MOMENTS):
                    sheet.write_datetime(number, at, datetime.fromisoformat(text), form)
                elif column in _NUMBERS:
                    sheet.write_number(number, at, Decimal(text))
                else:
                    sheet.write_string(number, at, text)
    yield folder / f"{table}.xlsx"


@pytest.mark.parametrize("table", ROWS)
def test_every_form_holds_the_same_row(tmp_path: Path, table: str) -> None:
    kinds, found = set(), []
    for path in _written(tmp_path, table, [ROWS[table]]):
        kinds.add(dataset_of(path).kind)
        (kind,) = kinds
        rows, problems = read_tables(path, LAYOUTS[kind])
        assert not problems, path
        found.append([replace(row, row_no=0) for row in rows[table]])
    assert len(found[0]) == 1 and found == found[:1] * 4
    assert table in LAYOUTS[kind].columns


WRONG = [
    ("agreements", {"kind": "gift"}, "kind"),
    ("agreements", {"amount": ""}, "amount"),
    ("agreements", {"to": ""}, "to"),
    ("agreements", {"kind": "prepay"}, "shortfall"),
    ("agreements", {"currency": ""}, "currency"),
    ("agreements", {"amount": "1,5"}, "amount"),
    ("agreements", {"covers": "ServiceName is"}, "covers"),
    ("agreements", {"covers": "class = 'C'"}, "covers"),
    ("agreements", {"shortfall": "0.2"}, "shortfall"),
    ("agreements", {"to": "2023-01-01"}, "to"),
    ("agreements", {"agreement": ""}, "agreement"),
    ("floors", {"least": "60 % of money"}, "least"),
    ("floors", {"least": "-1"}, "least"),
    ("floors", {"least": ""}, "least"),
    ("floors", {"currency": ""}, "currency"),
    ("approvals", {"step": "0"}, "step"),
    ("approvals", {"step": "1.5"}, "step"),
    ("approvals", {"outcome": "maybe"}, "outcome"),
    ("approvals", {"outcome": ""}, "outcome"),
    ("approvals", {"decided_at": ""}, "decided_at"),
    ("approvals", {"decided_by": ""}, "decided_by"),
    ("approvals", {"decided_at": "2024-07-31"}, "decided_at"),
    ("approvals", {"asked_at": "soon"}, "asked_at"),
    ("approvals", {"asked_at": ""}, "asked_at"),
    ("coupons", {"amount": "-5"}, "amount"),
    ("coupons", {"customer": ""}, "customer"),
    ("coupons", {"colour": "red"}, "colour"),
    ("prices", {"price": "cheap"}, "price"),
    ("events", {"at": "yesterday"}, "at"),
    ("events", {"at": ""}, "at"),
    ("events", {"kind": "dance"}, "kind"),
    ("payments", {"day": "3/9/24"}, "day"),
    ("payments", {"kind": "bribe"}, "kind"),
    ("trades", {"amount": ""}, "amount"),
    ("trades", {"quantity": "two"}, "quantity"),
    ("identities", {"kind": "shoe size"}, "kind"),
    ("identities", {"value": ""}, "value"),
]


@pytest.mark.parametrize(("table", "wrong", "column"), WRONG)
def test_a_row_that_cannot_be_read_is_left_out_at_its_place(
    tmp_path: Path, table: str, wrong: dict[str, str], column: str
) -> None:
    kind = next(one.kind for one in LAYOUTS.values() if table in one.columns)
    other = ROWS[table] | dict.fromkeys(wrong.keys() - ROWS[table].keys(), "")
    path = list(itertools.islice(_written(tmp_path, table, [other, other | wrong]), 2))[1]
    rows, problems = read_tables(path, LAYOUTS[kind])
    places = {(one.place.source, one.place.row, one.place.column) for one in problems}
    assert (path.name, 3, column) in places
    assert len(rows[table]) == (0 if column == "colour" else 1)


def test_a_contract_commitment_of_focus_is_an_agreement() -> None:
    said = {
        "ContractCommitmentId": "CC-1",
        "ContractId": "B-17",
        "ContractCommitmentCategory": "Spend",
        "ContractCommitmentCost": "60000000",
        "ContractCommitmentPeriodStart": "2024-01-01T00:00:00Z",
        "ContractCommitmentPeriodEnd": "2025-01-01T00:00:00Z",
        "BillingCurrency": "CNY",
    }
    other = said | {"ContractCommitmentCategory": "Barter"}
    rows = [(number, agreement_fields(row, "K1")) for number, row in enumerate((said, other), 2)]
    found, problems = rows_from({"agreements": rows}, "commitments.csv", LAYOUTS["terms"])
    (made,) = found["agreements"]
    assert (made.agreement, made.kind, made.customer) == ("CC-1", "commit", "K1")
    assert (made.amount, made.valid_from, made.valid_to) == (
        60_000_000, date(2024, 1, 1), date(2025, 1, 1)
    )  # fmt: skip
    assert [str(one.place) for one in problems] == ["commitments.csv:3:kind"]


def test_a_number_of_which_excel_made_an_id_is_refused_by_its_cell(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "i.xlsx") as book:
        sheet = book.add_worksheet("who")
        sheet.write_row(0, 0, ["party", "kind", "value"])
        sheet.write_row(1, 0, ["P1", "phone", 13800001111])
    rows, problems = read_tables(tmp_path / "i.xlsx", LAYOUTS["book"])
    assert [str(one.place) for one in problems] == ["i.xlsx:2:who!C2"]
    assert not rows["identities"]


def test_tables_of_two_kinds_in_one_file_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text("floors: [{floor: F, least: 1 % of list}]\nparties: []\n", "utf-8")
    with pytest.raises(Refused) as refusal:
        import_file(Store(tmp_path / "ws"), path, KNOWN)
    (problem,) = refusal.value.problems
    assert (problem.place.row, problem.place.column) == (2, "parties")
    assert "agreements, floors" in problem.words("what")


class _Workspace:
    """A workspace that takes files as texts, each a day after the other."""

    def __init__(self, folder: Path):
        self.folder, self.known, self.store = folder, KNOWN, Store(folder / "ws")

    def take(self, name: str, text: str, actor: str = "ann") -> None:
        (self.folder / name).write_text(text, "utf-8")
        self.store.actor, self.known = actor, self.known + DAY
        import_file(self.store, self.folder / name, self.known)


@pytest.fixture
def workspace(tmp_path: Path) -> _Workspace:
    return _Workspace(tmp_path)


def test_the_last_known_row_holds_and_an_empty_span_withdraws_it(workspace: _Workspace) -> None:
    def floors(known: datetime | None = None) -> list[tuple[str, str]]:
        found = terms_in_force(workspace.store, date(2024, 9, 1), known)["floors"]
        return [(row["least"], row["brought"]["by"]) for row in found]

    workspace.take("f.yaml", "floors: [{floor: F1, least: 60 % of list, from: 2024-01-01}]\n")
    first = workspace.known
    later = "floors: [{floor: F1, least: 70 %% of list, from: 2024-01-01%s}]\n"
    workspace.take("f.yaml", later % "", "ben")
    assert floors() == [("70 % of list", "ben")]
    assert floors(first) == [("60 % of list", "ann")]
    workspace.take("f.yaml", later % ", to: 2024-01-01")
    assert floors() == []
    assert floors(workspace.known - DAY) == [("70 % of list", "ben")]


def _floors(leasts: Sequence[int]) -> pa.Table:
    rows = [
        Floor("F1", "", f"{n} % of list", date(2024, 1, 1), OPEN_END, None, "", "", at)
        for at, n in enumerate(leasts, 2)
    ]
    return from_rows(Floor, rows)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=6), st.data())
def test_the_order_of_arrival_does_not_matter(
    facts: list[tuple[int, int]], data: st.DataObject
) -> None:
    sources: Sources = [
        (f"{day}-{least}-{number}", KNOWN + day * DAY, {"floors": _floors([least])})
        for number, (day, least) in enumerate(facts)
    ]
    found = terms_of(sources)
    again = terms_of(data.draw(st.permutations(sources)))
    last = {least for day, least in facts if day == max(day for day, _ in facts)}
    expected = {f"{least} % of list" for least in last} if len(last) == 1 else set()
    assert {row["least"] for row in found.floors} == expected
    assert {row["least"] for row in again.floors} == expected
    assert [one.code for one in found.problems] == ["row-twice"] * (len(last) > 1)
    assert len(found.problems) == len(again.problems)


def test_a_price_holds_until_the_next_begins(workspace: _Workspace) -> None:
    text = "sku,price,currency,from\nS1,0.48,CNY,2024-07-01\nS1,0.60,CNY,2024-01-01\n"
    workspace.take("prices.csv", text)

    def price(day: date) -> list[str]:
        return [plain(row["price"]) for row in terms_in_force(workspace.store, day)["prices"]]

    assert [price(date(2024, month, 1)) for month in (1, 6, 7, 12)] == [
        ["0.60"], ["0.60"], ["0.48"], ["0.48"]
    ]  # fmt: skip
    assert price(date(2023, 12, 31)) == []
    assert not check_workspace(workspace.store)


@pytest.mark.parametrize(
    ("steps", "state", "is_whole"),
    [
        ([STEP % 1, STEP % 2], "approved", True),
        ([STEP % 2, STEP % 1], "approved", True),
        ([STEP % 1, STEP % 3], "open", False),
        ([STEP % 2], "open", False),
        ([STEP % 1, (STEP % 2).replace("45 %", "40 %")], "open", False),
        ([STEP % 1, (STEP % 2).replace("approved", "refused")], "refused", True),
        ([STEP % 1, (STEP % 2).replace("approved", "lapsed")], "lapsed", True),
        ([STEP % 1, (STEP % 2).split(", decided_by")[0] + "}"], "open", True),
    ],
)
def test_an_approval_holds_when_every_step_is_approved(
    workspace: _Workspace, steps: list[str], state: str, is_whole: bool
) -> None:
    workspace.take("a.yaml", "approvals:\n" + "".join(f"  - {step}\n" for step in steps))
    (chain,) = known_terms(workspace.store).chains()
    assert (chain.state, chain.is_whole) == (state, is_whole)


def test_what_no_plan_reads_of_terms_and_events_changes_no_settlement(
    workspace: _Workspace,
) -> None:
    """Where no plan reads them: neither a run nor a closed period is another by them."""
    line = ",".join(ROW.values())
    workspace.take("charges.csv", f"{','.join(ROW)}\n{line}\n")
    workspace.take("book.yaml", BOOK)
    workspace.take("plan.yaml", PLAN)
    period, closed_at = parse_period("2024-09"), workspace.known
    run = settle_workspace(workspace.store, period).run_id
    close(workspace.store, period, closed_at, first=True)
    workspace.take("terms.yaml", f"coupons:\n  - {COUPON}\n")
    workspace.take("who.yaml", "identities: [{party: P1, kind: phone, value: '1'}]\n")
    workspace.take("events.yaml", "events: [{event: E, at: 2024-09-01, kind: view, party: P1}]\n")
    found = differences(workspace.store, period, closed_at, workspace.known)
    assert [one.amount for one in found if one.amount] == []
    assert settle_workspace(workspace.store, period, closed_at).run_id == run
    (item,) = [one for one in workspace.store.imports("book") if "identities" in one.facts]
    assert payee_extract._tables_of(item) == {}, "identities go into no bundle"


def test_a_file_that_is_mended_is_no_problem_any_more(workspace: _Workspace) -> None:
    good = "{floor: F1, least: 60 % of list}"
    workspace.take("f.yaml", f"floors:\n  - {good}\n  - {{floor: F2, least: much}}\n")
    codes = ["rows-unread", "book-value"]
    assert [one.code for one in check_workspace(workspace.store)] == codes
    workspace.take("f.yaml", f"floors:\n  - {good}\n  - {{floor: F2, least: 1}}\n")
    codes = ["rows-unread", "book-value"]
    assert [one.code for one in check_workspace(workspace.store)] == codes
    workspace.take("f.yaml", f"floors:\n  - {good}\n  - {{floor: F2, least: 50 % of list}}\n")
    assert check_workspace(workspace.store) == []


def test_events_are_listed_by_the_days_on_which_they_were(workspace: _Workspace) -> None:
    workspace.take(
        "events.csv",
        "event,at,kind,customer,party\n"
        "E2,2024-09-30T23:59:59,call,K2,P1\nE1,2024-09-01,view,K1,P1\nE3,2024-10-01,view,K1,P2\n",
    )
    span = parse_period("2024-09").span
    found, problems = events_between(workspace.store, span.start, span.end)
    assert [row["event"] for row in found["events"]] == ["E1", "E2"] and not problems
    found, _ = events_between(workspace.store, span.start, span.end, about="K2")
    assert [row["event"] for row in found["events"]] == ["E2"]


def test_commands_list_terms_and_events(workspace: _Workspace) -> None:
    workspace.take("terms.yaml", f"approvals:\n  - {STEP % 1}\n")
    workspace.take("pay.yaml", f"payments: [{ROWS['payments']}]\n".replace("'", ""))
    said = fenrun("terms", "show", workspace.folder / "ws", "--on", "2024-09-01", "--json").json()
    (row,) = said["approvals"]
    assert (row["step"], row["grants"], row["state"]) == ("1", "45 % of list", "approved")
    assert row["asked_at"] == "2024-08-01T00:00:00Z" and row["brought"]["by"] == "ann"
    shown = fenrun("events", "show", workspace.folder / "ws", "--period", "2024-09", lang="zh-CN")
    assert shown.code == 0 and "-15000000" in shown.out and "付款" in shown.out
