"""Every page of every role in both languages, on desktop and phone, light and dark: axe at night.

Pages are found as people find them: by following links from the page where a role begins, one
address for each route. By day the journeys hold those that they pass.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.portal.served import Portal, served
from tests.portal.test_journeys import CHROMIUM, OUTPUT, PICTURES

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="a browser for half an hour"),
]
AXE = Axe()
ROLES = ("operations", "auditor", "partner", "rep", "manager", "customer")
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
LOOKS = [
    (lang, size, scheme)
    for lang in ("en", "zh-CN")
    for size in SIZES
    for scheme in ("light", "dark")
]
if chosen := os.environ.get("FENRUN_AXE_LOOKS"):
    LOOKS = [LOOKS[int(number)] for number in chosen.split(",")]
_MOST = int(os.environ.get("FENRUN_AXE_PAGES", "60"))
_KEPT_OUT = ("/account/logout", "/static/", "/api/openapi", "/language")
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SMALLEST = """
() => Math.min(99, ...[...document.querySelectorAll("svg text")]
  .filter((text) => text.textContent.trim() && text.checkVisibility())
  .map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))
"""
"""The height of the smallest letters of a page's charts, in pixels."""
_LEAST = 11.9


@pytest.fixture(scope="module")
def portal(world: Path) -> Iterator[Portal]:
    with served(world, "sqlite", prepared=True) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield found
        found.close()


def _shape(path: str) -> str:
    """Return an address without what it names: one page stands for all of its kind."""
    where = urlsplit(path)
    parts = [part for part in where.path.split("/") if part]
    return f"{parts[0] if parts else ''}/{len(parts)}/{parts[-1] if len(parts) > 3 else ''}"


def _pages_of(page: Page, address: str) -> list[str]:
    """Return an address for each kind of page that links lead to, nearest first."""
    found, waiting = {_shape("/"): "/"}, deque(["/"])
    while waiting and len(found) < _MOST:
        page.goto(address + waiting.popleft())
        for href in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
            path = href.removeprefix(address)
            is_page = path.startswith("/") and "format=" not in path
            if is_page and not path.startswith(_KEPT_OUT) and _shape(path) not in found:
                found[_shape(path)] = path
                waiting.append(path)
    return list(found.values())[:_MOST]


def _violations(page: Page) -> list[dict[str, Any]]:
    """Return what axe finds on a page; a page that leads on by itself is asked once more."""
    try:
        return list(AXE.run(page).response["violations"])
    except Error:
        page.wait_for_load_state()
        return list(AXE.run(page).response["violations"])


@pytest.mark.parametrize("role", ROLES)
def test_no_page_has_a_serious_finding(browser: Browser, portal: Portal, role: str) -> None:
    paths: list[str] = []
    wrong: list[tuple[object, ...]] = []
    looked = 0
    for lang, size, scheme in LOOKS:
        width, height = SIZES[size]
        with browser.new_context(
            locale="zh-CN" if lang == "zh-CN" else "en-GB",
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]
        ) as own:
            page = own.new_page()
            page.set_default_timeout(180_000)  # of a run that nobody has asked about yet
            page.goto(f"{portal.address}/account/login/")
            page.locator("[name=login]").fill(role)
            page.locator("[name=password]").fill(portal.password)
            page.locator("main button").first.click()
            page.wait_for_load_state()
            paths = paths or _pages_of(page, portal.address)
            for path in paths:
                with suppress(Error):  # a page that hands out a file
                    answer = page.goto(portal.address + path)
                    if answer and not answer.ok:
                        wrong.append((lang, size, scheme, path, answer.status))
                found = _violations(page)
                looked += 1
                wrong += [
                    (lang, size, scheme, path, v["id"], v["nodes"][0]["html"][:120])
                    for v in found
                    if v["impact"] in ("serious", "critical")
                ]
                if page.evaluate(_WIDER) > 1:
                    wrong.append((lang, size, scheme, path, "wider than the window"))
                if (smallest := page.evaluate(_SMALLEST)) < _LEAST:
                    wrong.append((lang, size, scheme, path, f"letters of {smallest:.1f} px"))
                if PICTURES and (lang, size, scheme) in (LOOKS[0], LOOKS[-1]):
                    OUTPUT.mkdir(exist_ok=True)
                    name = f"{role}-{_shape(path).replace('/', '-')}-{lang}-{size}.png"
                    page.screenshot(path=OUTPUT / name, full_page=True)
    print(f"{role}: {looked} looks at {len(paths)} pages, {len(wrong)} findings")
    assert len(paths) > 5 and not wrong, wrong
