"""Budgets: how many requests somebody may make in a minute, and how soon a password is tried again.

All processes of the portal share them through the database. A request alone writes no row: each
process counts in memory and says what it has counted a twentieth of a budget at a time, so of two
processes one may let through that much more.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import F

from fenrun.portal.models import FailedSignIn, Spent

_DB = "default"
_MINUTE = 60
_PARTS = 20
"""Parts of a budget that are said one by one."""
_FREE_TRIES = 3
"""Wrong passwords that cost no time."""
_LONGEST_WAIT = 900
"""Seconds."""
_FORGOTTEN_AFTER = timedelta(days=1)
_MOST_KEPT = 20_000
Say = Callable[[str, int, int], int]
"""Adds the requests of somebody in a minute to those of all processes, and returns their sum."""


def say_spent(who: str, minute: int, requests: int) -> int:
    """Add requests of somebody in a minute (since 1970). Returns those of all processes."""
    rows = Spent.objects.using(_DB)
    with transaction.atomic(using=_DB):
        row, is_new = rows.get_or_create(who=who[:100], minute=minute)
        rows.filter(pk=row.pk).update(requests=F("requests") + requests)
        if is_new:
            rows.filter(minute__lt=minute).delete()
        row.refresh_from_db(using=_DB)
    return row.requests


class Budget:
    """Requests that each may make in a minute, by the clock. 0: as many as anybody wants."""

    def __init__(self, most: int, say: Say = say_spent):
        self.most = most
        self._say, self._part = say, max(1, most // _PARTS)
        self._minute = 0
        self._here: Counter[str] = Counter()
        self._elsewhere: Counter[str] = Counter()
        self._lock = threading.Lock()

    def spend(self, who: str) -> int:
        """Count a request. Returns 0, or the seconds after which there is a budget again."""
        if not self.most:
            return 0
        now = int(time.time())
        minute, wait = now // _MINUTE, _MINUTE - now % _MINUTE
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._here.clear()
                self._elsewhere.clear()
            self._here[who] += 1
            here, elsewhere = self._here[who], self._elsewhere[who]
        if here + elsewhere > self.most:
            return wait
        if here % self._part == 0:
            elsewhere = self._say(who, minute, self._part) - here
            with self._lock:
                self._elsewhere[who] = max(0, elsewhere)
        return wait if here + elsewhere > self.most else 0


class Failures:
    """Wrong passwords by account and sender: each lets the next wait twice as long.

    An account is never locked for all: whoever knows its password, elsewhere, signs in meanwhile.
    """

    def wait(self, account: str, sender: str) -> int:
        """Return the seconds after which the sender may try the account again; 0: now."""
        row = FailedSignIn.objects.using(_DB).filter(pk=_key(account, sender)).first()
        return max(0, round((row.until - _now()).total_seconds())) if row else 0

    def record(self, account: str, sender: str) -> None:
        """Count a wrong password."""
        rows, now = FailedSignIn.objects.using(_DB), _now()
        with transaction.atomic(using=_DB):
            row, is_new = rows.select_for_update().get_or_create(
                key=_key(account, sender), defaults={"at": now, "until": now}
            )
            count = row.count
            wait = min(2 ** (count + 1 - _FREE_TRIES), _LONGEST_WAIT) if count >= _FREE_TRIES else 0
            row.count, row.at = min(count + 1, _MOST_KEPT), now
            row.until = now + timedelta(seconds=wait)
            row.save(using=_DB)
            if is_new:
                rows.filter(at__lt=now - _FORGOTTEN_AFTER).delete()
                kept = rows.order_by("-at", "-key").values_list("pk", flat=True)
                for oldest in list(kept[_MOST_KEPT : _MOST_KEPT + 100]):
                    rows.filter(pk=oldest).delete()

    def forget(self, account: str, sender: str) -> None:
        """Begin anew: the sender knew the password."""
        FailedSignIn.objects.using(_DB).filter(pk=_key(account, sender)).delete()


def _key(account: str, sender: str) -> str:
    return hashlib.sha256(f"{account}\0{sender}".encode()).hexdigest()


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
