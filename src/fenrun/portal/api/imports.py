"""Imports: taking files in, and how far that is."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja import File, Form, Schema, UploadedFile

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import ERRORS, NUMBER, Router, clean, only_operations
from fenrun.portal.commands import imports as commands
from fenrun.portal.language import lang

router = Router()


class JobOut(Schema):
    """An import."""

    number: int
    files: list[str]
    percent: int
    over: bool
    imported: list[dict[str, Any]]
    problems: list[dict[str, Any]]


def _as_json(job: commands.Job) -> dict[str, Any]:
    return {
        "number": job.number,
        "files": job.files,
        "percent": job.percent,
        "over": job.over,
        "imported": [
            {"source": file.source, "new": file.new, **file.facts} for file in job.imported
        ],
        "problems": [problem.as_json(lang()) for problem in job.problems],
    }


@router.post("/import", response={202: JobOut, **ERRORS}, summary="Import files")
def import_files(
    request: HttpRequest, files: File[list[UploadedFile]], reason: Form[str] = ""
) -> Any:
    """Import charges, book or plans, recognised by what they hold; known from now on.

    It goes on by itself: GET /import/{number} says how far it is.
    """
    only_operations(request)
    return 202, _as_json(commands.start(store_of(request), files, clean(reason)))


@router.get("/import/{number}", response={200: JobOut, **ERRORS}, summary="How an import goes")
def import_job(request: HttpRequest, number: int = NUMBER) -> Any:
    """Return one of the last imports."""
    only_operations(request)
    job = commands.find_job(number)
    if not job:
        raise Http404
    return _as_json(job)
