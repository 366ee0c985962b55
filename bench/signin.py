"""The signin job: how long signing in takes while others ask for the slowest that there is.

On loopback only, bounded in time and in number. With `charges`, operations import a file of so
many and settle its month meanwhile, again and again.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from bench import worlds
from bench.portal import Reader, prepared, served, signed_in
from bench.timing import Step
from fenrun.world.charges import write_month

PAGE = "/account/login/"
MOST_IDLE, MOST_ASKERS, MOST_SECONDS, MOST_CHARGES = 130, 8, 120, 2_000_000
_PAUSE = 0.1
"""Seconds between two pages."""
_SIGN_INS = 1.0
"""Seconds between two people who sign in: the portal takes sixty a minute from an address."""
_SALE = "?amount=1000"
_ACTS = ("import", "settlement")


def run_on(
    workspace: Path, askers: int, idle: int, seconds: int, charges: int, step: Step
) -> dict[str, Any]:
    """Serve a demo workspace, and sign in there: first of all, alone, and beside others.

    The others are connections on which nothing is asked, and partners who estimate additional sales
    without pause, each time in another month. Returns the seconds of the sign-in page and of
    signing in by a password (median, slowest), with those of both alone as a floor; and how much
    else the machine does. Raises ValueError for more than MOST_IDLE, MOST_ASKERS or MOST_SECONDS.
    """
    if idle > MOST_IDLE or askers > MOST_ASKERS or seconds > MOST_SECONDS:
        raise ValueError(f"up to {MOST_IDLE} idle, {MOST_ASKERS} askers and {MOST_SECONDS} s")
    who = prepared(workspace, askers, step)
    with served(workspace) as address:
        first = _timed(lambda: _page(address))
        alone = _signing_in(address, who, max(1, seconds // 4))
        step(1)
        with (
            tempfile.TemporaryDirectory(prefix="fenrun-signin-") as scratch,
            _idle(address, idle),
            _asking(address, who) as asked,
            _operating(address, Path(scratch), charges) as done,
        ):
            beside = _signing_in(address, who, seconds)
        step(1)
    return {
        "askers": len(who),
        "idle": idle,
        "seconds": seconds,
        "estimates": len(asked),
        "failed": sum(status != 200 for status in asked),
        "charges": charges,
        **{f"{act}s": done.count(act) for act in _ACTS},
        "load": round(os.getloadavg()[0], 1),
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


@contextmanager
def _operating(address: str, scratch: Path, charges: int) -> Iterator[list[str]]:
    """Let operations import a file of so many charges and settle its month, again and again.

    Gives what was done, one by one. Nothing is done where there are no charges.
    """
    over, done = threading.Event(), list[str]()
    if not charges:
        yield done
        return
    token, world = _token(), worlds.people_of_month(charges)
    parts = write_month(scratch / "charges", world, worlds.SEED, worlds.MONTH, lambda n: None)
    table = pa.concat_tables(map(pq.read_table, parts))

    def operate() -> None:
        turn = 0
        while not over.is_set():
            path = scratch / f"charges-{turn}.parquet"  # other rows each time, or it is known
            pq.write_table(table.slice(turn), path, compression="zstd")
            _import(address, token, path, over)
            done.append(_ACTS[0])
            if over.is_set():
                return
            _post(address, token, f"/api/periods/{worlds.PERIOD.key}/settle", b"", "text/plain")
            done.append(_ACTS[1])
            turn += 1

    thread = threading.Thread(target=operate)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def _token() -> str:
    """Make a token of operations, in the portal that this process is ready for."""
    from fenrun.portal.commands import grants, tokens

    invented = ("bench", "bench-operations", "operations", "", "Invented by fenrun bench.")
    given = grants.give_with_password(*invented, secrets.token_urlsafe(12))
    return tokens.make(given.user, "bench", "read act", 1)


def _import(address: str, token: str, path: Path, over: threading.Event) -> None:
    """Import a file and wait for it, or for the end."""
    edge = secrets.token_hex(16)
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    said = _post(address, token, "/api/import", body, f"multipart/form-data; boundary={edge}")
    while not over.wait(0.5):
        if _ask(address, token, "GET", f"/api/import/{said['number']}", b"", "")["over"]:
            return


def _post(address: str, token: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
    return _ask(address, token, "POST", path, body, kind)


def _ask(
    address: str, token: str, method: str, path: str, body: bytes, kind: str
) -> dict[str, Any]:
    """Ask the API as operations. Raises ValueError for what it refuses."""
    where = urlsplit(address)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=600)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    if answer.status >= 300:
        raise ValueError(f"{path}: {answer.status} {said}")
    return dict(said)
