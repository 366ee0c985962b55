"""Webhooks: subscribing another system to statements and disputes that its user may see.

Only addresses of the open internet are called, through TLS, so that nobody reaches the vendor's
own network by a webhook. FENRUN_HOOKS_INSIDE names receivers inside that are meant nevertheless,
each by the whole beginning of its address.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal import models
from fenrun.portal.access.addresses import PORTS, open_to_all
from fenrun.portal.access.encryption import new_seed
from fenrun.portal.access.isolation import asking
from fenrun.portal.alone import alone
from fenrun.portal.events import now, record_event

_DB = "default"
MOST = 10
"""Webhooks of one user at most."""
_LONGEST_URL, _MOST_PAYEES = 500, 500
_IN_NO_URL = (" ", "..", "%2e")
due = threading.Event()
"""Set when there is something to deliver."""


def make(user: Any, url: str, events: str) -> models.Hook:
    """Subscribe an address to events (names with spaces).

    Raises Refused for an address that may not be called, events that there are not, or too many
    webhooks.
    """
    wanted = events.split()
    known = models.Hook.EVENTS
    is_wrong = not _callable(url) or not wanted or not set(wanted) <= set(known)
    with alone("webhooks"), transaction.atomic(using=_DB):
        if is_wrong or _has_most(user):
            values = {"url": url, "known": ", ".join(known), "most": MOST}
            raise Refused([Problem("hook-wrong", Place("webhook"), values)])
        hook = models.Hook.objects.using(_DB).create(
            user=user, url=url, events=" ".join(wanted), secret=new_seed(), made_at=now()
        )
        record_event(user.get_username(), "make webhook", url, events=wanted)
    return hook


def _has_most(user: Any) -> bool:
    return models.Hook.objects.using(_DB).filter(user=user, ended_at=None).count() >= MOST


def _callable(url: str) -> bool:
    if len(url) > _LONGEST_URL or not url.isprintable():
        return False
    if any(text in url.lower() for text in _IN_NO_URL):
        return False
    try:
        where = urlsplit(url)
        host = where.hostname or ""
        host.encode("idna")
        if not host.strip() or where.port == 0 or where.username:
            return False
        if where.port not in (None, *PORTS) and not is_inside(url):
            return False
        if _is_closed(host) and not is_inside(url):
            return False
    except ValueError:  # also of a port or a name that cannot be
        return False
    return where.scheme == "https" or (where.scheme == "http" and is_inside(url))


def _is_closed(host: str) -> bool:
    """Return whether a host is an address by itself that is not of the open internet."""
    try:
        return host == "localhost" or not open_to_all(host)
    except ValueError:  # a name: where it leads is looked at before each call
        return False


def is_inside(url: str) -> bool:
    """Return whether an address is a receiver inside that FENRUN_HOOKS_INSIDE names."""
    for start in os.environ.get("FENRUN_HOOKS_INSIDE", "").split(","):
        names_host = start.count("/") > 2
        if names_host and (url == start or (start.endswith("/") and url.startswith(start))):
            return True
    return False


def notify_statements(period: str, closed: bool) -> None:
    """Tell each webhook that a period's statements are new or closed: those that its user sees."""
    for hook in _subscribed("statement"):
        with asking(hook.user_id):
            statements = models.Statement.objects.filter(period_id=period).order_by("payee")
            payees = list(statements.values_list("payee", flat=True).distinct()[:_MOST_PAYEES])
        if payees:
            _enqueue(
                hook, {"event": "statement", "period": period, "closed": closed, "payees": payees}
            )


def notify_dispute(dispute: models.Dispute) -> None:
    """Tell each webhook whose user sees a dispute that it was opened or answered."""
    body = {
        "event": "dispute",
        "id": dispute.pk,
        "party": dispute.party,
        "period": dispute.period,
        "line": dispute.line,
        "state": dispute.state,
    }
    for hook in _subscribed("dispute"):
        with asking(hook.user_id):
            seen = models.Dispute.objects.filter(pk=dispute.pk).exists()
        if seen:
            _enqueue(hook, body)


def _subscribed(event: str) -> list[models.Hook]:
    hooks = models.Hook.objects.using(_DB).filter(ended_at=None, user__is_active=True)
    return [hook for hook in hooks.order_by("id") if event in hook.events.split()]


def _enqueue(hook: models.Hook, body: dict[str, Any]) -> None:
    models.WebhookDelivery.objects.using(_DB).create(hook=hook, body=body, at=now(), next_at=now())
    due.set()


def find(number: int, of: Any) -> models.Hook | None:
    """Return a webhook of an account, or of any (None)."""
    hooks = models.Hook.objects.using(_DB).filter(pk=number, ended_at=None)
    return (hooks.filter(user=of) if of else hooks).first()


def deliveries_of(hook: models.Hook) -> QuerySet[models.WebhookDelivery]:
    """Return the messages to a webhook, the last ones first."""
    return models.WebhookDelivery.objects.using(_DB).filter(hook=hook).order_by("-pk")


def test(actor: str, hook: models.Hook) -> None:
    """Send a webhook a message that says no more than that it is a test."""
    _enqueue(hook, {"event": "test"})
    record_event(actor, "test webhook", hook.url)


def resend(actor: str, number: int, of: Any) -> models.Hook | None:
    """Send a message again, arrived or not; its webhook is an account's, or any (None).

    Returns the webhook, or None where there is no such message.
    """
    rows = models.WebhookDelivery.objects.using(_DB).filter(pk=number, hook__ended_at=None)
    found = (rows.filter(hook__user=of) if of else rows).select_related("hook").first()
    if not found:
        return None
    rows.filter(pk=number).update(next_at=now(), tried=0)
    record_event(actor, "resend webhook", found.hook.url, number=number)
    due.set()
    return found.hook
