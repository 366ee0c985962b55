"""The event log of the workspace, with its chain verified, and what the portal knows of it."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fenrun.closing.keys import known_keys
from fenrun.portal.access.permissions import signed_in, store_of
from fenrun.portal.commands.verifying import broken
from fenrun.portal.events import events_of
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS
from fenrun.portal.pages.paging import page_of
from fenrun.portal.request_queue import outside_queue
from fenrun.store.audit_log import Event
from fenrun.store.facts import Store


def _matching(store: Store, events: Sequence[Event], sought: str) -> Sequence[Event]:
    """Return the events that name what is sought: who acted, the act, what it is about, a day."""
    if not sought:
        return events
    wanted = sought.casefold()
    own = events_of()

    def text_of(event: Event) -> str:
        found = own.get(event.seq)
        actor = found.actor if found else store.names(event.actor)
        subject = found.subject if found else event.facts().get("source", "")
        return f"{actor} {event.in_words(lang())} {event.act} {subject} {event.at}".casefold()

    return [event for event in events if wanted in text_of(event)]


@signed_in(AUDITOR, OPERATIONS)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the workspace's log, verified on request; of what was done in the portal, by whom."""
    store = store_of(request)
    with outside_queue():
        events = store.log.events()
    problems = None
    if "verify" in request.GET:
        problems = [problem.as_json(lang()) for problem in broken(store)]
    sought = request.GET.get("q", "").strip()
    page = page_of(request, _matching(store, events, sought)[::-1])
    shown = {
        "page": page,
        "sought": sought,
        "names": store.names,
        "of_portal": events_of([event.seq for event in page]),
        "head": events[-1].hash if events else "",
        "count": len(events),
        "key": next(reversed(known_keys(store)), None),
        "problems": problems,
    }
    return render(request, "log.html", shown)
