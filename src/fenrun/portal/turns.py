"""Whose turn it is: quick requests are answered one after the other, slow work is done aside.

Threads that all want the interpreter take it from each other some hundred times a request; in turns, the same process answers half as
many again (measured: docs/bench.md). Whatever takes longer than a page (settling, explaining, verifying) steps aside meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_turn = threading.Lock()
_mine = threading.local()


@contextmanager
def in_turn() -> Iterator[None]:
    """A request: waits for its turn."""
    with _turn:
        _mine.held = True
        try:
            yield
        finally:
            _mine.held = False


@contextmanager
def aside() -> Iterator[None]:
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
