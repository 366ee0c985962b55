"""The portal's event log: what was done, when and by whom.

What changes the workspace stands in the workspace's own log besides.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from fenrun.portal import models
from fenrun.store.facts import Store


def now() -> datetime:
    """Return this moment, in whole seconds (UTC)."""
    return datetime.now(UTC).replace(microsecond=0)


def workspace(actor: str) -> Store:
    """Return the workspace; what is written to it names the actor, and when that was."""
    store = Store.open(settings.WORKSPACE)
    store.actor, store.clock = actor, lambda: now().replace(tzinfo=None)
    return store


def record_event(actor: str, act: str, subject: str, **detail: Any) -> None:
    """Add an event: who did what to which subject."""
    models.Event.objects.using("default").create(
        at=now(), actor=actor, act=act, subject=subject[:500], detail=detail
    )
