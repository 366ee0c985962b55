"""Daily work: what is refused keeps what was typed; who searches finds what concerns them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.portal.served import Portal, served

pytestmark = pytest.mark.in_turn(3, whole=True)

REASON = "As agreed with her."


@pytest.fixture(scope="module")
def portal(world: Path) -> Iterator[Portal]:
    """On one database: whom rows concern is asked of both in test_leaks.py."""
    with served(world, "sqlite", prepared=True) as found:
        yield found


@pytest.mark.parametrize(
    ("address", "form", "code"),
    [
        ("targets/give", {"party": "Maple 2", "figure": "task", "amount": "17"}, "Maple 2"),
        ("targets/give", {"party": "P00002", "figure": "taks", "amount": "17"}, "taks"),
        ("targets/give", {"party": "P00002", "figure": "task", "period": "soon"}, "soon"),
        ("access/give", {"user": "new", "role": "partner", "party": "P99999"}, "P99999"),
        ("access/hook", {"url": "https://10.0.0.5/", "events": "statement"}, "10.0.0.5"),
        (
            "requests/ask",
            {"kind": "association", "customer": "K99999", "party": "P00002"},
            "K99999",
        ),
    ],
)
def test_a_refused_form_says_why_and_keeps_what_was_typed(
    portal: Portal, address: str, form: dict[str, str], code: str
) -> None:
    """Nobody of the book, a figure that no plan reads, an address inside: nothing is entered."""
    given = {"period": "2024-Q4", "currency": "CNY", "reason": REASON, **form}
    with portal.sign_in("operations") as client:
        before = client.get("/api/log").json()
        answer = client.post(f"/{address}/", data=given)
        assert client.get("/api/log").json() == before
    main = answer.text.split("<main")[1]
    assert answer.status_code == 409 and code in main.split("<h1")[0]
    assert "hook" in address or f'value="{REASON}"' in main
    typed = [text for text in form.values() if text not in ("task", "taks", "statement")]
    assert all(f'value="{text}"' in main for text in typed), main


def test_who_moves_a_customer_to_nobody_is_told_so(portal: Portal) -> None:
    move = {"to": "Nobody", "since": "2024-09-01", "period": "2024-09"}
    with portal.sign_in("operations") as client:
        page = client.get(f"/book/?customer={portal.parties['customer']}", params=move).text
        said = client.get(f"/api/book/{portal.parties['customer']}/move", params=move)
        assert said.status_code == 409 and "name-unknown" in said.text
        near = client.get(
            f"/api/book/{portal.parties['customer']}/move", params=move | {"to": "gold"}
        )
    assert "Nobody" in page and "pay would differ" not in page
    assert "P00007 (Golden Reed" in near.json()["problems"][0]["fix"]


def test_a_month_without_a_plan_is_told_on_the_page_of_periods_without_any_folder(
    portal: Portal,
) -> None:
    with portal.sign_in("operations") as client:
        page = client.post("/periods/2031-01/settle/").text
    assert "2031-01" in page and "<h1>Periods" in page and str(portal.workspace) not in page


def test_only_who_may_dispute_is_offered_it(portal: Portal) -> None:
    address = f"/statements/2024-10/{portal.parties['partner']}/"
    for name, offered in (("partner", True), ("auditor", False), ("operations", False)):
        with portal.sign_in(name) as client:
            assert ("/disputes/open/" in client.get(address).text) == offered, name


def _found(client: httpx.Client, text: str) -> list[str]:
    """The addresses that a search finds."""
    page = client.get("/find/", params={"q": text}).text.split("<main")[1]
    return re.findall(r'<a href="(/[^"]+)"', page)


def test_one_search_finds_parties_customers_orders_and_statements(portal: Portal) -> None:
    """By a part of the id or name, in any case and width; a month beside it finds a statement."""
    with portal.sign_in("operations") as client:
        assert "/parties/P00007/" in _found(client, "0007")
        wide = _found(client, "ＧＯＬＤＥＮ reed")
        assert {"/parties/P00007/", "/customers/K00019/"} <= {*wide}
        assert wide == _found(client, "Reed golden")
        assert _found(client, "p00002 2024-10") == [
            "/parties/P00002/",
            "/statements/2024-10/P00002/",
        ]
        assert _found(client, "so-00029") == ["/orders/SO-00029/?issuer=Beichen+Cloud"]
        assert _found(client, "%") == _found(client, "") == _found(client, "nobody at all") == []
        options = client.get("/find/partner/", params={"party": "golden"}).text
        assert "P00007" in options and "K00019" not in options
        for path, words in (
            ("parties/P00002", ("2024-01", "task", "History")),
            ("customers/K00029", ("SO-00029", "Fern Valley", "History")),
            ("orders/SO-00029", ("Fern Valley", "East Lantern")),
        ):
            page = client.get(f"/{path}/").text
            assert all(word in page for word in words), path
        assert client.get("/parties/nobody/").status_code == 404


def test_each_finds_its_own_alone(portal: Portal) -> None:
    with portal.sign_in("partner") as client:
        own = portal.parties["partner"]
        assert _found(client, "p0")[0] == f"/parties/{own}/" and len(_found(client, "p0")) == 2
        customers = _found(client, "k0")
        assert customers and all(client.get(path).status_code == 200 for path in customers)
        assert "History" not in client.get(customers[0]).text
        assert client.get("/parties/P00007/").status_code == 404
        assert client.get("/customers/K00019/").status_code == 404
        assert client.get("/find/party/", params={"q": "golden"}).text.strip() == ""
    with portal.sign_in("customer") as client:
        assert _found(client, "so-00029") == ["/orders/SO-00029/"]
        assert client.get(f"/customers/{portal.parties['customer']}/").status_code == 200
        assert _found(client, "p0") == []
    answer = httpx.get(f"{portal.address}/api/statements").json()["problems"][0]
    assert answer["why"] and "Bearer" in answer["fix"]


def _sum(rows: list[dict[str, Any]], key: str) -> Decimal:
    return sum((Decimal(row[key]) for row in rows), Decimal(0))


def test_what_a_statement_pays_otherwise_than_the_month_before_adds_up(portal: Portal) -> None:
    """Every statement of two months, one of which pays for a quarter; cause by cause, exactly."""
    with portal.sign_in("auditor") as client:
        compared = 0
        for month, before in (("2024-09", "2024-08"), ("2024-10", "2024-09")):
            listed = client.get("/api/statements", params={"period": month, "size": 200}).json()
            paid = client.get("/api/statements", params={"period": before, "size": 200}).json()
            was = {row["payee"]: Decimal(row["payable"]) for row in paid["rows"]}
            for row in listed["rows"]:
                address = f"/api/statements/{month}/{row['payee']}/change"
                if row["payee"] not in was:
                    assert client.get(address).status_code == 404
                    continue
                said = client.get(address).json()
                changed = Decimal(row["payable"]) - was[row["payee"]]
                parts = [*said["components"], said["otherwise"], said["closed"]]
                assert Decimal(said["difference"]) == changed == _sum(parts, "difference")
                for part in said["components"]:
                    assert _sum(part["causes"], "amount") == Decimal(part["difference"])
                compared += bool(changed)
        page = client.get("/statements/2024-10/P00007/").text
    assert compared > 10
    assert "Why is it different from 2024-09?" in page and "Falls due" in page
    assert page.count('class="goal"') > 2, "its month task and its line of each month"


def test_all_charges_of_a_line_are_there_with_what_counts_and_why_not(portal: Portal) -> None:
    """What counts, less what is below baselines, is what the line measures; the files hold all."""
    line = "channel-2024/month-task/2024-10/P00007"
    with portal.sign_in("operations") as client:
        said = client.get(f"/api/charges/2024-10/{line}", params={"size": 200}).json()
        why = client.get(f"/api/lines/2024-10/{line}").json()
        page = client.get(f"/charges/2024-10/{line}/").text
        service = said["rows"][0]["service"]
        some = client.get(f"/api/charges/2024-10/{line}", params={"q": service.upper()}).json()
        none = client.get(f"/charges/2024-10/{line}/", params={"q": "nobody sells this"})
        file = client.get(f"/charges/2024-10/{line}/", params={"format": "csv"})
        book = client.get(f"/charges/2024-10/{line}/", params={"format": "xlsx"})
    counts = [row for row in said["rows"] if row["counts"]]
    below = _sum(why["baselines"], "credited") - _sum(why["baselines"], "counted")
    assert _sum(counts, "credited") - below == Decimal(why["counted"])
    for rule in why["excluded"]:
        rows = [row for row in said["rows"] if row["rule"] == rule["id"]]
        assert rows and _sum(rows, "credited") == Decimal(rule["amount"])
    assert len(said["rows"]) == said["total"] == why["charges_total"]
    of_service = [row for row in said["rows"] if row["service"] == service]
    assert some["rows"] == of_service[:50] and some["total"] == len(of_service) < said["total"]
    assert none.status_code == 200 and service not in none.text.split("<tbody>")[-1]
    assert "Products outside the climb" in page
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [row["Credited"] for row in rows] == [row["credited"] for row in said["rows"]]
    assert {row["Counts"] for row in rows} == {"yes", "no"} and book.content[:2] == b"PK"


def test_an_estimate_begins_at_the_gap_and_joins_month_quarter_and_year(portal: Portal) -> None:
    """The smallest gap of the page reaches its band; the curve leaps there, from one cent less."""
    with portal.sign_in("operations") as client:
        page = client.get("/statements/2024-10/P00007/").text
        gap = Decimal(re.findall(r'name="amount" value="([\d.]+)"', page)[0])
        address = "/statements/2024-10/P00007/estimate/"
        curve = client.get(address, params={"amount": gap, "curve": "1"}).text
        said = client.get(f"/api{address}"[:-1], params={"amount": str(gap)}).json()
        guide = client.get("/guides/2024-10/channel-2024/")
    assert {line["period"] for line in said["lines"]} == {"2024-10", "2024-Q4", "2024"}
    assert _sum(said["lines"], "after") - _sum(said["lines"], "before") == Decimal(said["more"])
    reached = next(line for line in said["lines"] if line["period"] == "2024")
    assert Decimal(reached["after"]) > Decimal(reached["before"]) == 0
    sold = {Decimal(x.replace(",", "")) for x in re.findall(r'<td class="n">([\d,.]+)</td>', curve)}
    assert {gap, gap - Decimal("0.01"), Decimal(said["more"])} <= sold and "<polyline" in curve
    assert guide.status_code == 200 and "16 %" in guide.text


def test_amounts_have_the_decimals_of_their_currency_and_the_exact_ones_beside(
    portal: Portal,
) -> None:
    with portal.sign_in("partner", "zh-CN") as client:
        page = client.get(f"/statements/2024-10/{portal.parties['partner']}/").text
        assert client.get("/guides/2024-10/channel-2024/").status_code == 200
    assert 'tabindex="0">39,435.46<span class="exact" role="tooltip">39,435.457291</span>' in page
    assert "方案说明" in page


def test_statements_are_sorted_by_amount_filtered_handed_out_and_kept_as_a_view(
    portal: Portal,
) -> None:
    """By value, not by text: 9 comes before 10. A view is its owner's alone."""
    asked = {"period": "2024-10", "sort": "-earned", "role": "partner", "state": "open"}
    with portal.sign_in("operations") as client, portal.sign_in("second") as second:
        file = client.get("/statements/", params=asked | {"format": "csv"})
        rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
        earned = [Decimal(row["Earned"]) for row in rows]
        assert len(rows) > 5 and earned == sorted(earned, reverse=True) != earned[::-1]
        page = client.get("/statements/", params=asked).text
        assert "Golden Reed" in page and 'aria-sort="descending"' in page
        view = {"page": "statements", "name": "October", "query": "period=2024-10&sort=-earned"}
        assert client.post("/views/", data=view).status_code == 302
        assert client.post("/views/", data=view | {"name": " "}).status_code == 409
        page = client.get("/statements/").text
        number = re.search(r'action="/views/(\d+)/drop/"', page)
        assert "?period=2024-10&amp;sort=-earned" in page and number
        second.post(f"/views/{number.group(1)}/drop/")
        assert "October" in client.get("/statements/").text
        assert "October" not in second.get("/statements/").text
        client.post(f"/views/{number.group(1)}/drop/")
        assert "October" not in client.get("/statements/").text
