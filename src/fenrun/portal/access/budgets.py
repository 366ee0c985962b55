"""Budgets: how many requests somebody may make in a minute, and how soon a password is tried again.

Both are kept in memory, by each process for itself.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict

_MINUTE = 60
_FREE_TRIES = 3
"""Wrong passwords that cost no time."""
_LONGEST_WAIT = 900
"""Seconds."""
_MOST_KEPT = 20_000


class Budget:
    """Requests that each may make in a minute, by the clock. 0: as many as anybody wants."""

    def __init__(self, most: int):
        self.most = most
        self._minute = 0
        self._spent: Counter[str] = Counter()
        self._lock = threading.Lock()

    def spend(self, who: str) -> int:
        """Count a request. Returns 0, or the seconds after which there is a budget again."""
        now = int(time.time())
        with self._lock:
            if now // _MINUTE != self._minute:
                self._minute = now // _MINUTE
                self._spent.clear()
            self._spent[who] += 1
            is_over = self.most and self._spent[who] > self.most
        return _MINUTE - now % _MINUTE if is_over else 0


class Failures:
    """Wrong passwords by account and sender: each lets the next wait twice as long.

    An account is never locked for all: whoever knows its password, elsewhere, signs in meanwhile.
    """

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, account: str, sender: str) -> int:
        """Return the seconds after which the sender may try the account again; 0: now."""
        with self._lock:
            _, until = self._found.get((account, sender), (0, 0.0))
        return max(0, round(until - time.monotonic()))

    def record(self, account: str, sender: str) -> None:
        """Count a wrong password."""
        with self._lock:
            count, _ = self._found.pop((account, sender), (0, 0.0))
            wait = min(2 ** (count + 1 - _FREE_TRIES), _LONGEST_WAIT) if count >= _FREE_TRIES else 0
            self._found[account, sender] = (count + 1, time.monotonic() + wait)
            if len(self._found) > _MOST_KEPT:
                self._found.popitem(last=False)

    def forget(self, account: str, sender: str) -> None:
        """Begin anew: the sender knew the password."""
        with self._lock:
            self._found.pop((account, sender), None)
