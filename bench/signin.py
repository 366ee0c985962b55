"""The signin job: how long signing in takes while others ask for the slowest that there is.

On loopback only, bounded in time and in number. With `charges`, operations import a file of so
many and settle its month meanwhile, again and again. It goes on until each of these came to its end
once, so that what is measured is measured beside all of them.
"""

from __future__ import annotations

import json
import math
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
_SIGN_INS = 2.0
"""Seconds between two people who sign in. The portal takes sixty a minute from an address; with
those who ask, these are forty at most."""
_LONGEST = 1500
"""Seconds after which nothing is waited for any more."""
_SALE = "?amount=1000"
_ACTS = ("import", "settlement")
_ESTIMATE = "estimate"
Page = tuple[float, str]
"""What a page took in seconds, and which act of operations was under way when it was asked for."""


class Beside:
    """What is done beside signing in, each on a thread of its own: where one fails, all end."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.act = ""
        """What operations do now."""
        self.done: list[tuple[str, float]] = []
        """What came to its end, and its seconds."""
        self.refused = 0
        """Estimates that were answered otherwise than asked."""
        self._failed: list[Exception] = []
        self._threads: list[threading.Thread] = []

    def begin(self, work: Callable[[Beside], object]) -> None:
        """Do some work until all is over."""
        self._threads.append(threading.Thread(target=self._do, args=(work,)))
        self._threads[-1].start()

    def end(self) -> None:
        """Wait for all. Raises what the first raised, if it did before all was over."""
        self.over.set()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise self._failed[0]

    def seconds(self, act: str) -> list[float]:
        """Return the seconds of each act of a kind that came to its end."""
        return [took for name, took in self.done if name == act]

    def _do(self, work: Callable[[Beside], object]) -> None:
        try:
            work(self)
        except Exception as error:  # told by end(); once all is over, the server is gone as well
            if not self.over.is_set():
                self._failed.append(error)
                self.over.set()


def run_on(
    workspace: Path, askers: int, idle: int, seconds: int, charges: int, step: Step
) -> dict[str, Any]:
    """Serve a demo workspace, and sign in there: first of all, alone, and beside others.

    The others are connections on which nothing is asked, and partners who estimate additional sales
    without pause, each time in another month. Returns the seconds of the sign-in page and of
    signing in by a password, with those of both alone as a floor; what each of the others took; and
    how much else the machine does. It takes so many seconds, or as long as the first of each of the
    others. Raises ValueError for more than MOST_IDLE, MOST_ASKERS or MOST_SECONDS, TimeoutError
    where one of the others does not come to its end, and whatever one of them raises.
    """
    if idle > MOST_IDLE or askers > MOST_ASKERS or seconds > MOST_SECONDS:
        raise ValueError(f"up to {MOST_IDLE} idle, {MOST_ASKERS} askers and {MOST_SECONDS} s")
    who = prepared(workspace, askers, step)
    beside = Beside()
    with tempfile.TemporaryDirectory(prefix="fenrun-signin-") as scratch, ExitStack() as ends:
        ends.callback(beside.end)  # after the server: whoever waits for it then waits no longer
        address = ends.enter_context(served(workspace))
        ends.callback(beside.over.set)
        first = _timed(lambda: _page(address))
        alone = _Signing(address, who, beside)
        alone.go_on(max(1, seconds // 4), ())
        step(1)
        ends.enter_context(_idle(address, idle))
        for reader in who:
            cookie = signed_in(*_host(address), reader)
            beside.begin(partial(_estimate, address, reader, cookie))
        if charges:
            token, table = _token(), _charges(Path(scratch), charges)
            beside.begin(partial(_operate, address, token, table, Path(scratch)))
        signing = _Signing(address, who, beside)
        signing.go_on(seconds, (_ESTIMATE, *(_ACTS if charges else ())))
        step(1)
    return {
        "askers": len(who),
        "idle": idle,
        "seconds": seconds,
        "charges": charges,
        "refused": beside.refused,
        "load": round(os.getloadavg()[0], 1),
        "first_page_s": round(first, 4),
        **alone.figures("alone"),
        **signing.figures("beside"),
        **_acts(beside),
    }


class _Signing:
    """Fetches the sign-in page again and again, and signs in now and then."""

    def __init__(self, address: str, who: Sequence[Reader], beside: Beside) -> None:
        self._address, self._who, self._beside = address, who, beside
        self._pages: list[Page] = []
        self._sign_ins: list[float] = []

    def go_on(self, seconds: int, acts: Sequence[str]) -> None:
        """Go on for so many seconds, and until each of these acts came to its end."""
        start = last = time.perf_counter()
        sign_in = partial(signed_in, *_host(self._address))
        while not self._beside.over.is_set():
            now = time.perf_counter()
            missing = [act for act in acts if not self._beside.seconds(act)]
            if now >= start + seconds and not missing:
                return
            if now >= start + _LONGEST:
                raise TimeoutError(f"not at an end after {_LONGEST} s: {', '.join(missing)}")
            act = self._beside.act
            self._pages.append((_timed(partial(_page, self._address)), act))
            if not self._sign_ins or now >= last + _SIGN_INS:
                reader, last = self._who[len(self._sign_ins) % len(self._who)], now
                self._sign_ins.append(_timed(partial(sign_in, reader)))
            time.sleep(_PAUSE)

    def figures(self, name: str) -> dict[str, float]:
        """Return the seconds of the page and of signing in; of the page, beside each act too."""
        found = _spread(f"{name}_page", [took for took, _ in self._pages])
        found |= _spread(f"{name}_sign_in", self._sign_ins)
        for act in _ACTS:
            found |= _spread(f"{act}_page", [took for took, under in self._pages if under == act])
        return found


def _acts(beside: Beside) -> dict[str, float]:
    """Return how many of each act came to their end, and the median and slowest seconds."""
    found: dict[str, float] = {}
    for act in (_ESTIMATE, *_ACTS):
        tooks = beside.seconds(act)
        found[f"{act}s"] = len(tooks)
        found |= _spread(act, tooks)
    return found


def _spread(name: str, tooks: Sequence[float]) -> dict[str, float]:
    """Return the median, the 95th of a hundred, and the slowest of some seconds, if any."""
    if not tooks:
        return {}
    p95 = sorted(tooks)[math.ceil(len(tooks) * 0.95) - 1]
    return {
        f"{name}_median_s": round(statistics.median(tooks), 4),
        f"{name}_p95_s": round(p95, 4),
        f"{name}_slowest_s": round(max(tooks), 4),
    }


def _host(address: str) -> tuple[str, int]:
    where = urlsplit(address)
    return where.hostname or "", where.port or 80


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


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


def _estimate(address: str, who: Reader, cookie: str, beside: Beside) -> None:
    """Estimate without pause."""
    connection, turn = HTTPConnection(*_host(address), timeout=_LONGEST), 0
    while not beside.over.is_set():
        start, page = time.perf_counter(), who.pages[turn % len(who.pages)]
        connection.request("GET", f"{page}estimate/{_SALE}", headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            beside.done.append((_ESTIMATE, time.perf_counter() - start))
        else:
            beside.refused += 1
        turn += 1
    connection.close()


def _charges(scratch: Path, count: int) -> pa.Table:
    """Return so many charges of a month."""
    world = worlds.people_of_month(count)
    parts = write_month(scratch / "charges", world, worlds.SEED, worlds.MONTH, lambda n: None)
    return pa.concat_tables(map(pq.read_table, parts))


def _operate(address: str, token: str, table: pa.Table, scratch: Path, beside: Beside) -> None:
    """Import a file of charges and settle its month, again and again."""
    turn, settle = 0, f"/api/periods/{worlds.PERIOD.key}/settle"
    while not beside.over.is_set():
        path = scratch / f"charges-{turn}.parquet"  # other rows each time, or it is known
        pq.write_table(table.slice(turn), path, compression="zstd")
        works: tuple[Callable[[], object], ...] = (
            partial(_import, address, token, path, beside.over),
            partial(_post, address, token, settle, b"", "text/plain"),
        )
        for beside.act, work in zip(_ACTS, works):
            took = _timed(work)
            if beside.over.is_set():
                return
            beside.done.append((beside.act, took))
        turn += 1


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
    connection = HTTPConnection(where.hostname or "", where.port, timeout=_LONGEST)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    if answer.status >= 300:
        raise ValueError(f"{path}: {answer.status} {said}")
    return dict(said)
