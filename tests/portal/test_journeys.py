"""The main journeys in a real browser, in both languages.

Each page is checked for accessibility: those of a journey when it is walked, of the others a share
by day. At night, or where FENRUN_TEST_OUTPUT names a folder, its picture is kept to be looked at.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pypdf import PdfReader

from fenrun.base.money import show
from fenrun.statement.formats import FORMATS
from fenrun.store.facts import Store
from tests.portal.served import Portal
from tests.turns import share

OUTPUT = Path(os.environ.get("FENRUN_TEST_OUTPUT", Path(__file__).parents[2] / "test-output"))
PICTURES = not os.environ.keys().isdisjoint({"FENRUN_NIGHTLY", "FENRUN_TEST_OUTPUT"})
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
AXE = Axe()
PAGES = (
    "periods",
    "statements",
    "crediting",
    "import",
    "book/?customer=K00001",
    "targets",
    "plans",
    "requests",
    "disputes",
    "prices/?period=2024-11&customer=K00001",
    "breaches/?period=2024-11",
    "coupons",
    "agreements",
    "quotes",
    "notices",
    "access",
    "log",
    "account/2fa",
    "account/sessions",
    "account/password/change",
    "nowhere",
)
"""Pages that operations see, beside those of the journeys."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)  # a page waits for its turn where many tests run
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
            ],
        )
        yield found
        found.close()


@contextmanager
def signed_in(
    browser: Browser, portal: Portal, name: str, lang: str = "en", **context: object
) -> Iterator[Page]:
    """A page of somebody who has signed in by hand.

    What the browser's console complains about fails the test.
    """
    with browser.new_context(
        locale="zh-CN" if lang == "zh-CN" else "en-GB",
        viewport={"width": 1280, "height": 900},
        **context,
    ) as own:
        page, said = own.new_page(), list[str]()
        page.on(
            "console",
            lambda message: (
                said.append(message.text)
                if message.type in ("error", "warning")
                and "Failed to load resource" not in message.text
                else None
            ),
        )
        page.on("dialog", lambda asked: asked.accept())  # what cannot be undone is asked once more
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(portal.address)
        page.get_by_label(re.compile("Username|用户名")).fill(name)
        page.get_by_label(re.compile("Password|密码")).fill(portal.password)
        page.get_by_role("main").get_by_role("button").click()
        expect(page.get_by_role("button", name=re.compile("Sign out|退出"))).to_be_visible()
        yield page
        assert not said


def looked_at(page: Page, name: str) -> None:
    """Keep the page's picture, and hold it to be accessible."""
    if PICTURES:
        OUTPUT.mkdir(exist_ok=True)
        page.screenshot(path=OUTPUT / f"{name}.png", full_page=True)
    found = [
        (v["id"], v["impact"], [n["html"][:120] for n in v["nodes"][:3]])
        for v in AXE.run(page).response["violations"]
    ]
    assert not [v for v in found if v[1] in ("serious", "critical")], found


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_partner_finds_why_a_month_fell(browser: Browser, portal: Portal, lang: str) -> None:
    words = {
        "en": (
            "Why?",
            "Credited to others",
            "Dispute this",
            "What is wrong, and what shows it",
            "Send",
        ),
        "zh-CN": ("为什么？", "归属于他人", "提出争议", "问题及依据", "提交"),
    }[lang]
    why, elsewhere, dispute, wrong, send = words
    with signed_in(browser, portal, "partner", lang) as page:
        expect(page.get_by_role("heading", level=1)).to_contain_text(portal.parties["partner"])
        expect(page.get_by_role("heading", name=elsewhere)).to_be_visible()
        page.get_by_role("link", name=why).first.click()
        expect(page.locator(".why .lead")).to_contain_text(portal.parties["partner"])
        expect(page.locator(".why table")).to_be_visible()
        looked_at(page, f"partner-statement-{portal.database}-{lang}")
        page.get_by_role("link", name=dispute).first.click()
        page.get_by_label(wrong).fill("SO-1 is ours since March: contract C-1, section 2.")
        page.get_by_role("button", name=send).click()
        expect(page.locator(".said")).to_contain_text("contract C-1")
        looked_at(page, f"partner-dispute-{portal.database}-{lang}")


@pytest.mark.in_turn(2)
@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_partner_takes_a_statement_along(portal: Portal, lang: str) -> None:
    """As PDF and in every format; the PDF has the amounts, and its letters are there as text."""
    pytest.importorskip("weasyprint", exc_type=OSError)
    party = portal.parties["partner"]
    with portal.sign_in("partner", lang) as client:
        address = client.get("/").headers["Location"]
        files = {kind: client.get(address, params={"format": kind}) for kind in ("pdf", *FORMATS)}
        assert client.get(address, params={"format": "exe"}).status_code == 404
        assert client.get(address, params={"format": "bundle"}).status_code == 409, (
            "the period is not closed"
        )
    assert all(f.status_code == 200 for f in files.values())
    assert (
        files["pdf"].content.startswith(b"%PDF-")
        and files["xlsx"].content.startswith(b"PK")
        and party in files["csv"].text
        and party in files["text"].text
    )
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / f"statement-{portal.database}-{lang}.pdf").write_bytes(files["pdf"].content)
    text = " ".join(
        page.extract_text() for page in PdfReader(io.BytesIO(files["pdf"].content)).pages
    )
    assert (
        party in text
        and show(Decimal(files["json"].json()["payable"])) in text
        and {"en": "Lines", "zh-CN": "构成"}[lang] in text
    )


