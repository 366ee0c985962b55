"""Lines name what was agreed about their charges: the same in text, JSON, Excel, on the page."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.settle.imports import import_file
from fenrun.settle.line_terms import statement_naming_terms, statements_naming_terms
from fenrun.settle.runs import settle_workspace
from fenrun.statement.formats.json import to_json
from fenrun.statement.formats.text import to_text
from fenrun.statement.formats.xlsx import to_xlsx
from fenrun.statement.rows import Statement, statements_of
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from tests.portal.served import beside, environment
from tests.pricing.workspace import book, charge, workspace

GOLDEN = Path(__file__).parent / "golden"
SEPTEMBER, KNOWN = parse_period("2024-09"), datetime(2024, 12, 1)
PLAN = """
plan: agreed
title: Agreed
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit:
  first match: [{id: all, mode: double, roles: [partner]}]
exclude:
  - {id: cheap, title: {en: Too cheap, zh-CN: 低于底价}, when: floor breached and not approved}
  - {id: trials, title: {en: Trials, zh-CN: 试用}, when: coupon as granted}
  - {id: projects, title: {en: Projects, zh-CN: 项目}, when: agreement.kind = 'project'}
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
earn:
  sum:
    - {id: ten, title: {en: Commission, zh-CN: 佣金}, pays: partner, per: month, on: amount,
       by: amount, table: ten}
"""
TERMS = """
floors:
  - {floor: F1, covers: ServiceName = 'Storage', least: 60 % of list, from: 2024-01-01}
approvals:
  - {approval: A1, step: 1, customer: K1, grants: 55 % of list, from: 2024-09-01, to: 2024-10-01,
     asked_by: ann, asked_at: "2024-08-01", decided_by: li, decided_at: "2024-08-02",
     outcome: approved}
coupons:
  - {coupon: C1, customer: K1, amount: 500, currency: CNY, from: 2024-01-01, granted_by: li}
agreements:
  - {agreement: B1, kind: project, customer: K1, partner: P1, covers: ServiceName = 'Design',
     from: 2024-09-01, to: 2024-12-01}
  - {agreement: B2, kind: project, customer: K1, partner: P2, covers: ServiceName = 'Design',
     from: 2024-09-01, to: 2024-12-01}
"""
MORE = """
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
parties:
  - {party: K1, kind: customer}
  - {party: K2, kind: customer}
  - {party: P1, kind: partner}
  - {party: P2, kind: partner}
