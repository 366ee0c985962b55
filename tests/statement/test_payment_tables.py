"""How a payee is paid, what waits, what its fund holds: the same in text, in Excel, on the page."""

from __future__ import annotations

import io
import re
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import settle_period
from fenrun.settle.imports import import_file
from fenrun.statement.formats.text import to_text
from fenrun.statement.formats.xlsx import to_xlsx
from fenrun.statement.payment_tables import payment_tables
from fenrun.statement.rows import Statement, statement_of
from fenrun.store.facts import Store
from tests.portal.served import beside, environment

MARCH = parse_period("2024-03")
PLAN = """
plan: co-op
title: Co-op
source: test
published: 2024-01-01
effective: {from: 2024-03-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables: {rates: [{from: 2024-03-01, source: Terms, kind: all units, bands: [pays 10 %]}]}
earn:
  sum:
    - {id: commission, title: {en: Commission, zh-CN: 佣金}, pays: partner, per: month,
       each: customer, on: amount, by: amount, table: rates}
"""
PAY = """
pay:
  instalments: [90 % at once, 10 % after 1 month]
  frozen: arrears = 'yes'
  forms: [60 % rebate, 40 % co-op]
  funds: [{form: co-op, claims: claims, cap: 30}]
"""
BOOK = """
parties: [{party: P1, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: account, issuer: Cloud, subject: A2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P1}
labels: [{party: K2, label: arrears, value: 'yes', from: 2024-03-01}]
"""
CHARGES = """
BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName
1000,1000,1000,1000,A1,CNY,2024-03-01T00:00:00Z,2024-03-05T00:00:00Z,Cloud
500,500,500,500,A2,CNY,2024-03-01T00:00:00Z,2024-03-05T00:00:00Z,Cloud
""".lstrip()
TABLES = {
    "en": {
        "Payout": [
            ["Month", "Due", "Paid"],
            ["2024-03", "90.00", "90.00"],
            ["Month", "Form", "Amount", "Paid"],
            ["2024-03", "co-op", "36.00", "36.00"],
            ["2024-03", "rebate", "54.00", "54.00"],
        ],
        "Earned, and due later": [["Month", "Amount"], ["2024-04", "15.00"]],
        "Due, and waiting": [["Component", "Waits for", "Amount"], ["Commission", "K2", "45.00"]],
        "Funds": [
            ["Month", "Fund", "Accrued", "Above the cap", "Balance"],
            ["2024-03", "co-op", "36.00", "6.00", "30.00"],
        ],
    },
    "zh-CN": {
        "付款": [
            ["月份", "到期应付", "实付"],
            ["2024-03", "90.00", "90.00"],
            ["月份", "形式", "金额", "实付"],
            ["2024-03", "co-op", "36.00", "36.00"],
            ["2024-03", "rebate", "54.00", "54.00"],
        ],
        "应得未到期": [["月份", "金额"], ["2024-04", "15.00"]],
        "到期暂缓支付": [["项目", "所待事项", "金额"], ["佣金", "K2", "45.00"]],
        "基金": [
            ["月份", "基金", "计入", "超出上限", "余额"],
            ["2024-03", "co-op", "36.00", "6.00", "30.00"],
        ],
    },
}
"""The tables by title, row by row: 150 earned, of which 45 wait and 15 fall due in April."""
_PAGES = """
import json
from unittest import mock
from django.conf import settings
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from fenrun.base.when import parse_period
from fenrun.closing.close import settle_period
from fenrun.portal.commands import publishing
from fenrun.portal.pages import statements
from fenrun.statement.rows import statement_of
from fenrun.store.facts import Store
march, store = parse_period("2024-03"), Store.open(settings.WORKSPACE)
settled = settle_period(store, march)
more = {"attained": {}, "under_way": [], "elsewhere": [], "team": []}
shown = publishing._statement(statement_of(settled.run, "P1"), 1, {}, **more)
shown.period = publishing._head(settled, march, store.state())
shown.body["before"] = None
pages = {}
for lang in ("en", "zh-CN"):
    with translation.override(lang), mock.patch.object(statements, "rows_seen", return_value=[]):
        request = RequestFactory().get("/")
        request.grants = []
        facts = statements._shown(request, shown)
        pages[lang] = render_to_string("statement.html", facts, request)
print(json.dumps(pages))
"""


