"""Load on the portal: many partners at once read their statements.

On loopback only, bounded in time and in number.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench.timing import Step, no_step
from fenrun.base.problem import Place, refused

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_READERS, MOST_SECONDS = 60, 120
_PATIENCE = 20
"""Seconds that a server has to end by its leave."""


@dataclass(frozen=True)
class Reader:
    """A partner who reads: its account, and the pages that it turns over."""

    name: str
    password: str
    pages: Sequence[str]


def run_on(workspace: Path, readers: int, seconds: int, step: Step = no_step) -> dict[str, Any]:
    """Serve a demo workspace on this machine, and let its largest partners read.

    Returns what `run` does. Raises Refused for a workspace that is not a demo's.
    """
    who = prepared(workspace, readers, step)
    with served(workspace) as address:
        return run(address, who, seconds, step)


def prepared(workspace: Path, readers: int, step: Step = no_step) -> list[Reader]:
    """Bring a demo workspace's portal up to date. Return its largest partners, with accounts.

    Raises Refused for a workspace that is not a demo's.
    """
    from fenrun.portal import serve

    if not (workspace / "demo.json").is_file():
        raise refused("bench-not-demo", Place(str(workspace)))
    password = secrets.token_urlsafe(12)
    serve.prepare(workspace, step)
    accounts = serve.reader_accounts(readers, password)
    return [Reader(name, password, pages) for name, pages in accounts]


@contextmanager
def served(workspace: Path) -> Iterator[str]:
    """Serve a workspace on this machine, in a process of its own. Gives its address.

    The server ends with it, also where this process is told to end meanwhile.
    """
    server = subprocess.Popen(
        [sys.executable, "-m", "fenrun", "serve", str(workspace), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FENRUN_LANG": "en", "FENRUN_REQUESTS": "0"},
        start_new_session=True,
    )
    with ExitStack() as ends:
        ends.callback(_end, server)
        ends.enter_context(_told_to_end())
        yield next(
            found.group()
            for line in server.stdout or ()
            if (found := re.search(r"http://[\w.:]+", line))
        )


def _end(server: subprocess.Popen[str]) -> None:
    """End a server: by its leave, then at once, then with all that it has started."""
    for ask in (server.terminate, server.terminate, partial(os.killpg, server.pid, signal.SIGKILL)):
        ask()
        try:
            server.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            continue
        return


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Leave in order on SIGTERM, which would leave behind what was started. In the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(
    address: str, readers: Sequence[Reader], seconds: int, step: Step = no_step
) -> dict[str, Any]:
    """Let each reader turn its pages over for some seconds, one after the other, all at once.

    Returns requests, their seconds (median, 95th and 99th of a hundred, slowest), and what
    failed.

    Raises ValueError for an address that is not this machine's own, or for more than MOST_READERS
    or MOST_SECONDS.
    """
    where = urlsplit(address)
    if where.hostname not in LOOPBACK or len(readers) > MOST_READERS or seconds > MOST_SECONDS:
        raise ValueError(
            f"only {', '.join(LOOPBACK)}, up to {MOST_READERS} readers and {MOST_SECONDS} s"
        )
    took: list[float] = []
    failed: list[int] = []
    sessions = [signed_in(where.hostname or "", where.port or 80, who) for who in readers]
    end = time.perf_counter() + seconds

    def read(who: Reader, cookie: str) -> None:
        connection, turn = HTTPConnection(where.hostname or "", where.port, timeout=60), 0
        while time.perf_counter() < end:
            start = time.perf_counter()
            connection.request("GET", who.pages[turn % len(who.pages)], headers={"Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            took.append(time.perf_counter() - start)
            if answer.status != 200:
                failed.append(answer.status)
            turn += 1
        connection.close()

    threads = [threading.Thread(target=read, args=pair) for pair in zip(readers, sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        step(1)
    cuts = statistics.quantiles(took if len(took) > 1 else took * 2, n=100)  # of one: itself
    return {
        "readers": len(readers),
        "seconds": seconds,
        "requests": len(took),
        "per_s": round(len(took) / seconds, 1),
        "failed": len(failed),
        "p50_s": round(cuts[49], 4),
        "p95_s": round(cuts[94], 4),
        "p99_s": round(cuts[98], 4),
        "slowest_s": round(max(took), 4),
    }


def signed_in(host: str, port: int, who: Reader) -> str:
    """Sign in as a browser does; gives the session's cookie."""
    connection = HTTPConnection(host, port, timeout=60)
    connection.request("GET", "/account/login/")
    page = connection.getresponse()
    form = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    csrf = re.search(r"csrftoken=(\w+)", page.headers.get("Set-Cookie", ""))
    assert form and csrf, "this is no portal of fenrun"
    body = urlencode(
        {"login": who.name, "password": who.password, "csrfmiddlewaretoken": form.group(1)}
    )
    connection.request(
        "POST",
        "/account/login/",
        body,
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"csrftoken={csrf.group(1)}",
            "Referer": f"http://{host}:{port}/account/login/",
        },
    )
    answer = connection.getresponse()
    answer.read()
    session = re.search(r"sessionid=(\w+)", "; ".join(answer.headers.get_all("Set-Cookie") or []))
    if not session:
        raise ValueError(f"{who.name} cannot sign in")
    return f"sessionid={session.group(1)}"
