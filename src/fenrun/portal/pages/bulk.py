"""Bulk: a file of targets, links or grants is looked at, then entered."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import say
from fenrun.portal.access.permissions import operations, store_of
from fenrun.portal.commands import bulk, undoing
from fenrun.portal.language import lang

_SHOWN = 200


@operations
def form(request: HttpRequest) -> HttpResponse:
    """Show the form; of a file that is given, what it would enter."""
    if request.method != "POST":
        return _page(request, None, ())
    given = request.FILES.get("file")
    data = given.read(bulk.MOST_BYTES + 1) if given else b""
    try:
        found = bulk.preview(store_of(request), str(given.name) if given else "", data)
    except Refused as refused:
        return _page(request, None, refused.problems)
    return _page(request, found, found.problems)


def _page(request: HttpRequest, found: bulk.Preview | None, problems: Any) -> HttpResponse:
    shown = {
        "found": found,
        "rows": found.rows[:_SHOWN] if found else [],
        "content": base64.b64encode(found.text.encode()).decode() if found else "",
        "undoable": undoing.undoable(store_of(request)),
        "problems": [problem.as_json(lang()) for problem in problems],
    }
    return render(request, "bulk.html", shown, status=409 if problems else 200)


@require_POST
@operations
def enter(request: HttpRequest) -> HttpResponse:
    """Enter what was looked at."""
    try:
        data = base64.b64decode(request.POST.get("content", ""), validate=True)
    except binascii.Error as error:
        raise Refused([Problem("bulk-wrong", Place("bulk"))]) from error
    given = {key: request.POST.get(key, "") for key in ("name", "id", "reason")}
    done = bulk.enter(store_of(request), given["name"], data, given["id"], given["reason"])
    count = done.counts[bulk.NEW] + done.counts[bulk.CHANGED]
    messages.success(request, say("portal-bulk-done", lang(), count=count))
    pages = {"figures": "targets", "links": "book", "grants": "access"}
    return redirect(pages[done.kind])


@require_POST
@operations
def undo(request: HttpRequest) -> HttpResponse:
    """Put back what the links of a file were before it was entered here, within a day."""
    count = undoing.undo(store_of(request), request.POST.get("file", ""))
    messages.success(request, say("portal-links-undone", lang(), count=count))
    return redirect("bulk")
