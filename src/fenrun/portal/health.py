"""Health: whether a process of the portal is alive, and whether it can answer.

`/healthz` and `/readyz` are told to whoever asks, without signing in and past the request queue;
they say no name and no amount.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, JsonResponse

from fenrun.portal.models import Period
from fenrun.store.facts import Store

_KEPT_FOR = 1
"""Seconds for which an answer is given again: whoever asks without pause costs no more."""
_log = logging.getLogger("fenrun")
_lock = threading.Lock()
_kept: list[tuple[float, dict[str, Any]]] = []


def middleware(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer the two addresses, and hand on any other request."""

    def handle(request: HttpRequest) -> HttpResponse:
        if request.path_info == "/healthz":
            return _response({"alive": True}, 200)
        if request.path_info == "/readyz":
            said = readiness()
            return _response(said, 200 if said["ready"] else 503)
        return answer(request)

    return handle


def readiness() -> dict[str, Any]:
    """Return whether the database and the workspace can be read, and what is shown.

    `shown` is the number of the event in the workspace's log on which the newest of the shown
    periods rests, `log` that of the last event after which something else might be shown.
    """
    with _lock:
        if _kept and time.monotonic() - _kept[0][0] < _KEPT_FOR:
            return _kept[0][1]
        shown, log = _number_of("database", _shown), _number_of("workspace", _logged)
        said = {
            "ready": shown is not None and log is not None,
            "database": shown is not None,
            "workspace": log is not None,
            "shown": shown,
            "log": log,
        }
        _kept[:] = [(time.monotonic(), said)]
        return said


def _shown() -> int:
    with connections["asker"].cursor() as cursor:
        cursor.execute("SELECT 1")
    rests_on = Period.objects.using("default").aggregate(Max("state"))["state__max"]
    return int(rests_on or 0)


def _logged() -> int:
    return Store.open(settings.WORKSPACE).state()


def _number_of(what: str, find: Callable[[], int]) -> int | None:
    """Return a number, or None where it cannot be found."""
    try:
        return find()
    except Exception as error:  # whatever it is, the portal is not ready
        _log.warning("not ready: %s: %s", what, type(error).__name__)
        return None


def _response(said: dict[str, Any], status: int) -> JsonResponse:
    return JsonResponse(said, status=status, headers={"Cache-Control": "no-store"})
