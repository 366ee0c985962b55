"""One process at a time: of all that serve a workspace, and of their threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.conf import settings

_PATIENCE = 600
"""Seconds."""


@contextmanager
def alone(work: str) -> Iterator[None]:
    """Do some work inside; others that want to do it wait. It ends with the process."""
    settings.HOME.mkdir(parents=True, exist_ok=True)
    path = settings.HOME / f"{work}.db"
    with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")  # ends with the process, however that ends
        yield
