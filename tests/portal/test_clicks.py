"""Journeys of each role, from the page where it begins: clicks and seconds, at night.

With FENRUN_WRITE_JOURNEYS they are written into the file that it names: the page of the docs that
shows them. Otherwise clicks must be what that page says.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

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
    expect(page.locator("#estimated .lead").first).to_be_visible()


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
    expect(page.get_by_role("status").first).to_contain_text("2024-12", timeout=60_000)


def _review(page: Page) -> None:
    page.get_by_role("link", name="Review", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2024-01")


def _log(page: Page) -> None:
    page.locator("summary", has_text="Access and log").click()
    page.get_by_role("link", name="Event log", exact=True).click()
    page.get_by_label("Who, what, about what, or the day").fill("settled")
    page.get_by_role("button", name="Search").last.click()
    expect(page.locator("tbody tr").first).to_contain_text("settled")


JOURNEYS = (
    Journey("partner", "why less in October", "4 clicks, then arithmetic", _why_less),
    Journey("partner", "why a line pays what it does", "2 clicks, 1 s", _why_nothing),
    Journey(
        "partner", "what more to sell, and what it pays", "1 click, 2.6 to 4.6 s", _what_to_sell
    ),
    Journey("partner", "who took part of a customer", "0 clicks", _elsewhere),
    Journey("partner", "dispute it", "3 clicks and text", _dispute),
    Journey("partner", "all charges of a line as a file", "none before a close", _charges),
    Journey("customer", "who is credited, since when", "0 clicks", _who_holds),
    Journey("operations", "find a partner by part of its id", "not possible", _find),
    Journey("operations", "review what a settlement changed", "not possible", _review),
    Journey("operations", "settle a month", "3 clicks, 10 to 30 s, no progress", _settle),
    Journey("auditor", "find who settled", "log not searchable", _log),
)


@pytest.fixture(scope="module")
def portal(world: Path) -> Iterator[Portal]:
    with served(world, "sqlite", prepared=True) as found:
        yield found


def test_journeys_take_the_clicks_that_the_docs_say(browser: Browser, portal: Portal) -> None:
    """Each from where its role begins; seconds are told, clicks are held."""
    rows = []
    for journey in JOURNEYS:
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
