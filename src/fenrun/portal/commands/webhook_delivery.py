"""Webhook delivery: what is sent is signed; what does not arrive is tried again.

A host's name is looked up once: the address that was checked is the address that is called.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from urllib.parse import SplitResult, urlsplit

from django.db import close_old_connections, connections
from django.db.models import Q

from fenrun.portal import models
from fenrun.portal.access.addresses import PORTS, open_to_all
from fenrun.portal.access.encryption import secret_of
from fenrun.portal.commands.webhooks import due, is_inside
from fenrun.portal.events import now

_DB = "default"
AGAIN = (1, 10, 60, 360, 1440)
"""Minutes after which a delivery that failed is tried again; then it is given up."""
_TIMEOUT = 10
"""Seconds for the whole of a delivery, however slowly an answer comes."""
_RECEIVERS_AT_ONCE, _DELIVERIES_AT_ONCE = 8, 100
_CLAIMED_FOR = timedelta(seconds=(_TIMEOUT + 1) * _DELIVERIES_AT_ONCE)
"""How long a process has a receiver to itself at most: then it has ended, or was killed."""
_log = logging.getLogger(__name__)


def start() -> None:
    """Deliver what is due, as it comes and each minute, in a thread of its own."""

    def run() -> None:
        while True:
            due.wait(60)
            due.clear()
            try:
                deliver()
                close_old_connections()
            except Exception:  # whatever it is must not end what others are told
                _log.exception("webhooks")

    threading.Thread(target=run, daemon=True, name="webhooks").start()


def deliver() -> int:
    """Send what is due, to several receivers at a time and to each in order.

    A receiver is one process's until that is done with it, so what several processes find due is
    sent once. Returns how many deliveries arrived.
    """
    hooks = models.Hook.objects.using(_DB).filter(ended_at=None)
    due_now = hooks.filter(webhookdelivery__next_at__lte=now()).distinct().order_by("id")
    with ThreadPoolExecutor(_RECEIVERS_AT_ONCE) as pool:
        return sum(pool.map(_deliver_to, due_now.values_list("pk", flat=True)))


def _deliver_to(hook: int) -> int:
    """Send a receiver what is due, unless another process does. Returns how many arrived."""
    hooks = models.Hook.objects.using(_DB)
    try:
        free = Q(claimed_until=None) | Q(claimed_until__lte=now())
        claim = now() + _CLAIMED_FOR
        if not hooks.filter(free, pk=hook).update(claimed_until=claim):
            return 0
        waiting = models.WebhookDelivery.objects.using(_DB).select_related("hook")
        waiting = waiting.filter(next_at__lte=now(), hook_id=hook, hook__ended_at=None)
        arrived = _deliver_in_order(list(waiting.order_by("id")[:_DELIVERIES_AT_ONCE]))
        hooks.filter(pk=hook, claimed_until=claim).update(claimed_until=None)
        return arrived
    finally:
        connections.close_all()  # of this thread, which ends


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _deliver_in_order(deliveries: list[models.WebhookDelivery]) -> int:
    """Send what one receiver is to be told, as far as it takes it. Returns how many arrived.

    Each is noted before the next is sent: whoever comes after a process that was killed sends at
    most the one again that was on its way.
    """
    for number, delivery in enumerate(deliveries):
        delivery.status = _send(delivery)
        delivery.tried += 1
        if _is_success(delivery.status):
            delivery.next_at = None
            delivery.save(using=_DB)
            continue
        given_up = delivery.tried > len(AGAIN)
        delivery.next_at = None if given_up else _in_minutes(AGAIN[delivery.tried - 1])
        delivery.save(using=_DB)
        for later in deliveries[number + 1 :]:  # they wait as well, and hold nobody else up
            later.next_at = delivery.next_at or _in_minutes(AGAIN[-1])
            later.save(using=_DB)
        return number
    return len(deliveries)


def _in_minutes(minutes: int) -> datetime:
    return now() + timedelta(minutes=minutes)


def signature(secret: str, at: str, body: bytes) -> str:
    """Return what the receiver computes again: HMAC-SHA256 over the moment and the body."""
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _send(delivery: models.WebhookDelivery) -> int:
    """Return the status of the answer; 0 where there is none, or the address may not be called."""
    url = delivery.hook.url
    try:
        where = urlsplit(url)
        host = where.hostname or ""
        with _connected(host, _port(where), is_inside(url)) as plain:
            if where.scheme != "https":
                return _post(plain, where, delivery)
            with _secured(plain, host) as secure:
                return _post(secure, where, delivery)
    except (OSError, HTTPException, ValueError):
        return 0


def _port(where: SplitResult) -> int:
    return where.port or (443 if where.scheme == "https" else 80)


def _post(sock: socket.socket, where: SplitResult, delivery: models.WebhookDelivery) -> int:
    """Post a delivery over a connection and return the status of the answer."""
    body = json.dumps({"id": delivery.pk, **delivery.body}, ensure_ascii=False).encode()
    at = str(int(now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "fenrun",
        "X-Fenrun-Time": at,
        "X-Fenrun-Signature": signature(secret_of(delivery.hook.secret), at, body),
    }
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    over = threading.Timer(_TIMEOUT, _hang_up, [sock])
    over.start()
    try:
        connection = HTTPConnection(where.hostname or "", _port(where), timeout=_TIMEOUT)
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        connection.sock = sock
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        over.cancel()


def _connected(host: str, port: int, inside: bool) -> socket.socket:
    """Return a connection to an address that may be called. Raises OSError where there is none."""
    if not inside and port not in PORTS:
        raise OSError("no port that may be called")
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if inside or open_to_all(str(address[0])):
            return socket.create_connection((str(address[0]), port), timeout=_TIMEOUT)
    raise OSError("no address that may be called")


def _secured(sock: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
