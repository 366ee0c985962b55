"""The event log: the workspace's, with its chain verified, and the portal's."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fenrun.closing.anchors import broken_anchors
from fenrun.closing.keys import broken_keys, known_keys
from fenrun.portal.access.permissions import signed_in, store_of
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, Event
from fenrun.portal.request_queue import outside_queue

_SHOWN = 50


@signed_in(AUDITOR, OPERATIONS)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the workspace's log, verified on request, and the latest events of the portal."""
    store = store_of(request)
    events = store.log.events()
    problems = None
    if "verify" in request.GET:
        with outside_queue():
            found = store.broken() or broken_keys(store) + broken_anchors(store)
            problems = [problem.as_json(lang()) for problem in found]
    shown = {
        "page": Paginator(events[::-1], _SHOWN).get_page(request.GET.get("page")),
        "portal_events": Event.objects.order_by("-id")[:_SHOWN],
        "head": events[-1].hash if events else "",
        "count": len(events),
        "key": next(reversed(known_keys(store)), None),
        "problems": problems,
    }
    return render(request, "log.html", shown)
