"""The event log of the workspace, with its chain verified, and what the portal knows of it."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fenrun.closing.keys import known_keys
from fenrun.portal.access.permissions import signed_in, store_of
from fenrun.portal.commands.verifying import broken
from fenrun.portal.events import events_of
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS
from fenrun.portal.request_queue import outside_queue

_SHOWN = 50


@signed_in(AUDITOR, OPERATIONS)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the workspace's log, verified on request; of what was done in the portal, by whom."""
    store = store_of(request)
    with outside_queue():
        events = store.log.events()
    problems = None
    if "verify" in request.GET:
        problems = [problem.as_json(lang()) for problem in broken(store)]
    page = Paginator(events[::-1], _SHOWN).get_page(request.GET.get("page"))
    shown = {
        "page": page,
        "names": store.names,
        "of_portal": events_of([event.seq for event in page]),
        "head": events[-1].hash if events else "",
        "count": len(events),
        "key": next(reversed(known_keys(store)), None),
        "problems": problems,
    }
    return render(request, "log.html", shown)
