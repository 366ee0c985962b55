"""Webhooks: another system is told of statements and disputes that the one who asked for it may see. What is told is signed; what does not arrive is tried again.

Only addresses of the open internet are called, through TLS, so that nobody reaches the vendor's own network by a hook; FENRUN_HOOKS_INSIDE names
receivers inside that are meant nevertheless, each by the whole beginning of its address. A name is looked up once: what was checked is what is called.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.db import close_old_connections

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal import models
from fenrun.portal.addresses import open_to_all
from fenrun.portal.events import now, record_event
from fenrun.portal.isolation import asking

_DB = "default"
AGAIN = (1, 10, 60, 360, 1440)
"""Minutes after which a telling that failed is tried again; then it is given up."""
MOST = 10
"""Webhooks of one user at most."""
_WAIT, _MOST_PAYEES, _AT_ONCE = 10, 500, 8
_log = logging.getLogger(__name__)
_due = threading.Event()


def _inside(url: str) -> bool:
    return any(
        url == start or (start.endswith("/") and url.startswith(start))
        for start in os.environ.get("FENRUN_HOOKS_INSIDE", "").split(",")
        if start.count("/") > 2
    )


def make(user: Any, url: str, events: str) -> models.Hook:
    """Ask to be told. Raises Refused for an address that may not be called, events that there are not, or too many webhooks."""
    wanted = events.split()
    if (
        len(url) > 500
        or not _callable(url)
        or not wanted
        or not set(wanted) <= set(models.Hook.EVENTS)
        or models.Hook.objects.using(_DB).filter(user=user, ended_at=None).count() >= MOST
    ):
        raise Refused(
            [
                Problem(
                    "hook-wrong",
                    Place("webhook"),
                    {"url": url, "known": ", ".join(models.Hook.EVENTS), "most": MOST},
                )
            ]
        )
    made = models.Hook.objects.using(_DB).create(
        user=user, url=url, events=" ".join(wanted), secret=secrets.token_urlsafe(32), made_at=now()
    )
    record_event(user.get_username(), "make webhook", url, events=wanted)
    return made


def _callable(url: str) -> bool:
    try:
        where = urlsplit(url)
        (where.hostname or "").encode("idna")
        return (
            bool((where.hostname or "").strip())
            and where.port != 0
            and not where.username
            and url.isprintable()
            and not any(odd in url.lower() for odd in (" ", "..", "%2e"))
            and (where.scheme == "https" or (where.scheme == "http" and _inside(url)))
        )
    except ValueError:  # also of a port or a name that cannot be
        return False


def end(user: Any, number: int) -> None:
    """End one of one's own webhooks."""
    if (
        models.Hook.objects.using(_DB)
        .filter(pk=number, user=user, ended_at=None)
        .update(ended_at=now())
    ):
        record_event(user.get_username(), "end webhook", str(number))


def notify_statements(period: str, closed: bool) -> None:
    """Statements of a period are new or closed: tell each hook of those that its user sees."""
    for hook in _hooks("statement"):
        with asking(hook.user_id):
            payees = list(
                models.Statement.objects.filter(period_id=period)
                .order_by("payee")
                .values_list("payee", flat=True)[:_MOST_PAYEES]
            )
        if payees:
            _put(hook, {"event": "statement", "period": period, "closed": closed, "payees": payees})


def notify_dispute(dispute: models.Dispute) -> None:
    """A dispute was opened or answered: tell each hook whose user sees it."""
    for hook in _hooks("dispute"):
        with asking(hook.user_id):
            seen = models.Dispute.objects.filter(pk=dispute.pk).exists()
        if seen:
            _put(
                hook,
                {
                    "event": "dispute",
                    "id": dispute.pk,
                    "party": dispute.party,
                    "period": dispute.period,
                    "line": dispute.line,
                    "state": dispute.state,
                },
            )


def _hooks(event: str) -> list[models.Hook]:
    return [
        h
        for h in models.Hook.objects.using(_DB)
        .filter(ended_at=None, user__is_active=True)
        .order_by("id")
        if event in h.events.split()
    ]


