"""Journeys of each role, from the page where it begins: clicks and seconds, at night.

With FENRUN_WRITE_JOURNEYS they are written into the file that it names: the page of the docs that
shows them. Otherwise clicks must be what that page says.
"""

from __future__ import annotations

import csv
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.errors.gallery import ROW
from tests.portal.served import Portal, served
from tests.portal.test_journeys import CHROMIUM, browser, signed_in

__all__ = ["browser"]  # a fixture
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="a browser for minutes"),
]
PAGE = Path(__file__).parents[2] / "docs/reference/journeys.md"
_COUNTED = """
addEventListener("click", (event) => {
  const clicks = Number(sessionStorage.getItem("clicks") || 0);
  if (event.isTrusted && event.detail) sessionStorage.setItem("clicks", clicks + 1);
}, true);
"""
_HEAD = """# Journeys, in clicks and seconds

What people do with the portal, each from the page where it begins. *Before* is the first version,
as it was tried by hand; *now* is counted by a browser at night, on a small demo world. Seconds are
of a machine with two cores that does other work too: upper bounds, to be read beside each other.

| who | journey | before | clicks now | seconds now |
| --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Journey:
    """A journey of somebody, and what it took in the first version."""

    who: str
    name: str
    before: str
    walk: Callable[[Page], None]
    ready: Callable[[Portal], None] = lambda portal: None
    """What others have done before."""


def _month(page: Page, key: str) -> None:
    page.locator(".picker summary").click()
    page.locator(".picker details a", has_text=key).click()


def _why_less(page: Page) -> None:
    _month(page, "2024-10")
    expect(page.get_by_role("heading", name="Why is it different from 2024-09?")).to_be_visible()


def _why_nothing(page: Page) -> None:
    page.get_by_role("link", name="Why?").first.click()
    expect(page.locator(".why .lead")).to_be_visible()


def _what_to_sell(page: Page) -> None:
    page.locator("form[action*=estimate]").first.get_by_role("button").first.click()
    expect(page.locator("#estimated .lead").first).to_be_visible(timeout=120_000)


def _elsewhere(page: Page) -> None:
    expect(page.get_by_role("heading", name="Credited to others")).to_be_visible()


def _dispute(page: Page) -> None:
    page.get_by_role("link", name="Dispute this").last.click()
    page.get_by_label("What is wrong, and what shows it").fill("An order is missing.")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".said")).to_contain_text("An order is missing.")


def _charges(page: Page) -> None:
    page.get_by_role("link", name="Why?").first.click()
    page.get_by_role("link", name="All charges").click()
    with page.expect_download() as file:
        page.get_by_role("link", name="CSV").click()
    assert file.value.path().read_bytes()


def _who_holds(page: Page) -> None:
    expect(page.locator("table").first).to_contain_text("SO-")


def _find(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("0007", delay=20)
    page.locator("#hits a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("P00007")


def _settle(page: Page) -> None:
    page.locator("summary", has_text="Settle").click()
    page.get_by_role("link", name="Periods", exact=True).click()
    page.get_by_role("link", name="2024-12").first.click()
    page.get_by_role("button", name="Settle again").click()
    expect(page.get_by_role("status").first).to_contain_text("2024-12", timeout=300_000)


def _review(page: Page) -> None:
    page.get_by_role("link", name="Review", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2024-01")


def _log(page: Page) -> None:
    page.locator("summary", has_text="Access and log").click()
    page.get_by_role("link", name="Event log", exact=True).click()
    page.get_by_label("Who, what, about what, or the day").fill("settled")
    page.get_by_role("button", name="Search").last.click()
    expect(page.locator("tbody tr").first).to_contain_text("settled")


def _verified(page: Page) -> None:
    page.locator("summary", has_text="Access and log").click()
    page.get_by_role("link", name="Event log", exact=True).click()
    page.get_by_role("link", name="Verify the whole log and every file").click()
    expect(page.get_by_role("status")).to_contain_text("as written")


def _order(page: Page) -> None:
    page.get_by_role("link", name="Requests", exact=True).click()
    asked = page.locator("form[action$=ask\\/]")
    for name, text in (("customer", "K00001"), ("order", "SO-90001"), ("reason", "Signed in May.")):
        asked.locator(f"[name={name}]").fill(text)
    asked.locator("[name=issuer]").fill("Beichen Cloud")
    asked.get_by_role("button").click()
    expect(page.get_by_role("main")).to_contain_text("SO-90001")


def _files(page: Page) -> None:
    for name in ("Excel", "PDF"):
        with page.expect_download() as file:
            page.get_by_role("link", name=name, exact=True).click()
        assert file.value.path().read_bytes()


def _asked(portal: Portal) -> None:
    """Ask the customer twice."""
    form = {"kind": "association", "customer": portal.parties["customer"], "since": "2024-05-01"}
    with portal.sign_in("operations") as operations:
        for party in ("P00013", "P00002"):
            reason = f"{party} looks after them."
            operations.post("/requests/ask/", data=form | {"party": party, "reason": reason})


def _decide(page: Page) -> None:
    page.get_by_role("link", name="Requests", exact=True).click()
    for name in ("Refuse", "Consent"):
        page.locator("section.note").first.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("status").first).to_be_visible()
    expect(page.locator("section.note")).to_have_count(0)


def _opened(page: Page, group: str, name: str) -> None:
    page.locator("summary", has_text=group).first.click()
    page.locator("nav#menu").get_by_role("link", name=name, exact=True).click()


def _accept(page: Page) -> None:
    page.get_by_role("link", name="dispute").first.click()
    page.locator("tbody a").first.click()
    page.get_by_label("Answer").fill("You are right.")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("heading", name="Correct what was wrong")).to_be_visible()


def _csv(*rows: dict[str, str]) -> bytes:
    into = io.StringIO()
    writer = csv.DictWriter(into, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return into.getvalue().encode()


def _file(name: str, rows: bytes) -> FilePayload:
    return {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": rows}


def _given(page: Page, **files: bytes) -> None:
    """Import files."""
    _opened(page, "Settle", "Import")
    page.get_by_label("Files").set_input_files([_file(name, of) for name, of in files.items()])
    page.get_by_role("button", name="Import").click()


def _import(page: Page) -> None:
    bad = {**ROW, "ChargePeriodStart": "2025-13-45T00:00:00Z"}
    good = b"party,label,value,from,to\nK00001,vip,yes,2024-01-01,\n"
    _given(page, charges=_csv(ROW, bad), people=b"name,age\nx,1\n", labels=good)
    expect(page.get_by_role("status")).to_contain_text("2 of 3 files came in", timeout=60_000)
    expect(page.locator("tr", has_text="people.csv").locator(".state")).to_have_text("refused")


def _correct(page: Page) -> None:
    _opened(page, "Settle", "Import")
    page.locator("tbody a").first.click()
    page.get_by_role("link", name="1 row in quarantine").click()
    page.locator("[name=cell-ChargePeriodStart]").fill(ROW["ChargePeriodStart"])
    page.get_by_label("Reason").first.fill("The date of the bill.")
    page.get_by_role("button", name="Import row").click()
    expect(page.get_by_role("status").first).to_be_visible(timeout=60_000)


def _late(page: Page) -> None:
    row = {
        name: text.replace("2024-09", "2024-01").replace("2024-10", "2024-02")
        for name, text in ROW.items()
    }
    _given(page, late=_csv(row))
    expect(page.get_by_text("Closed already: 2024-01.")).to_be_visible(timeout=60_000)


def _ask_to_close(page: Page) -> None:
    page.get_by_role("link", name="Close", exact=True).click()
    page.get_by_label("Reason").first.fill("All came.")
    page.get_by_role("button", name="Ask to close").click()
    expect(page.get_by_text("Somebody else of operations has to approve.").first).to_be_visible()


def _approve(page: Page) -> None:
    page.get_by_role("link", name="Close", exact=True).click()
    page.get_by_label("A closed month cannot be opened again.", exact=False).check()
    page.get_by_role("button", name="Approve: close for good").click()
    expect(page.locator(".clocks .state")).to_have_text("closed", timeout=60_000)


def _plan(page: Page) -> None:
    _opened(page, "Plans", "Plans")
    text = page.get_by_label("The plan as text")
    text.fill(text.input_value().replace("pays 16 %", "pays 15 %", 1))
    page.locator("select[name=period]").select_option("2024-10")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#checked table").last).to_contain_text("-", timeout=120_000)


def _moved(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("K00029", delay=20)
    page.locator("#hits a").first.click()
    page.get_by_role("link", name="What if").click()
    page.get_by_label("To partner").fill("P00012")
    page.locator("[name=since]").fill("2024-09-10")
    page.locator("select[name=period]").select_option("2024-09")
    page.locator("section.note").get_by_role("button").click()
    expect(page.locator("section.note table")).to_be_visible(timeout=120_000)


def _target(page: Page) -> None:
    _opened(page, "Book", "Targets")
    form = page.locator("form[action$=give\\/]")
    form.locator("[name=figure]").select_option("task")
    fields = {"party": "P00002", "period": "2024-12", "amount": "5000", "reason": "Agreed."}
    for name, text in fields.items():
        form.locator(f"[name={name}]").fill(text)
    form.get_by_role("button").click()
    expect(page.get_by_role("status").first).to_be_visible()


def _concentration(page: Page) -> None:
    _opened(page, "Settle", "Periods")
    page.get_by_role("link", name="2024-10").first.click()
    expect(page.locator(".concentration svg")).to_be_visible()


def _many(page: Page) -> None:
    _opened(page, "Book", "Many at once")
    rows = b"party,figure,period,amount\nP00002,task,2024-11,5000\nP00007,task,2024-11,6000\n"
    page.get_by_label("File").set_input_files(_file("targets", rows))
    page.get_by_role("button", name="Show what it would do").click()
    page.get_by_label("Reason").fill("For the year.")
    page.get_by_role("button", name="Enter it").click()
    expect(page.get_by_role("status").first).to_be_visible()


def _undo(page: Page) -> None:
    _opened(page, "Book", "Targets")
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_role("status").first).to_be_visible()


def _view(page: Page) -> None:
    _opened(page, "Payees", "Statements")
    page.get_by_role("link", name="Earned").click()
    page.get_by_label("Name of this view").fill("Most earned")
    page.get_by_role("button", name="Save this view").click()
    expect(page.get_by_role("link", name="Most earned")).to_be_visible()


def _notices(page: Page) -> None:
    page.get_by_role("link", name="Notices").click()
    expect(page.locator(".entries li").first).to_be_visible()


def _team(page: Page) -> None:
    _month(page, "2024-11")
    expect(page.get_by_role("heading", name="Team")).to_be_visible()


JOURNEYS = (
    Journey("partner", "why less in October", "4 clicks, then arithmetic", _why_less),
    Journey("partner", "why a line pays what it does", "2 clicks, 1 s", _why_nothing),
    Journey(
        "partner", "what more to sell, and what it pays", "1 click, 2.6 to 4.6 s", _what_to_sell
    ),
    Journey("partner", "who took part of a customer", "0 clicks", _elsewhere),
    Journey("partner", "dispute it", "3 clicks and text", _dispute),
    Journey("partner", "all charges of a line as a file", "none before a close", _charges),
    Journey("partner", "register an order", "1 click, 5 fields, lost at a mistake", _order),
    Journey("partner", "Excel and PDF", "2 clicks, 4 s", _files),
    Journey("customer", "who is credited, since when", "0 clicks", _who_holds),
    Journey(
        "customer", "refuse one, consent to one", "2 clicks, nothing asked back", _decide, _asked
    ),
    Journey("rep", "what more to sell, and what it pays", "not possible", _what_to_sell),
    Journey("manager", "how far each of the team has come", "0 clicks", _team),
    Journey("operations", "find a partner by part of its id", "not possible", _find),
    Journey("operations", "how much the largest earn", "1 click", _concentration),
    Journey("operations", "whose pay a changed plan changes", "2 clicks, 9.4 s", _plan),
    Journey("operations", "what if a customer moved", "3 fields, 7 to 10 s", _moved),
    Journey("operations", "keep a sorted list as a view", "not possible", _view),
    Journey("operations", "accept a dispute, and where to correct", "1 click, no way on", _accept),
    Journey("operations", "enter a target", "6 fields, no picker", _target),
    Journey("operations", "enter targets by a file", "not possible", _many),
    Journey("operations", "undo a target", "not possible", _undo),
    Journey("operations", "review what a settlement changed", "not possible", _review),
    Journey("operations", "ask to close a month", "2 clicks", _ask_to_close),
    Journey("second", "approve the close", "2 clicks, 24 s", _approve),
    Journey("operations", "import three files, two broken", '3 clicks, 2 s, "Done."', _import),
    Journey("operations", "correct a row", "3 clicks, counted twice", _correct),
    Journey("operations", "a late file for a closed month", "3 clicks, not said", _late),
    Journey("operations", "settle a month", "3 clicks, 10 to 30 s, no progress", _settle),
    Journey("operations", "what is new", "not possible", _notices),
    Journey("auditor", "find who settled", "log not searchable", _log),
    Journey("auditor", "verify the log", "1 click, 0.4 s", _verified),
)


@pytest.fixture(scope="module")
def portal(world: Path) -> Iterator[Portal]:
    with served(world, "sqlite", prepared=True) as found:
        yield found


def test_journeys_take_the_clicks_that_the_docs_say(browser: Browser, portal: Portal) -> None:
    """Each from where its role begins; seconds are told, clicks are held."""
    rows = []
    for journey in JOURNEYS:
        journey.ready(portal)
        with signed_in(browser, portal, journey.who) as page:
            page.add_init_script(_COUNTED)
            page.goto(portal.address)
            page.wait_for_load_state()
            begun = time.monotonic()
            journey.walk(page)
            seconds = time.monotonic() - begun
            clicks = page.evaluate("Number(sessionStorage.getItem('clicks') || 0)")
        told = f"| {journey.who} | {journey.name} | {journey.before} |"
        rows.append(f"{told} {clicks} | {seconds:.1f} |")
        print(rows[-1])
    text = _HEAD + "\n".join(rows) + "\n"
    if to := os.environ.get("FENRUN_WRITE_JOURNEYS"):
        Path(to).write_text(text, "utf-8")
        return
    without = re.compile(r"\| [\d.]+ \|$", re.M)
    assert without.sub("", PAGE.read_text("utf-8")) == without.sub("", text)
