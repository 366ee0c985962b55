"""Following the log: what the command line or another process settles or closes is shown.

Each process looks every other second whether the log has changed; what is shown already, whoever
shows it, is left as it is.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections
from django.db.models import Max

from fenrun.base.ids import short
from fenrun.base.when import parse_period
from fenrun.portal import models
from fenrun.portal.commands import notices, publishing, unsettled
from fenrun.portal.events import enter_events, workspace
from fenrun.store.audit_log import Event
from fenrun.store.facts import Store

_EVERY = 2
"""Seconds."""
_FOLLOWED = ("runs", "closes")
_log = logging.getLogger(__name__)


def start() -> None:
    """Follow the log in a thread of its own, until the process ends."""
    follower = Follower()

    def run() -> None:
        while True:
            threading.Event().wait(_EVERY)
            try:
                enter_events(patience=_EVERY)
                follower.follow()
                notices.mail()
            except Exception:  # whatever it is, the next look may find better
                _log.exception("following the log")
            close_old_connections()

    threading.Thread(target=run, daemon=True, name="following").start()


class Follower:
    """Shows what was settled or closed after an event: at first, after what is shown."""

    def __init__(self) -> None:
        rests_on = models.Period.objects.using("default").aggregate(Max("state"))["state__max"]
        self.seen: int = rests_on or 0
        self._looked_at: tuple[object, ...] = ()

    def follow(self) -> list[str]:
        """Show what was settled or closed since the last look. Returns the periods that changed."""
        now = _as_written(settings.WORKSPACE)
        if now == self._looked_at:
            return []
        store = workspace("portal")
        events = store.log.events(after=self.seen)
        changed: list[str] = []
        for key in dict.fromkeys(key for event in events for key in _not_shown(store, event)):
            with unsettled.noted(key):
                if publishing.publish(store, parse_period(key)):
                    changed.append(key)
        self.seen, self._looked_at = max((e.seq for e in events), default=self.seen), now
        return changed


def _as_written(workspace: Path) -> tuple[object, ...]:
    """Return what of the log's files differs once something is written."""
    found: list[object] = []
    for name in ("log.db", "log.db-wal"):
        try:
            said = (workspace / name).stat()
            found.append((said.st_ino, said.st_size, said.st_mtime_ns))
        except FileNotFoundError:
            found.append(None)
    return tuple(found)


def _not_shown(store: Store, event: Event) -> list[str]:
    """Return the months that an event may change and that are not shown by it yet.

    A close changes the month after it, too, which books the differences of what is closed.
    """
    if event.kind not in _FOLLOWED:
        return []
    months = {month.key for month in publishing.months_of(store)}
    key = str(event.facts()["source"])
    shown = models.Period.objects.using("default").filter(key=key).first()
    if event.kind == "closes":
        if shown and shown.closed:
            unsettled.forget(key)
            return []
        found = [key, publishing.month_after(parse_period(key)).key]
        return [month for month in found if month in months]
    if shown and shown.run == short(event.subject):
        unsettled.forget(key)
        return []
    return [key] if key in months else []
