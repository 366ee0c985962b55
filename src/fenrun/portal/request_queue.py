"""The request queue: quick requests are answered one after the other, slow work runs outside.

Threads that all want the interpreter take it from each other some hundred times a request. One
after the other, the same process answers half as many again (measured: docs/reference/bench.md).
Whatever takes longer than a page (settling, explaining, verifying) leaves the queue meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class _FairLock:
    """A lock that is given in the order in which it was asked for.

    A plain lock lets some wait long while others pass.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()  # opened by whoever releases the lock

    def release(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


_lock = _FairLock()
_thread = threading.local()


@contextmanager
def queued() -> Iterator[None]:
    """Answer a request inside: it waits until those before it are answered."""
    _lock.acquire()
    _thread.queued = True
    try:
        yield
    finally:
        _thread.queued = False
        _lock.release()


@contextmanager
def outside_queue() -> Iterator[None]:
    """Do slow work inside: other requests are answered meanwhile."""
    if not getattr(_thread, "queued", False):
        yield
        return
    _thread.queued = False
    _lock.release()
    try:
        yield
    finally:
        _lock.acquire()
        _thread.queued = True
