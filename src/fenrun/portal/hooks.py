"""Webhooks: another system is told of statements and disputes that the one who asked for it may see. What is told is signed; what does not arrive is tried again.

Only addresses of the open internet are called, through TLS, so that nobody reaches the vendor's own network by a hook; FENRUN_HOOKS_INSIDE names
hosts that are meant nevertheless. The address is checked on the connection itself, since a name can be made to point elsewhere in between.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import threading
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from django.db import close_old_connections

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal import models
from fenrun.portal.events import note, now
from fenrun.portal.isolation import asking

_DB = "default"
AGAIN = (1, 10, 60, 360, 1440)
"""Minutes after which a telling that failed is tried again; then it is given up."""
_WAIT, _MOST_PAYEES = 10, 500
_due = threading.Event()


def _inside() -> set[str]:
    return {host for host in os.environ.get("FENRUN_HOOKS_INSIDE", "").split(",") if host}


def make(user: Any, url: str, events: str) -> models.Hook:
    """Ask to be told. Raises Refused for an address that may not be called, or events that there are not."""
    where, wanted = urlsplit(url), events.split()
    if not where.hostname or not wanted or not set(wanted) <= set(models.Hook.EVENTS) or not (where.scheme == "https" or (where.scheme == "http" and where.hostname in _inside())) or where.username:
        raise Refused([Problem("hook-wrong", Place("webhook"), {"url": url, "known": ", ".join(models.Hook.EVENTS)})])
    made = models.Hook.objects.using(_DB).create(user=user, url=url, events=" ".join(wanted), secret=secrets.token_urlsafe(32), made_at=now())
    note(user.get_username(), "make webhook", url, events=wanted)
    return made


def end(user: Any, number: int) -> None:
    """End one of one's own webhooks."""
    if models.Hook.objects.using(_DB).filter(pk=number, user=user, ended_at=None).update(ended_at=now()):
        note(user.get_username(), "end webhook", str(number))


def tell_statements(period: str, closed: bool) -> None:
    """Statements of a period are new or closed: tell each hook of those that its user sees."""
    for hook in _hooks("statement"):
        with asking(hook.user_id):
            payees = list(models.Statement.objects.filter(period_id=period).order_by("payee").values_list("payee", flat=True)[:_MOST_PAYEES])
        if payees:
            _put(hook, {"event": "statement", "period": period, "closed": closed, "payees": payees})


def tell_dispute(dispute: models.Dispute) -> None:
    """A dispute was opened or answered: tell each hook whose user sees it."""
    for hook in _hooks("dispute"):
        with asking(hook.user_id):
            seen = models.Dispute.objects.filter(pk=dispute.pk).exists()
        if seen:
            _put(hook, {"event": "dispute", "id": dispute.pk, "party": dispute.party, "period": dispute.period, "line": dispute.line, "state": dispute.state})


def _hooks(event: str) -> list[models.Hook]:
    return [h for h in models.Hook.objects.using(_DB).filter(ended_at=None, user__is_active=True).order_by("id") if event in h.events.split()]


def _put(hook: models.Hook, body: dict[str, Any]) -> None:
    models.Telling.objects.using(_DB).create(hook=hook, body=body, at=now(), next_at=now())
    _due.set()


def deliver() -> int:
    """Send what is due. Returns how many arrived."""
    arrived = 0
    for telling in models.Telling.objects.using(_DB).select_related("hook").filter(next_at__lte=now(), hook__ended_at=None).order_by("id")[:100]:
        telling.status = _send(telling)
        telling.tried += 1
        ok = 200 <= telling.status < 300
        arrived += ok
        telling.next_at = None if ok or telling.tried > len(AGAIN) else now() + timedelta(minutes=AGAIN[telling.tried - 1])
        telling.save(using=_DB)
    return arrived


def signature(secret: str, at: str, body: bytes) -> str:
    """What the receiver computes again: HMAC-SHA256 over the moment and the body."""
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _send(telling: models.Telling) -> int:
    """The status of the answer; 0 where there is none, or the address may not be called."""
    hook, body, at = telling.hook, json.dumps({"id": telling.pk, **telling.body}, ensure_ascii=False).encode(), str(int(now().timestamp()))
    where = urlsplit(hook.url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = kind(where.hostname or "", where.port, timeout=_WAIT)
    try:
        connection.connect()
        if where.hostname not in _inside() and not ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0]).is_global:
            return 0
        connection.request("POST", (where.path or "/") + (f"?{where.query}" if where.query else ""), body,
                           {"Content-Type": "application/json", "User-Agent": "fenrun", "X-Fenrun-Time": at, "X-Fenrun-Signature": signature(hook.secret, at, body)})
        return connection.getresponse().status
    except (OSError, HTTPException, ValueError):
        return 0
    finally:
        connection.close()


def start() -> None:
    """Send what is due, as it comes and each minute, in a thread of its own."""

    def run() -> None:
        while True:
            _due.wait(60)
            _due.clear()
            deliver()
            close_old_connections()

    threading.Thread(target=run, daemon=True, name="webhooks").start()