@pytest.mark.in_turn(3)
def test_a_partner_reads_on_a_phone_and_in_the_dark(browser: Browser, portal: Portal) -> None:
    with signed_in(browser, portal, "partner", color_scheme="dark") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        looked_at(page, f"partner-phone-{portal.database}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            "the page is wider than the phone"
        )


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_customer_sees_who_is_credited(browser: Browser, portal: Portal, lang: str) -> None:
    with signed_in(browser, portal, "customer", lang) as page:
        expect(page.get_by_role("heading", level=1)).to_contain_text(portal.parties["customer"])
        expect(page.locator("table").first).to_contain_text("SO-")
        looked_at(page, f"customer-{portal.database}-{lang}")


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_customer_refuses_an_association(browser: Browser, portal: Portal, lang: str) -> None:
    """Operations ask; the customer finds it waiting and refuses; operations see that."""
    words = {"en": ("Requests", "Refuse", "refused"), "zh-CN": ("归属申请", "拒绝", "已拒绝")}[lang]
    with portal.sign_in("operations") as operations:
        operations.post(
            "/requests/ask/",
            data={
                "kind": "association",
                "customer": portal.parties["customer"],
                "party": "P00013",
                "reason": f"Found in May ({lang}).",
                "since": "2024-05-01",
            },
        )
    with signed_in(browser, portal, "customer", lang) as page:
        page.get_by_role("link", name=words[0], exact=True).click()
        expect(page.locator("section.note").first).to_contain_text(f"Found in May ({lang}).")
        looked_at(page, f"customer-asked-{portal.database}-{lang}")
        page.locator("section.note").first.get_by_role("button", name=words[1], exact=True).click()
        expect(
            page.locator("section", has_text=f"Found in May ({lang}).").locator(".state")
        ).to_have_text(words[2])
    with portal.sign_in("operations") as operations:
        assert [
            r["state"]
            for r in operations.get("/api/requests").json()["rows"]
            if f"({lang})" in r["reason"]
        ] == ["refused"]


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_manager_sees_the_team_s_way_to_its_quota(
    browser: Browser, portal: Portal, lang: str
) -> None:
    """In the middle of a quarter: what is rolled up, from whom, and how far each has come."""
    with signed_in(browser, portal, "manager", lang) as page:
        page.locator(".picker summary").click()
        page.locator(".picker details a", has_text="2024-11").click()
        team = page.locator(
            "section", has=page.get_by_role("heading", name={"en": "Team", "zh-CN": "团队"}[lang])
        )
        expect(team.locator("tbody tr").first).to_contain_text("2024-Q4")
        expect(team.locator("tfoot")).to_contain_text("%")
        looked_at(page, f"manager-team-{portal.database}-{lang}")


@pytest.mark.in_turn(3)
def test_operations_close_a_month_with_two_people(browser: Browser, own: Portal) -> None:
    """One asks, the same cannot approve, another does; the statement is final, the log says who."""
    with signed_in(browser, own, "operations") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("The month 2024-01")
        looked_at(page, "operations-home")
        page.locator("summary", has_text="Settle").click()
        page.get_by_role("link", name="Periods", exact=True).click()
        looked_at(page, "operations-periods")
        page.goto(f"{own.address}/periods/2024-09/")
        expect(
            page.get_by_role("img", name="Through what the month's spend is credited, and to whom")
        ).to_be_visible()
        looked_at(page, "operations-flow")
        page.goto(f"{own.address}/periods/2024-01/")
        looked_at(page, "operations-period")
        page.get_by_label("Reason").fill("January, as agreed")
        page.get_by_role("button", name="Ask to close").click()
        expect(
            page.get_by_text("Somebody else of operations has to approve.", exact=False).first
        ).to_be_visible()
        assert not page.get_by_role("button", name="Approve: close for good").count()
    with signed_in(browser, own, "second") as page:
        expect(page.locator(".step.waits")).to_contain_text("operations asks to close")
        page.get_by_role("link", name="Close", exact=True).click()
        page.get_by_label("A closed month cannot be opened again.", exact=False).check()
        page.get_by_role("button", name="Approve: close for good").click()
        expect(page.locator(".clocks .state")).to_have_text("closed")
        looked_at(page, "operations-closed")
        page.goto(f"{own.address}/payments/?period=2024-01")
        looked_at(page, "operations-payments")
        page.goto(f"{own.address}/periods/2024-01/review/")
        looked_at(page, "operations-review")
    with signed_in(browser, own, "auditor") as page:
        page.locator("summary", has_text="Access and log").click()
        page.get_by_role("link", name="Event log", exact=True).click()
        closed = page.get_by_text("asked by operations, approved by second")
        expect(closed.first).to_be_visible()
        page.get_by_role("link", name="Verify the whole log and every file").click()
        expect(page.get_by_role("status")).to_contain_text("as written")
        looked_at(page, "auditor-log")
        page.goto(f"{own.address}/statements/?period=2024-01")
        expect(page.locator("tbody .state").first).to_have_text("closed")


