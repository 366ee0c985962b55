"""Work that goes on while one watches: a settlement, a scenario; and where it leads."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from fenrun.base.words import say
from fenrun.portal.access.permissions import signed_in
from fenrun.portal.access.request import PortalRequest
from fenrun.portal.commands import work
from fenrun.portal.language import lang
from fenrun.portal.models import OPERATIONS, Work
from fenrun.portal.places import without_folders

_PAGES = {Work.SCENARIO: "scenario", Work.SETTLE: "period"}
"""The page of what came out, by the kind of work."""


@signed_in(OPERATIONS)
def one(request: HttpRequest, number: int) -> HttpResponse:
    """Show how far some work is; what came out, once it is over; or why it did not come so far."""
    found = work.find(number)
    if not found:
        raise Http404
    is_part = cast(PortalRequest, request).htmx
    result = reverse(_PAGES[found.kind], args=[found.subject])
    if found.over and not found.problems:
        if found.kind == Work.SETTLE:
            done = "portal-settled" if found.changed else "portal-settled-same"
            messages.success(request, say(done, lang(), period=found.subject))
        return HttpResponseClientRedirect(result) if is_part else redirect(result)
    problems = without_folders(work.problems_of(found))
    shown = {
        "work": found,
        "percent": _percent(found),
        "result": result if found.kind == Work.SCENARIO else reverse("periods"),
        "problems": [problem.as_json(lang()) for problem in problems],
    }
    return render(request, "work_part.html" if is_part else "work.html", shown)


def _percent(found: Work) -> int:
    """Return how far some work is; 0 where nobody knows yet how many steps it has."""
    return min(99, (found.done - 1) * 100 // found.steps) if found.done and found.steps else 0
