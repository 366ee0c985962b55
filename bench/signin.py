"""The signin job: how long signing in takes while others ask for the slowest that there is.

On loopback only, bounded in time and in number.
"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.portal import Reader, prepared, served, signed_in
from bench.timing import Step

PAGE = "/account/login/"
MOST_IDLE, MOST_ASKERS, MOST_SECONDS = 130, 8, 30
_PAUSE = 0.1
"""Seconds between two pages."""
_SIGN_INS = 1.0
"""Seconds between two people who sign in: the portal takes sixty a minute from an address."""
_SALE = "?amount=1000"


def run_on(workspace: Path, askers: int, idle: int, seconds: int, step: Step) -> dict[str, Any]:
    """Serve a demo workspace, and sign in there: first of all, alone, and beside others.

    The others are connections on which nothing is asked, and partners who estimate additional sales
    without pause, each time in another month. Returns the seconds of the sign-in page and of
    signing in by a password (median, slowest), with those of both alone as a floor. Raises
    ValueError for more than MOST_IDLE, MOST_ASKERS or MOST_SECONDS.
    """
    if idle > MOST_IDLE or askers > MOST_ASKERS or seconds > MOST_SECONDS:
        raise ValueError(f"up to {MOST_IDLE} idle, {MOST_ASKERS} askers and {MOST_SECONDS} s")
    who = prepared(workspace, askers, step)
    with served(workspace) as address:
        first = _timed(lambda: _page(address))
        alone = _signing_in(address, who, max(1, seconds // 4))
        step(1)
        with _idle(address, idle), _asking(address, who) as asked:
            beside = _signing_in(address, who, seconds)
        step(1)
    return {
        "askers": len(who),
        "idle": idle,
        "seconds": seconds,
        "estimates": len(asked),
        "failed": sum(status != 200 for status in asked),
        "first_page_s": round(first, 4),
        **_spread("alone", alone),
        **_spread("beside", beside),
    }


def _spread(name: str, tooks: dict[str, list[float]]) -> dict[str, float]:
    """Return median and slowest seconds of the page and of signing in."""
    found = {}
    for kind, some in tooks.items():
        found[f"{name}_{kind}_median_s"] = round(statistics.median(some), 4)
        found[f"{name}_{kind}_slowest_s"] = round(max(some), 4)
    return found


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _signing_in(address: str, who: Sequence[Reader], seconds: int) -> dict[str, list[float]]:
    """Fetch the page again and again, and sign in now and then. Return the seconds of each."""
    where = urlsplit(address)
    host, port = where.hostname or "", where.port or 80
    found: dict[str, list[float]] = {"page": [], "sign_in": []}
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        found["page"].append(_timed(lambda: _page(address)))
        if time.perf_counter() >= start + len(found["sign_in"]) * _SIGN_INS:
            reader = who[len(found["sign_in"]) % len(who)]
            found["sign_in"].append(_timed(partial(signed_in, host, port, reader)))
        time.sleep(_PAUSE)
    return found


def _page(address: str) -> None:
    """Fetch the sign-in page on a connection of its own."""
    where = urlsplit(address)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=60)
    connection.request("GET", PAGE)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise ValueError(f"{PAGE}: {answer.status}")


@contextmanager
def _idle(address: str, count: int) -> Iterator[None]:
    """Hold connections open on which a request was begun, and is not gone on with."""
    where = urlsplit(address)
    with ExitStack() as held:
        for number in range(count):
            one = held.enter_context(socket.create_connection((where.hostname, where.port), 5))
            one.sendall(b"POST /account/login/ HTTP/1.1\r\n"[: number % 30])
        yield


@contextmanager
def _asking(address: str, who: Sequence[Reader]) -> Iterator[list[int]]:
    """Let each reader estimate without pause. Gives the statuses of their answers."""
    where, over, found = urlsplit(address), threading.Event(), list[int]()

    def ask(reader: Reader, cookie: str) -> None:
        connection, turn = HTTPConnection(where.hostname or "", where.port, timeout=60), 0
        while not over.is_set():
            page = reader.pages[turn % len(reader.pages)]
            connection.request("GET", f"{page}estimate/{_SALE}", headers={"Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
            turn += 1
        connection.close()

    sessions = [signed_in(where.hostname or "", where.port or 80, reader) for reader in who]
    threads = [threading.Thread(target=ask, args=pair) for pair in zip(who, sessions)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join()
