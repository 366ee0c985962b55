"""Imports: files are taken in while one watches; problems are told as by the command line."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.portal.access.permissions import operations, signed_in, store_of
from fenrun.portal.access.request import PortalRequest
from fenrun.portal.commands import imports
from fenrun.portal.language import lang
from fenrun.portal.models import OPERATIONS


@signed_in(OPERATIONS)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the form, and the last imports."""
    return render(request, "imports.html", {"jobs": imports.jobs()})


@require_POST
@operations
def start(request: HttpRequest) -> HttpResponse:
    """Take uploaded files and import them."""
    files, reason = request.FILES.getlist("files"), request.POST.get("reason", "")
    job = imports.start(store_of(request), files, reason)
    return redirect("import-job", job.number)


@signed_in(OPERATIONS)
def one(request: HttpRequest, number: int) -> HttpResponse:
    """Show how far an import is; the page asks again by itself until it is done."""
    job = imports.find_job(number)
    if not job:
        raise Http404
    page = "import_part.html" if cast(PortalRequest, request).htmx else "import.html"
    shown = {"job": job, "problems": [problem.as_json(lang()) for problem in job.problems]}
    return render(request, page, shown)
