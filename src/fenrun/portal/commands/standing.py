"""The period of which somebody asks "what if", settled once and open until another is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

from django.conf import settings

from fenrun.base.when import parse_period
from fenrun.portal.models import Period
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.facts import facts_as_of
from fenrun.settle.standing import Standing
from fenrun.store.facts import Store


@lru_cache(maxsize=1)
def _standing(key: str, run: str, known: datetime) -> tuple[Standing, threading.Lock]:
    facts = facts_as_of(Store.open(settings.WORKSPACE), known)
    return Standing(facts, parse_period(key), known), threading.Lock()


@contextmanager
def standing_of(period: Period) -> Iterator[Standing]:
    """Give a period as it is shown, settled and open, to one thread at a time. Raises Refused."""
    with outside_queue():
        standing, lock = _standing(period.key, period.run, period.known.replace(tzinfo=None))
        with lock:
            yield standing
