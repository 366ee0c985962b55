"""The edge of HTTP: answers end where they say, and nobody holds the server by sending slowly."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer

UPLOADS = ("/import/start/", "/api/import", "/verify/", "/api/verify")
"""The ends of the paths that take files."""
MOST_UPLOAD, MOST_BODY = 2**30, 2_621_440
"""Bytes of a body: of files, and of anything else (Django's own limit of a form)."""
_PATIENCE = 30
"""Seconds for a request to arrive, besides those that its bytes take at _SLOWEST."""
_LAST_SECONDS = 60
"""Seconds that a server which is stopped takes at most to finish what was begun."""
_SLOWEST = 16_384
"""Bytes of a body in a second: what arrives more slowly is not waited for."""
LIMITS = {
    "connection_limit": 800,  # below the 1,024 files that a process may usually open
    "channel_timeout": 60,
    "cleanup_interval": 5,
    "max_request_header_size": 65_536,
    "max_request_body_size": MOST_UPLOAD,
    "asyncore_use_poll": True,
}
"""What waitress itself bounds: connections (idle ones in seconds), heads and bodies in bytes."""
_EMPTY = ("1", "204", "304")
"""The first digits of statuses whose answers have no body, and no length either."""
Headers = list[tuple[str, str]]


def framed(application: WSGIApplication) -> WSGIApplication:
    """Return an application whose answers end where HTTP says they end.

    None has a body to HEAD, nor with a status that has none: waitress leaves that to applications,
    and Django to servers. Behind a proxy that keeps connections, bytes after such an answer are the
    beginning of the next one: somebody else's. An answer to HEAD says the length of the one to GET.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started: list[tuple[str, Headers, Any]] = []

        def start(status: str, headers: Headers, error: Any = None) -> Any:
            started[:] = [(status, headers, error)]
            return _no_write

        body = application(environ, start)
        status, headers, error = started[0]
        is_empty = status.startswith(_EMPTY)
        if not is_empty and not _has_length(headers):
            body = _whole(body)
            headers = [*headers, ("Content-Length", str(sum(map(len, body))))]
        start_response(status, headers, error)
        if not is_empty and environ["REQUEST_METHOD"] != "HEAD":
            return body
        _close(body)
        return []

    return answer


def _has_length(headers: Headers) -> bool:
    return any(name.lower() == "content-length" for name, _ in headers)


def _whole(body: Iterable[bytes]) -> list[bytes]:
    """Return a body in memory; what it came from is closed."""
    try:
        return list(body)
    finally:
        _close(body)


def _close(body: Iterable[bytes]) -> None:
    if close := getattr(body, "close", None):
        close()


def _no_write(data: bytes) -> None:
    raise NotImplementedError("answers are iterables")


class _Request(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """A request that arrives; its body may be large only where files are taken."""

    def __init__(self, limits: Any):
        super().__init__(limits)
        self.since = time.time()
        self._small = copy.copy(limits)
        self._small.max_request_body_size = MOST_BODY

    def parse_header(self, head: bytes) -> None:
        """Read the head. Raises ParsingError, also where two headers say where the body ends."""
        super().parse_header(head)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length beside Transfer-Encoding")
        if not self.path.endswith(UPLOADS):
            self.adj = self._small

    def is_overdue(self, now: float) -> bool:
        """Return whether it arrives more slowly than anybody sends it in earnest."""
        received: int = self.body_bytes_received
        return now - self.since > _PATIENCE + received / _SLOWEST


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Request

    def writable(self) -> bool:
        """Return whether the main thread is to write: what a thread still answers, that one does.

        Else the main thread asks for the answer's lock without pause while it is written, a hundred
        times a page, and takes the interpreter from all who answer.
        """
        held = self.adj.outbuf_high_watermark if self.requests else 0
        is_ending = self.will_close or self.close_when_flushed
        return bool(is_ending or self.total_outbufs_len > held)


def _is_answered(channel: HTTPChannel) -> bool:
    return not channel.requests and not channel.total_outbufs_len


class Server(TcpWSGIServer):  # type: ignore[misc]
    """A server that takes a request whole before a thread has it, so no thread waits for a network.

    Who sends a request slowly loses the connection.
    """

    channel_class = _Channel

    def run_until(self, stopped: threading.Event, is_busy: Callable[[], bool]) -> None:
        """Serve until it is `stopped`, then finish what was begun, for _LAST_SECONDS at most.

        Nobody is let in meanwhile. What is not finished by then is left to the store and the
        database, which keep what was done whole or not at all.
        """
        until = math.inf
        while time.monotonic() < until:
            self.asyncore.loop(1, map=self._map, use_poll=True, count=1)
            if not stopped.is_set():
                continue
            if until == math.inf:
                until = time.monotonic() + _LAST_SECONDS
                wasyncore.dispatcher.close(self)  # it listens no more
            waiting = [
                channel for channel in self.active_channels.values() if _is_answered(channel)
            ]
            for channel in waiting:
                channel.will_close = True
            if not waiting and not self.active_channels and not is_busy():
                break
        self.task_dispatcher.shutdown(timeout=1)

    def maintenance(self, now: float) -> None:
        """Close connections that are idle, or whose request does not arrive."""
        super().maintenance(now)
        for channel in self.active_channels.values():
            if channel.request and not channel.requests and channel.request.is_overdue(now):
                channel.will_close = True
