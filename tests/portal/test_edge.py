"""The HTTP edge, by raw sockets and behind a proxy: an answer ends where its head says."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from unittest import mock
from urllib.parse import urlsplit

import httpx
import pytest

from fenrun.portal import edge
from tests.portal.served import Portal, port

_STYLE = "/static/portal/portal.css"
_NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
_PROXY = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; user root;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream portal {{ server {portal}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{number};
    location / {{
      proxy_pass http://portal; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host 127.0.0.1;
    }}
  }}
}}
"""
"""A proxy whose requests, whoever's they are, share one connection to the portal."""


class _Connection:
    """A connection that is kept alive, read to the byte."""

    def __init__(self, address: str):
        where = urlsplit(address)
        self._socket = socket.create_connection((where.hostname, where.port), timeout=20)
        self.stream: IO[bytes] = self._socket.makefile("rb")

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer as HTTP says it ends."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        first = self.stream.readline()
        assert first.startswith(b"HTTP/1.1 "), first
        status, said = int(first.split()[1]), {}
        while line := self.stream.readline().strip():
            name, _, value = line.decode().partition(": ")
            said[name.lower()] = value
        body = b""
        if method != "HEAD" and status not in (204, 304):
            assert "content-length" in said, said
            body = self.stream.read(int(said["content-length"]))
        return status, said, body

    def send(self, data: bytes) -> None:
        """Send some bytes of a request."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


@contextmanager
def _connected(address: str) -> Iterator[_Connection]:
    connection = _Connection(address)
    try:
        yield connection
    finally:
        connection.close()


def _cookies(client: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def test_nothing_follows_an_answer_without_a_body(portal: Portal) -> None:
    with portal.sign_in("operations") as client, _connected(portal.address) as strange:
        statement = f"/statements/2024-01/{portal.parties['partner']}/"
        _, said, _ = strange.ask("GET", _STYLE)
        odd = [
            ("HEAD", statement, {"Cookie": _cookies(client)}),
            ("HEAD", f"{statement}?format=csv", {"Cookie": _cookies(client)}),
            ("HEAD", "/account/login/", {}),
            ("HEAD", "/nowhere/", {}),
            ("HEAD", "/api/openapi.json", {}),
            ("HEAD", "/api/statements", {"Cookie": _cookies(client)}),
            ("HEAD", "/periods/", {"Host": "elsewhere.example"}),
            ("HEAD", _STYLE, {}),
            ("HEAD", _STYLE, {"Range": "bytes=0-9"}),
            ("GET", _STYLE, {"Range": "bytes=0-9"}),
            ("GET", _STYLE, {"Range": "bytes=9999999-"}),
            ("GET", _STYLE, {"If-None-Match": said["etag"]}),
            ("HEAD", _STYLE, {"If-None-Match": said["etag"]}),
            ("GET", _STYLE, {"Range": "bytes=0-0", "If-Modified-Since": said["last-modified"]}),
        ]
        for method, path, headers in odd:
            with _connected(portal.address) as connection:
                status, said, body = connection.ask(method, path, **headers)
                what = (method, path, headers, status, said)
                if said.get("connection") == "close":
                    assert connection.stream.read() == b"", what
                    continue
                assert method == "HEAD" or status == 304 or len(body) == int(said["content-length"])
                status, _, body = connection.ask("GET", "/api/periods")
                assert (status, b"problems" in body) == (401, True), what


def test_a_head_says_the_length_that_a_get_has(portal: Portal) -> None:
    with _connected(portal.address) as connection:
        for path in ("/nowhere/", "/api/openapi.json", _STYLE):
            _, said, body = connection.ask("GET", path)
            _, head, _ = connection.ask("HEAD", path)
            assert head["content-length"] == said["content-length"] == str(len(body)), path


@pytest.mark.skipif(not Path(_NGINX).exists(), reason="nginx is not installed")
def test_behind_a_proxy_each_gets_its_own_answer(portal: Portal, tmp_path: Path) -> None:
    number = port()
    config = tmp_path / "nginx.conf"
    upstream = urlsplit(portal.address).netloc
    config.write_text(_PROXY.format(folder=tmp_path, portal=upstream, number=number))
    proxy = subprocess.Popen([_NGINX, "-p", tmp_path, "-c", config, "-e", tmp_path / "error.log"])
    try:
        address = f"http://127.0.0.1:{number}"
        _wait(number)
        with portal.sign_in("operations") as client:
            mine = {"Cookie": _cookies(client)}
        secret = f"/statements/2024-01/{portal.parties['partner']}/"
        with (
            httpx.Client(base_url=address, timeout=20) as owner,
            httpx.Client(base_url=address, timeout=20) as stranger,
        ):
            for _ in range(8):
                assert owner.head(secret, headers=mine).status_code == 200
                seen = stranger.get("/api/periods")
                assert (seen.status_code, "problems" in seen.text) == (401, True), seen.text
                fetched = owner.get(secret, headers=mine)
                assert portal.parties["partner"] in fetched.text
                assert stranger.head(_STYLE, headers={"Range": "bytes=0-9"}).status_code == 206
    finally:
        proxy.terminate()
        proxy.wait(20)


def test_idle_connections_keep_nobody_out(portal: Portal) -> None:
    where = urlsplit(portal.address)
    idle = [socket.create_connection((where.hostname, where.port), 5) for _ in range(130)]
    try:
        for number, one in enumerate(idle):
            one.sendall(
                b"POST /account/login/ HTTP/1.1\r\nContent-Length: 9\r\n\r\n"[: number % 60]
            )
        assert httpx.get(f"{portal.address}/account/login/", timeout=20).status_code == 200
    finally:
        for one in idle:
            one.close()


def _posting(path: str, length: int) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}", "", "")
    return "\r\n".join(lines).encode()


def test_a_large_body_is_taken_only_where_files_are(portal: Portal) -> None:
    for path, length, status in (
        ("/account/login/", edge.MOST_BODY, 413),
        ("/api/disputes", edge.MOST_BODY, 413),
        ("/api/import", edge.MOST_UPLOAD, 413),
        ("/api/import", 10 * edge.MOST_BODY, 403),
    ):
        with _connected(portal.address) as connection:
            connection.send(_posting(path, length))
            if status == 403:
                connection.send(b"x" * length)
            assert connection.stream.readline().split()[1] == b"%d" % status, path


def _says_hello(environ: Any, start_response: Any) -> list[bytes]:
    status = environ["PATH_INFO"].strip("/")
    start_response(f"{status} Said", [("X-Said", "hello")])
    return [b"hel", b"lo"]


@contextmanager
def _server(**limits: Any) -> Iterator[str]:
    """A server of an application that says hello with the status that the path names."""
    served = edge.Server(edge.framed(_says_hello), host="127.0.0.1", port=0, threads=1, **limits)
    threading.Thread(target=served.run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{served.effective_port}"
    finally:
        served.close()


def test_each_status_is_framed() -> None:
    with _server() as address:
        for status, length in ((200, "5"), (204, ""), (304, ""), (404, "5"), (206, "5")):
            for method in ("GET", "HEAD", "POST"):
                with _connected(address) as connection:
                    found, said, body = connection.ask(method, f"/{status}")
                    expected = b"hello" if length and method != "HEAD" else b""
                    assert (found, body) == (status, expected), method
                    assert said.get("content-length", "") == length, (method, status)
                    if said.get("connection") == "close":
                        assert connection.stream.read() == b""
                    else:
                        assert connection.ask("GET", "/200")[2] == b"hello"


_NEXT = b"GET /200 HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\tchunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(_NEXT),
        b"Content-Length: +%d\r\n\r\n" % len(_NEXT),
        b"Content-Length : %d\r\n\r\n" % len(_NEXT),
        b"Transfer-Encoding: xchunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0;x=\n\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        b"\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_body_whose_end_is_unclear_is_refused(said: bytes) -> None:
    """Or a proxy that reads it otherwise hands on one's request as the beginning of another's."""
    with _server() as address, _connected(address) as connection:
        connection.send(b"POST /200 HTTP/1.1\r\nHost: x\r\n" + said + _NEXT)
        answer = connection.stream.read()
        assert answer.startswith((b"HTTP/1.0 4", b"HTTP/1.1 4", b"HTTP/1.1 501")), answer
        assert answer.count(b"HTTP/1.") == 1 and b"hello" not in answer


@pytest.mark.parametrize(
    ("begun", "patience", "idle"),
    [
        (b"", 60, 0),
        (b"GET /200 HT", 0, 60),
        (b"POST /200 HTTP/1.1\r\nContent-Length: 9\r\n\r\n12345678", 0, 60),
    ],
    ids=["nothing", "head", "body"],
)
def test_a_request_that_does_not_arrive_is_not_waited_for(
    begun: bytes, patience: int, idle: int
) -> None:
    with (
        mock.patch.object(edge, "_PATIENCE", patience),
        _server(cleanup_interval=0, channel_timeout=idle) as address,
        _connected(address) as connection,
    ):
        connection.send(begun)
        assert connection.stream.read() == b""


def _wait(number: int) -> None:
    """Wait until something listens."""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", number), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nothing listens")


@pytest.mark.parametrize(
    ("requests", "waiting", "ends", "writes"),
    [(1, 10, False, False), (0, 10, False, True), (0, 0, False, False), (1, 0, True, True)],
)
def test_the_main_thread_leaves_an_answer_to_the_thread_that_makes_it(
    requests: int, waiting: int, ends: bool, writes: bool
) -> None:
    """Else it asks without pause whether it may write. What is too much for a thread it writes."""
    channel = edge._Channel.__new__(edge._Channel)
    channel.adj = mock.Mock(outbuf_high_watermark=100)
    channel.requests, channel.total_outbufs_len, channel.will_close = [0] * requests, waiting, ends
    assert channel.writable() is writes
    channel.total_outbufs_len = 101
    assert channel.writable() is True