def _put(hook: models.Hook, body: dict[str, Any]) -> None:
    models.WebhookDelivery.objects.using(_DB).create(hook=hook, body=body, at=now(), next_at=now())
    _due.set()


def deliver() -> int:
    """Send what is due, to several receivers at a time and to each in order. Returns how many arrived."""
    due: dict[int, list[models.WebhookDelivery]] = {}
    for telling in (
        models.WebhookDelivery.objects.using(_DB)
        .select_related("hook")
        .filter(next_at__lte=now(), hook__ended_at=None)
        .order_by("id")[:100]
    ):
        due.setdefault(telling.hook_id, []).append(telling)
    arrived = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for sent in pool.map(_deliver, due.values()):
            for telling in sent:
                telling.save(using=_DB)
                arrived += telling.next_at is None and 200 <= telling.status < 300
    return arrived


def _deliver(tellings: list[models.WebhookDelivery]) -> list[models.WebhookDelivery]:
    """Send what one receiver is to be told, as far as it takes it."""
    for number, telling in enumerate(tellings, 1):
        telling.status = _send(telling)
        telling.tried += 1
        if 200 <= telling.status < 300:
            telling.next_at = None
        else:
            telling.next_at = (
                None
                if telling.tried > len(AGAIN)
                else now() + timedelta(minutes=AGAIN[telling.tried - 1])
            )
            for later in tellings[number:]:  # they wait as well, and hold nobody else up
                later.next_at = telling.next_at or now() + timedelta(minutes=AGAIN[-1])
            break
    return tellings


def signature(secret: str, at: str, body: bytes) -> str:
    """What the receiver computes again: HMAC-SHA256 over the moment and the body."""
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _send(telling: models.WebhookDelivery) -> int:
    """The status of the answer; 0 where there is none, or the address may not be called."""
    hook, body, at = (
        telling.hook,
        json.dumps({"id": telling.pk, **telling.body}, ensure_ascii=False).encode(),
        str(int(now().timestamp())),
    )
    try:
        where = urlsplit(hook.url)
        host, port, secure = (
            where.hostname or "",
            where.port or (443 if where.scheme == "https" else 80),
            where.scheme == "https",
        )
        with (
            _connected(host, port, _inside(hook.url)) as plain_,
            _secured(plain_, host) if secure else plain_ as sock,
        ):
            over = threading.Timer(
                _WAIT, _hang_up, [sock]
            )  # for the whole of it, however slowly an answer comes
            over.start()
            try:
                connection = HTTPConnection(host, port, timeout=_WAIT)
                if isinstance(sock, ssl.SSLSocket):
                    sock.do_handshake()
                connection.sock = sock
                connection.request(
                    "POST",
                    (where.path or "/") + (f"?{where.query}" if where.query else ""),
                    body,
                    {
                        "Content-Type": "application/json",
                        "User-Agent": "fenrun",
                        "X-Fenrun-Time": at,
                        "X-Fenrun-Signature": signature(hook.secret, at, body),
                    },
                )
                return connection.getresponse().status
            finally:
                over.cancel()
    except (OSError, HTTPException, ValueError):
        return 0


def _connected(host: str, port: int, inside: bool) -> socket.socket:
    """A connection to an address that may be called. Raises OSError where there is none."""
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if inside or open_to_all(str(address[0])):
            return socket.create_connection((str(address[0]), port), timeout=_WAIT)
    raise OSError("no address that may be called")


def _secured(sock: socket.socket, host: str) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(
        sock, server_hostname=host, do_handshake_on_connect=False
    )


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def start() -> None:
    """Send what is due, as it comes and each minute, in a thread of its own."""

    def run() -> None:
        while True:
            _due.wait(60)
            _due.clear()
            try:
                deliver()
                close_old_connections()
            except Exception:  # whatever it is must not end what others are told
                _log.exception("webhooks")

    threading.Thread(target=run, daemon=True, name="webhooks").start()
