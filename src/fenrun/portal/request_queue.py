"""The request queue: quick requests are answered in their order, slow work runs outside.

Threads that all want the interpreter take it from each other some hundred times a request. One
after the other, the same process answers half as many again (measured: docs/reference/bench.md).
Whatever takes longer than a page (settling, explaining, verifying) leaves the queue meanwhile, for
one of a few places: who finds them taken waits, and where too many wait is told so. So there are
always threads left for a page, and for signing in.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from fenrun.base.problem import Place, refused


class _FairSemaphore:
    """A semaphore that is given in the order in which it was asked for, to so many at a time.

    A plain lock lets some wait long while others pass.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._guard = threading.Lock()
        self.at_once = self._free = at_once
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self) -> None:
        with self._guard:
            if self._free:
                self._free -= 1
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()  # opened by whoever releases it

    def release(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


AT_ONCE = 2
"""Slow work that is done at a time."""
_MOST, _MOST_EACH, _KEPT_FREE = 8, 4, 2
"""Slow work that may be under way, waiting included: of all, and of each asker; and what is kept
free of it for settling and closing."""


class _Places:
    """The places for slow work, and who has one or waits for one."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._by: Counter[str] = Counter()
        self._free = threading.Semaphore(AT_ONCE)

    @contextmanager
    def occupied(self, asker: str, settles: bool = False) -> Iterator[None]:
        """Do work in a place, once there is one. Raises Refused where too many wait."""
        most = _MOST + (_KEPT_FREE if settles else 0)
        with self._guard:
            if self._by.total() >= most or self._by[asker] >= _MOST_EACH:
                raise refused("portal-busy", Place("portal"))
            self._by[asker] += 1
        try:
            with self._free:
                yield
        finally:
            with self._guard:
                self._by[asker] -= 1
                self._by += Counter()  # who has none left is not kept


_places = _Places()
_hashing = threading.Semaphore(AT_ONCE)
_semaphore = _FairSemaphore()
_thread = threading.local()


def answer_at_once(vendor: str) -> None:
    """Answer as many requests at a time as suits a kind of database; before the first is asked.

    PostgreSQL is waited for a dozen times a page: meanwhile others are drawn.
    """
    global _semaphore
    at_once = 3 if vendor == "postgresql" else 1
    if _semaphore.at_once != at_once:
        _semaphore = _FairSemaphore(at_once)


@contextmanager
def queued() -> Iterator[None]:
    """Answer a request inside: it waits until those before it are answered."""
    _semaphore.acquire()
    _thread.queued = True
    try:
        yield
    finally:
        _thread.queued = False
        _semaphore.release()


@contextmanager
def outside_queue(settles: bool = False) -> Iterator[None]:
    """Do slow work inside: other requests are answered meanwhile. Raises Refused if too many do.

    Partners' questions alone keep nobody from what `settles` a period or closes it.
    """
    with _outside(_places.occupied(getattr(_thread, "asker", ""), settles)):
        yield


@contextmanager
def hashing() -> Iterator[None]:
    """Hash a password inside: that leaves the interpreter to others, who are answered meanwhile."""
    with _outside(_hashing):
        yield


@contextmanager
def _outside(place: AbstractContextManager[Any]) -> Iterator[None]:
    """Leave the queue for a place, if this thread is in it."""
    if not getattr(_thread, "queued", False):
        yield
        return
    _thread.queued = False
    _semaphore.release()
    try:
        with place:
            yield
    finally:
        _semaphore.acquire()
        _thread.queued = True


def name_asker(asker: str) -> None:
    """Say whose request this thread answers."""
    _thread.asker = asker