def _workspace(folder: Path, plan: str) -> Store:
    store = Store(folder / "ws")
    for name, text in (("plan.yaml", plan), ("book.yaml", BOOK), ("charges.csv", CHARGES)):
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, datetime(2024, 4, 2))
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _workspace(tmp_path_factory.mktemp("paid"), PLAN + PAY)


@pytest.fixture(scope="module")
def statement(store: Store) -> Statement:
    return statement_of(settle_period(store, MARCH).run, "P1")


@pytest.fixture(scope="module")
def pages(store: Store) -> dict[str, str]:
    """The portal's page of the statement, by language."""
    return dict(beside(store.path, environment(store.path), _PAGES))


@pytest.mark.parametrize("lang", TABLES)
def test_the_text_says_how_it_is_paid(statement: Statement, lang: str) -> None:
    said = to_text(statement, lang).decode()
    words = [re.split(r" {2,}", line.strip()) for line in said.splitlines()]
    for title, rows in TABLES[lang].items():
        at = words.index([title])
        found = [row for row in words[at + 1 :] if len(row) > 1]
        assert found[: len(rows)] == rows


@pytest.mark.parametrize("lang", TABLES)
def test_the_workbook_says_how_it_is_paid(statement: Statement, lang: str) -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(statement, lang)))
    assert book.sheetnames[2:] == list(TABLES[lang])
    for title, rows in TABLES[lang].items():
        cells = [[c for c in row if c is not None] for row in book[title].values]
        said = [[c if isinstance(c, str) else f"{c:.2f}" for c in row] for row in cells if row]
        assert said == rows


@pytest.mark.parametrize("lang", TABLES)
def test_the_page_says_how_it_is_paid(pages: dict[str, str], lang: str) -> None:
    sections = re.findall(r"<section>\s*<h2>(.+?)</h2>(.*?)</section>", pages[lang], re.DOTALL)
    said = {
        title: [
            re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
            for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
        ]
        for title, text in sections
    }
    assert {title: said.get(title) for title in TABLES[lang]} == TABLES[lang]


def test_nothing_is_said_where_all_is_paid_at_once(tmp_path: Path) -> None:
    statement = statement_of(settle_period(_workspace(tmp_path, PLAN), MARCH).run, "P1")
    assert statement.payable == statement.earned == 150
    assert not payment_tables(statement.as_json(), statement.titles, "en")
    assert len(openpyxl.load_workbook(io.BytesIO(to_xlsx(statement, "en"))).sheetnames) == 2


def test_what_is_all_due_later_is_said(tmp_path: Path) -> None:
    plan = PLAN + "pay: {instalments: [100 % after 2 months]}"
    statement = statement_of(settle_period(_workspace(tmp_path, plan), MARCH).run, "P1")
    (table,) = payment_tables(statement.as_json(), statement.titles, "en")["due-later"]
    assert table.rows == [(["2024-05"], [statement.earned])] and not statement.payouts


def test_where_several_plans_pay_each_row_names_its_plan() -> None:
    of = {"month": "2024-03", "form": "cash", "due": "1", "paid": "2", "amount": "1"}
    payouts = [{"plan_id": plan, **of} for plan in ("one", "two")]
    later = [{"plan_id": "one", "month": "2024-04", "amount": "3"}]
    names = ("brought", "expired", "drawn", "recovered", "balance", "carried")
    rows = [row | dict.fromkeys(names, "0") for row in payouts]
    statement = {
        "payouts": rows,
        "payments": payouts,
        "due_later": later,
        "waiting": [],
        "funds": [],
        "lines": [],
    }
    found = payment_tables(statement, {}, "en")
    assert [table.texts for tables in found.values() for table in tables] == [
        ("plan", "month"),
        ("plan", "month", "form"),
        ("plan", "month"),
    ]
    assert [texts for texts, _ in found["payout"][0].rows] == [
        ["one", "2024-03"],
        ["two", "2024-03"],
    ]
