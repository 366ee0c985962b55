"""Whose turn it is: quick requests are answered one after the other, slow work is done aside.

Threads that all want the interpreter take it from each other some hundred times a request; in turns, the same process answers half as
many again (measured: docs/bench.md). Whatever takes longer than a page (settling, explaining, verifying) steps aside meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class _Turn:
    """A lock that is had in the order in which it was asked for; a plain one lets some wait long while others pass."""

    def __init__(self) -> None:
        self._mine, self._held, self._waiting = threading.Lock(), False, deque[threading.Lock]()

    def acquire(self) -> None:
        with self._mine:
            if not self._held:
                self._held = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()  # opened by who hands the turn on

    def release(self) -> None:
        with self._mine:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


_turn = _Turn()
_mine = threading.local()


@contextmanager
def queued() -> Iterator[None]:
    """A request: waits for its turn."""
    _turn.acquire()
    _mine.held = True
    try:
        yield
    finally:
        _mine.held = False
        _turn.release()


@contextmanager
def outside_queue() -> Iterator[None]:
    """Slow work within a request: others have their turns meanwhile."""
    if not getattr(_mine, "held", False):
        yield
        return
    _mine.held = False
    _turn.release()
    try:
        yield
    finally:
        _turn.acquire()
        _mine.held = True
