"""Files are seen at a glance before any workspace, and the book that is made of them settles."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
import yaml

from fenrun.base.when import parse_period
from fenrun.book.write import write_yaml
from fenrun.settle import imports
from fenrun.settle.imports import import_file
from fenrun.settle.previews import (
    accounts_of,
    billed_in_all,
    book_to_start_from,
    preview,
    similar_accounts,
)
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store
from tests.command import fenrun
from tests.errors.gallery import BOOK, KNOWN, PLAN, ROW


def _charges(path: Path, *charges: dict[str, str], columns: dict[str, str] = ROW) -> Path:
    rows = [",".join(columns), *(",".join((columns | cells).values()) for cells in charges)]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def test_charges_are_seen_by_account_month_and_currency(tmp_path: Path) -> None:
    columns = ROW | {"BillingAccountName": "Lake", "SubAccountId": "", "x_Team": "red"}
    one = _charges(
        tmp_path / "one.csv",
        {"SubAccountId": "S1"},
        {"SubAccountId": "S2", "BilledCost": "-0.25"},
        {"BillingCurrency": "USD", "BillingAccountName": ""},
        {"BilledCost": "5", "BillingAccountId": ""},
        columns=columns,
    )
    other = _charges(tmp_path / "other.csv", {"BilledCost": "0.5", "ChargePeriodEnd": ""}, {})
    found = [preview(one), preview(other)]
    accounts = accounts_of(found)
    said = [(a.name, a.month, a.currency, a.charges, a.billed) for a in accounts]
    assert said == [
        ("Lake", "2024-09", "CNY", 4, Decimal("2.25")),
        ("", "2024-09", "USD", 1, Decimal(1)),
    ]
    assert accounts[0].sub_accounts == {"S1", "S2"}
    assert billed_in_all(accounts) == {"CNY": Decimal("2.25"), "USD": Decimal(1)}
    assert found[0].charges and found[0].charges.unknown_columns == ["x_Team"]
    assert "ServiceName" in found[0].charges.missing_columns
    assert found[0].facts["quarantined"] == 1 and found[0].facts["billed"]["CNY"] == "5.75"
    assert "row-quarantined" in {problem.code for problem in found[0].problems}
    late = preview(_charges(tmp_path / "late.csv", {"ChargePeriodStart": "2027-01-01T00:00:00Z"}))
    assert late.facts["quarantined"] == 0
    late = preview(tmp_path / "late.csv", known=datetime(2024, 10, 1))
    assert late.facts["quarantined"] == 1, "more than two years ahead, as an import would say"


def test_a_workbook_is_opened_once_to_tell_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = tmp_path / "terms.xlsx", []
    book = openpyxl.Workbook()
    book.active.append(["trade", "payer"])  # of the last kind of table that is tried
    book.save(path)
    read = imports.headers_of
    monkeypatch.setattr(imports, "headers_of", lambda path: opened.append(path) or read(path))
    imports.dataset_of(path)
    assert opened == [path]


def test_what_is_no_charges_is_seen_too(tmp_path: Path) -> None:
    texts = {"plan.yaml": PLAN, "book.yaml": BOOK, "odd.csv": "a,BilledCost\n1,2\n", "none.csv": ""}
    found = {}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        found[name] = preview(tmp_path / name)
    assert found["plan.yaml"].facts == {"plan": "tried"}
    assert found["book.yaml"].facts == {"parties": 2, "links": 2}
    odd = found["odd.csv"].charges
    assert odd and odd.columns == ("a", "BilledCost") and odd.rows == 0
    assert [problem.code for problem in odd.problems] == ["not-focus"]
    assert [problem.code for problem in found["none.csv"].problems] == ["file-empty"]


def test_accounts_that_look_alike_are_named_once(tmp_path: Path) -> None:
    ids = ({"BillingAccountId": name} for name in ("A1", "a1", "Ａ1", "A2", "A1 "))
    accounts = accounts_of([preview(_charges(tmp_path / "c.csv", *ids))])
    problems = similar_accounts(accounts)
    assert [problem.place.column for problem in problems] == ["a1", "Ａ1"]
    assert "capital letters" in problems[0].words("what")


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("named", ["A1", "000123", "1e5", "yes", "2024-09-01", "{a: b}", "x: #y"])
def test_a_book_to_start_from_credits_every_account(named: str, tmp_path: Path) -> None:
    path = _charges(
        tmp_path / "c.csv", {"BillingAccountId": named}, {"InvoiceIssuerName": "Other Cloud"}
    )
    tables = book_to_start_from(accounts_of([preview(path)]))
    if named == "A1":
        assert [row["party"] for row in tables["parties"]] == ["Beichen Cloud A1", "Other Cloud A1"]
    for link in list(tables["links"]):
        partner = {"of": "customer", "subject": link["party"], "role": "partner", "party": "P1"}
        tables["links"].append(partner)
    tables["parties"].append({"party": "P1", "kind": "partner"})
    write_yaml(tmp_path / "book.yaml", tables, "en", hints=True)
    (tmp_path / "plan.yaml").write_text(PLAN)
    store = Store(tmp_path / "ws")
    for file in ("plan.yaml", "book.yaml", "c.csv"):
        import_file(store, tmp_path / file, KNOWN)
    run = settle_workspace(store, parse_period("2024-09")).run
    assert not run.problems
    (ledger,) = run.engine.table("ledger").to_pylist()
    assert (ledger["credited"], ledger["uncredited"]) == (Decimal(2), Decimal(0))


def test_the_command_shows_and_makes_a_book_once(tmp_path: Path) -> None:
    path, book = _charges(tmp_path / "c.csv", {}, {"BilledCost": "2.5"}), tmp_path / "book.yaml"
    done = fenrun("look", path, "--make-book", book)
    assert "A1" in done.out and "3.50 CNY" in done.out and "2024-09" in done.out
    assert fenrun("import", tmp_path / "ws", path, book, "--json").json()["imported"]
    assert "sub-account" not in done.out
    again = fenrun("look", path, "--make-book", book)
    assert again.code == 1 and "target-exists" in again.err
    said = fenrun("look", book, path, "--json", lang="zh-CN").json()
    kinds = {file["file"]: file["kind"] for file in said["files"]}
    assert kinds == {"c.csv": "charges", "book.yaml": "book"}
    assert said["files"][1]["accounts"][0]["billed"] == "3.50"


def test_a_book_made_of_a_resellers_account_says_how_its_sub_accounts_get_customers(
    tmp_path: Path,
) -> None:
    """The account is one customer in it: each charge of all of them would be one partner's."""
    columns = ROW | {"SubAccountId": ""}
    subs = ({"SubAccountId": name} for name in ("007", "008"))
    path = _charges(tmp_path / "c.csv", *subs, columns=columns)
    said = fenrun("look", path, "--make-book", tmp_path / "book.yaml").out
    (line,) = (line for line in said.splitlines() if line.startswith("A1 has 2 sub-accounts"))
    link = yaml.safe_load(line.partition("its own: ")[2])
    assert link["subject"] == "007" and link["of"] == "sub-account" and link["role"] == "customer"