@pytest.mark.in_turn(3)
def test_operations_look_before_they_change(browser: Browser, own: Portal, tmp_path: Path) -> None:
    """A plan is checked beside its text and says whose pay it changes, a move what it would do.

    A file is imported while one watches.
    """
    with signed_in(browser, own, "operations", "zh-CN") as page:
        page.goto(f"{own.address}/plans/")
        text = page.get_by_label("方案文本")
        changed = text.input_value().replace("pays 16 %", "pays 15 %", 1)
        text.fill(changed)
        page.get_by_label("影响谁的收入").select_option("2024-12")
        page.get_by_role("button", name="检查").click()
        expect(page.locator("#checked")).to_contain_text("month-rates", timeout=30_000)
        expect(page.locator("#checked table").last).to_contain_text("-", timeout=30_000)
        looked_at(page, "operations-plan")
        text.fill(changed.replace("basis: billed", "basis: nothing"))
        expect(page.locator("#checked .error").first).to_be_visible(timeout=30_000)
        page.goto(f"{own.address}/book/?customer={own.parties['customer']}")
        page.get_by_label("转给伙伴").fill("P00012")
        page.get_by_label("自", exact=True).fill("2024-09-10")
        page.get_by_label("期间").select_option("2024-09")
        page.locator("section.note").get_by_role("button").click()
        expect(page.get_by_role("status")).to_be_visible(timeout=30_000)
        looked_at(page, "operations-what-if")
        (tmp_path / "people.csv").write_text("name,age\nx,1\n", "utf-8")
        (tmp_path / "labels.csv").write_text(
            "party,label,value,from,to\nK00001,vip,yes,2024-01-01,\n", "utf-8"
        )
        page.goto(f"{own.address}/import/")
        page.get_by_label("文件").set_input_files(
            [tmp_path / "people.csv", tmp_path / "labels.csv"]
        )
        page.locator("main button.strong").click()
        expect(page.get_by_role("status")).to_contain_text("2 个文件中已导入 1 个", timeout=30_000)
        expect(page.locator(".problems")).to_contain_text("people.csv")
        expect(page.locator("table")).to_contain_text("labels.csv")
        looked_at(page, "operations-import")
    assert [a.facts()["source"] for a in Store.open(own.workspace).log.events("book")][
        -1
    ] == "labels.csv"


@pytest.mark.in_turn(2)
def test_columns_that_are_hidden_stay_so_in_the_address_and_in_a_view(
    browser: Browser, portal: Portal
) -> None:
    """Hide a column: it goes, the head too, stays away when sorted, reloaded and kept as a view."""
    with signed_in(browser, portal, "operations") as page:
        page.goto(f"{portal.address}/statements/?period=2024-10")
        credited = page.get_by_role("columnheader", name="Credited")
        expect(credited).to_be_visible()
        page.locator(".columns summary").click()
        page.get_by_role("checkbox", name="Credited").uncheck()
        expect(credited).to_be_hidden()
        assert page.url.endswith("/statements/?period=2024-10&hide=3")
        assert page.locator("tbody tr").first.locator("td:visible").count() == 7
        page.get_by_role("link", name="Earned").click()
        expect(page.get_by_role("columnheader", name="Earned")).to_have_attribute(
            "aria-sort", re.compile("ending")
        )
        expect(credited).to_be_hidden()
        page.get_by_label("Name of this view").fill("Short")
        page.get_by_role("button", name="Save this view").click()
        page.get_by_role("link", name="Short", exact=True).click()
        expect(credited).to_be_hidden()
        page.locator(".columns summary").click()
        page.get_by_role("checkbox", name="Credited").check()
        expect(credited).to_be_visible()
        assert "hide" not in page.url
        page.locator(".views button").click()


def test_every_page_is_accessible(browser: Browser, portal: Portal) -> None:
    with signed_in(browser, portal, "operations", "zh-CN") as page:
        for name in share(PAGES, 7):
            page.goto(f"{portal.address}/{name}" + ("" if "?" in name else "/"))
            looked_at(page, "-".join([*re.findall(r"\w+", name), portal.database, "zh-CN"]))
