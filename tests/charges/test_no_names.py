"""Words that programs write where they have no value: no names of accounts, parties or money."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

from fenrun.base.likeness import is_no_name
from fenrun.base.problem import Problem
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

KNOWN = datetime(2025, 1, 1)
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName\n"
)
WORDS = [
    "None", "none", "NONE", "nan", "NaN", "NAN", "NaT", "N/A", "n/a", "NA", "N.A.", "#N/A",
    "#REF!", "<NA>", "nil", "undefined", "-", "--", "—", "(blank)", "(none)",
    "[null]", "无", "暂无",
]  # fmt: skip
NAMES = [
    "Nonesuch", "Nana", "Nan Hai", "NA1", "N/A-7", "none@acme.example", "A-", "0", "Nil Ltd",
    "blank", "南", "无锡云",
]  # fmt: skip


def _take(
    folder: Path, name: str, text: str, fills: dict[str, str] | None = None
) -> tuple[Store, list[Problem]]:
    store, path = Store(folder / "ws"), folder / name
    path.write_text(text, "utf-8")
    return store, list(import_file(store, path, KNOWN, fills=fills).problems)


def _row(account: str, currency: str = "USD", issuer: str = "Acme") -> str:
    return f"1.00,{account},{currency},2024-09-01T00:00:00Z,2024-09-02T00:00:00Z,{issuer}\n"


def test_words_for_nothing_are_no_accounts_issuers_or_currencies(tmp_path: Path) -> None:
    rows = [_row("A1"), *map(_row, NAMES), *map(_row, WORDS)]
    rows += [_row("A1", issuer=word) for word in WORDS] + [_row("A1", currency=w) for w in WORDS]
    store, problems = _take(tmp_path, "a.csv", HEAD + "".join(rows))
    (item,) = store.imports("charges")
    assert item.facts["quarantined"] == 3 * len(WORDS)
    assert item.facts["accounts"] == 1 + len(NAMES)
    said = {p.place.column: p for p in problems if p.code == "no-name"}
    assert {name: p.rows for name, p in said.items()} == dict.fromkeys(
        ("BillingAccountId", "InvoiceIssuerName", "BillingCurrency"), len(WORDS)
    )
    assert said["BillingAccountId"].place.row == len(NAMES) + 3
    assert "--set BillingAccountId=None" in said["BillingAccountId"].words("fix")


def test_an_account_that_is_called_so_can_be_named(tmp_path: Path) -> None:
    fills = {"BillingAccountId": "None"}
    store, _ = _take(tmp_path, "a.csv", HEAD + _row("None") + _row("A1"), fills=fills)
    (item,) = store.imports("charges")
    assert item.facts["quarantined"] == 0 and item.facts["accounts"] == 2
    assert item.facts["set"] == {"BillingAccountId": {"value": "None", "rows": 1}}
    assert Decimal(item.facts["billed"]["USD"]) == 2
    book = "parties: [{party: None, kind: customer}]\n"
    book += "links: [{of: account, issuer: Acme, subject: None, role: customer, party: None}]\n"
    assert not _take(tmp_path, "book.yaml", book)[1]


def test_a_table_from_a_program_has_no_party_without_a_name(tmp_path: Path) -> None:
    rows = "".join(f"{word},customer\n" for word in ["P1", *WORDS[:3], *NAMES[:3]])
    _, problems = _take(tmp_path, "parties.csv", "party,kind\n" + rows)
    assert [(p.code, p.place.row) for p in problems] == [("book-value", row) for row in (3, 4, 5)]
    assert "say it in YAML" in problems[0].words("what") + problems[0].words("why")


def test_every_word_is_told() -> None:
    assert all(map(is_no_name, WORDS)) and not any(map(is_no_name, NAMES))
