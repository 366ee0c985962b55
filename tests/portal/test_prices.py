"""Prices, breaches, coupons and agreements as pages: all for operations, one's own for others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.portal.served import beside, environment
from tests.pricing.workspace import book, charge, workspace

pytestmark = pytest.mark.in_turn(3, whole=True)

TERMS = """
floors:
  - {floor: F1, covers: ServiceName = 'Storage', least: 65 % of list, fine: 5000, currency: CNY}
coupons:
  - {coupon: C1, customer: K1, covers: ServiceName = 'GPU', amount: 50000, currency: CNY,
     from: 2024-09-01, to: 2025-01-01, granted_by: li}
agreements:
  - {agreement: B1, kind: commit, customer: K1, partner: P1, from: 2024-01-01, to: 2025-01-01,
     amount: 120000, currency: CNY, shortfall: 20 %}
  - {agreement: B2, kind: commit, customer: K2, from: 2024-01-01, to: 2025-01-01, amount: 1,
     currency: CNY}
  - {agreement: L1, kind: marketplace, partner: P2, covers: ServiceName = 'CDN', from: 2024-01-01}
  - {agreement: L2, kind: marketplace, partner: P9, from: 2024-01-01}
"""
LINKS = """
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K3, role: partner, party: P2}
"""
FIGURES = """
figures:
  - {party: K1, figure: passed-on, period: 2024-09, amount: 10 %}
"""
_PAGES = """
import json
from datetime import UTC, date, datetime
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from fenrun.portal import models, serve
from fenrun.portal.commands import grants
serve._migrate(settings.WORKSPACE)
accounts = [
    ("operations", "operations", ""), ("auditor", "auditor", ""), ("rep", "rep", "R1"),
    ("partner", "partner", "P2"), ("customer", "customer", "K1"),
]
grants.give_to_invented("demo", accounts, "Invented.", "words that nobody guesses")
settings.ALLOWED_HOSTS.append("testserver")
period = models.Period.objects.using("default").create(
    key="2024-09", run="r", known=datetime(2024, 10, 1, tzinfo=UTC), ends=date(2024, 9, 30),
    closed=False, booked="", currency="CNY",
)
line = {"line": "p/cloud/2024-09/P2", "title": {"en": "Cloud sales", "zh-CN": "云市场销售"},
        "reason": "gate", "band": "", "cap": None, "who": "", "detail": "spend from 20,000"}
models.Statement.objects.using("default").create(
    period=period, payee="P2", name="Second", role="partner", rank=1, credited="0", earned="0",
    payable="0", body={"lines": [line]}, customers=[],
)
def pages(name, lang="en"):
    client = Client(headers={"Accept-Language": lang})
    client.force_login(User.objects.get(username=name))
    found = {}
    for page in (
        "prices/?period=2024-09", "prices/?period=2024-09&customer=K1",
        "prices/?period=2024-09&customer=K2", "prices/?period=1999-01", "prices/?period=x",
        "breaches/?period=2024-09", "coupons/?on=2024-09-29", "agreements/?on=2024-09-29",
        "agreements/?on=soon",
    ):
        answer = client.get("/" + page)
        found[page] = [answer.status_code, answer.content.decode()]
    return found
print(json.dumps({
    **{name: pages(name) for name, *_ in accounts}, "zh": pages("operations", "zh-CN")
}))
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every page as each account is shown it: status and text."""
    folder = tmp_path_factory.mktemp("prices")
    credit = {"ChargeCategory": "Credit", "x_CouponId": "C1", "ServiceName": "GPU"}
    credit |= {"SkuId": "", "PricingUnit": "", "PricingQuantity": ""}
    charges = [
        *(charge(f"A{n}", "1000", f"{paid}0") for n, paid in enumerate((70, 95, 60, 100), 1)),
        charge("A1", "0", "-100", **credit),
        charge("A2", "0", "-20000", **credit),
    ]
    more = LINKS + FIGURES
    workspace(folder, charges, book("K1", "K2", "K3", "K4", more=more), TERMS)
    found: dict[str, Any] = beside(folder / "ws", environment(folder / "ws"), _PAGES)
    return found


def _rows(page: str) -> list[str]:
    """The rows of the page's tables, each as the words that are read in it."""
    rows = re.findall(r"(?s)<tr[^>]*>(.*?)</tr>", page)
    plain = (re.sub(r"(?s)<svg.*?</svg>|<[^>]+>", " ", row) for row in rows)
    return [" ".join(row.split()) for row in plain]