"""


def _workspace(folder: Path) -> Store:
    charges = [
        charge("A1", "60000", ServiceName="Compute"),
        charge("A1", "100000", "55000"),
        charge("A1", "0", "-500", ServiceName="Compute", ChargeCategory="Credit", x_CouponId="C1"),
        charge("A1", "7000", ServiceName="Design"),
        charge("A2", "300", "100"),
        charge("A2", "1000", ServiceName="Compute"),
    ]
    (folder / "plan.yaml").write_text(PLAN, "utf-8")
    store = workspace(folder, charges, book("K1", "K2", more=MORE), TERMS)
    import_file(store, folder / "plan.yaml", KNOWN)
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _workspace(tmp_path_factory.mktemp("agreed"))


@pytest.fixture(scope="module")
def run(store: Store) -> Run:
    return settle_workspace(store, SEPTEMBER, KNOWN).run


def _named(statement: Statement) -> list[tuple[str, str, str, int, Decimal]]:
    (line,) = statement.lines
    return [(t.table, t.id, t.says, t.charges, t.credited) for t in line.terms]


def test_a_line_names_the_terms_that_are_about_its_charges(run: Run) -> None:
    found = statements_naming_terms(run)
    assert _named(found["P1"]) == [
        ("approvals", "A1", "55 % of list", 4, Decimal(121_500)),
        ("floors", "F1", "60 % of list", 1, Decimal(55_000)),
        ("agreements", "B1", "project", 1, Decimal(7_000)),
        ("coupons", "C1", "", 1, Decimal(-500)),
    ]
    assert _named(found["P2"]) == [("floors", "F1", "60 % of list", 1, Decimal(100))]
    assert found["P2"] == statement_naming_terms(run, "P2")
    assert found["P1"].earned == Decimal("11500.00")  # 10 % of 60,000 and 55,000


def test_what_is_said_of_terms_is_all_that_is_added(run: Run) -> None:
    for payee, statement in statements_naming_terms(run).items():
        plain = json.loads(to_json(statements_of(run)[payee], "en"))
        said = json.loads(to_json(statement, "en"))
        terms = [line.pop("terms") for line in said["lines"]]
        assert all(terms)
        assert said == plain


def test_what_is_converted_is_named_as_it_is_credited(tmp_path: Path) -> None:
    """100 EUR under an approval of EUR are 110 CNY; 50 more no longer fit."""
    plan = PLAN.replace("currency: CNY", "currency: CNY\nconvert: {from: [EUR], on: month}")
    terms = TERMS.replace("55 % of list", "10 % of list, amount: 120, currency: EUR")
    (tmp_path / "plan.yaml").write_text(plan, "utf-8")
    rate = "rates:\n  - {from: EUR, to: CNY, period: 2024-09, rate: 1.1, source: bank}\n"
    charges = [
        charge("A1", "200", "100", BillingCurrency="EUR"),
        charge("A1", "200", "50", BillingCurrency="EUR"),
    ]
    store = workspace(tmp_path, charges, book("K1", more=MORE + rate), terms)
    import_file(store, tmp_path / "plan.yaml", KNOWN)
    statement = statement_naming_terms(settle_workspace(store, SEPTEMBER, KNOWN).run, "P1")
    assert statement.earned == Decimal("11.00")
    assert _named(statement) == [
        ("floors", "F1", "60 % of list", 2, Decimal(165)),
        ("approvals", "A1", "10 % of list", 1, Decimal(110)),
    ]


def test_closed_statements_name_them_too(tmp_path: Path) -> None:
    store = _workspace(tmp_path)
    close(store, SEPTEMBER, KNOWN)
    closed = settle_workspace(store, SEPTEMBER, KNOWN).run
    assert len(_named(statement_naming_terms(closed, "P1"))) == 4


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_statement_is_read_in_words(run: Run, lang: str) -> None:
    statement = statement_naming_terms(run, "P1")
    said = "".join(f"{one.rstrip()}\n" for one in to_text(statement, lang).decode().splitlines())
    path = GOLDEN / f"terms.{lang}.txt"
    if os.environ.get("FENRUN_WRITE_GOLDEN"):
        path.write_text(said, "utf-8")
    assert said == path.read_text("utf-8")


def test_a_workbook_has_a_sheet_of_them(run: Run) -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(statement_naming_terms(run, "P1"), "en")))
    rows: Iterator[tuple[object, ...]] = book["Terms"].iter_rows(values_only=True)
    head, first, *others = rows
    assert head == ("Component", "Period", "Kind", "Id", "Says", "Charges", "Credited")
    assert first == ("Commission", "2024-09", "Approval", "A1", "55 % of list", "4", 121_500)
    assert len(others) == 3


def test_the_portal_shows_them(store: Store) -> None:
    pages = beside(store.path, environment(store.path), _PAGES)
    for lang, title in (("en", "Terms"), ("zh-CN", "协议条款")):
        sections = re.findall(r"<section>\s*<h2>(.+?)</h2>(.*?)</section>", pages[lang], re.DOTALL)
        table = dict(sections)[title]
        assert re.findall(r"<td[^>]*>(A1|F1|B1|B2|C1)</td>", table) == ["A1", "F1", "B1", "C1"]


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
from fenrun.store.facts import Store
september, store = parse_period("2024-09"), Store.open(settings.WORKSPACE)
settled = settle_period(store, september)
found = publishing._statements(store, settled, {})
(shown,) = [statement for statement in found if statement.payee == "P1"]
shown.period = publishing._head(settled, september, store.state())
shown.body["before"] = None
pages, request = {}, RequestFactory().get("/")
request.grants = []
statements.rows_seen = mock.Mock(return_value=[])
for lang in ("en", "zh-CN"):
    with translation.override(lang):
        facts = statements._shown(request, shown)
        pages[lang] = render_to_string("statement.html", facts, request)
print(json.dumps(pages))
"""