def test_one_customer_s_price_from_the_list_down(pages: dict[str, Any]) -> None:
    status, page = pages["operations"]["prices/?period=2024-09&customer=K1"]
    assert status == 200
    steps = [row for row in _rows(page) if "%" in row][1:8]
    assert [row.rsplit(" ", 1)[0] for row in steps] == [
        "List price 1,000.00 100 %", "agreed discounts −300.00 −30 %", "Contracted 700.00 70 %",
        "coupons −100.00 −10 %", "After coupons 600.00 60 %",
        "rebates passed on −60.00 −6 %", "Net 540.00 54 %",
    ]  # fmt: skip
    assert [row.rsplit(" ", 1)[1] for row in (steps[0], steps[-1])] == ["10", "5.4"], "of a GB"


def test_four_customers_pay_for_one_sku_beside_each_other(pages: dict[str, Any]) -> None:
    _, page = pages["operations"]["prices/?period=2024-09"]
    deals = [row for row in _rows(page) if re.match(r"K\d \d+ %", row)]
    assert [row.split(" %")[0] for row in deals] == ["K3 60", "K1 63", "K2 95", "K4 100"]
    assert "from 60 % to 100 % of list, 4 customers" in page
    _, own = pages["operations"]["prices/?period=2024-09&customer=K2"]
    assert '<tr class="mine">' in own


def test_breaches_coupons_and_agreements(pages: dict[str, Any]) -> None:
    _, page = pages["operations"]["breaches/?period=2024-09"]
    rows = [row for row in _rows(page) if row.startswith("F1")]
    assert len(rows) == 1 and "K3 partner P2" in rows[0] and "600.00 CNY" in rows[0]
    assert "5,000.00 CNY nobody asked for an approval" in rows[0] and "charges.csv:4" in rows[0]
    _, page = pages["operations"]["coupons/?on=2024-09-29"]
    assert "C1 K1 50,000.00 CNY 100.00 20,000.00 29,900.00 0.00" in " ".join(_rows(page))
    diverted = [row for row in _rows(page) if row.startswith("C1 K2")]
    assert len(diverted) == 1 and "20,000.00 CNY" in diverted[0] and "charges.csv:7" in diverted[0]
    _, page = pages["operations"]["agreements/?on=2024-09-29"]
    assert "Drawn 700.00 CNY" in _rows(page) and 'class="plot"' in page
    assert any(row.startswith("Expected to be owed 23,8") for row in _rows(page))
    assert any(row.startswith("L1 marketplace") for row in _rows(page))
    _, own = pages["partner"]["agreements/?on=2024-09-29"]
    assert any("ServiceName = &#39;CDN&#39;" in row for row in _rows(own)), "in the open"
    assert any("Cloud sales threshold not met: " in row for row in _rows(own)), "a gate, as such"
    assert "Cloud sales" not in " ".join(_rows(pages["customer"]["agreements/?on=2024-09-29"][1]))


def test_others_see_what_concerns_them_and_nothing_else(pages: dict[str, Any]) -> None:
    statuses = {
        name: [pages[name][page][0] for page in pages[name]]
        for name in ("operations", "auditor", "rep", "partner", "customer")
    }
    everything = [200, 200, 200, 200, 404, 200, 200, 200, 404]
    assert statuses["operations"] == statuses["auditor"] == everything
    assert statuses["customer"] == [200, 200, 200, 200, 404, 403, 200, 200, 404]
    assert statuses["partner"] == [*[403] * 5, 200, 403, 200, 404]
    assert statuses["rep"] == [*[403] * 5, 200, 403, 403, 403]
    others = {"customer": ("K2", "K3", "K4", "P1", "P2", "B2", "L1", ".csv"), "rep": ("K3", "P2")}
    others |= {"partner": ("K1", "K2", "K4", "P1", "B1", "B2", "L2", ".csv")}
    for name, secrets in others.items():
        for page, (status, text) in pages[name].items():
            shown = " ".join(_rows(text))
            assert status != 200 or not [word for word in secrets if word in shown], (name, page)
    customer = pages["customer"]["prices/?period=2024-09&customer=K2"][1]
    assert "Net 540.00 54 %" in " ".join(_rows(customer)), "its own, whomever it asks for"
    assert any(
        row.startswith("F1") for row in _rows(pages["partner"]["breaches/?period=2024-09"][1])
    )


def test_the_pages_in_chinese(pages: dict[str, Any]) -> None:
    texts = [text for status, text in pages["zh"].values() if status == 200]
    for words in ("目录价逐级", "低于底价", "由其他客户使用", "预计差额", "消费承诺"):
        assert any(words in text for text in texts), words
