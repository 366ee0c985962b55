"""Importing: files are taken in while one watches; what is wrong with them is told as by the command line."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.problem import Place, Problem, Refused
from fenrun.charges.read import Imported
from fenrun.portal import events
from fenrun.portal.models import OPERATIONS
from fenrun.portal.pages.common import operations, signed_in, store_of
from fenrun.portal.words import lang
from fenrun.settle.imports import import_files
from fenrun.store.facts import Store

_KEPT = 50
_log = logging.getLogger(__name__)


@dataclass
class Job:
    """One import under way or done; told from memory until the portal stops, and from the log for good."""

    number: int
    actor: str
    files: list[str]
    size: int
    done: int = 0
    now: str = ""
    over: bool = False
    imported: list[Imported] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def percent(self) -> int:
        """How far it is, by the bytes read."""
        return 100 if self.over else min(99, self.done * 100 // max(self.size, 1))

    def step(self, what: Any) -> None:
        """Take note of progress: a file's name, or bytes read."""
        if isinstance(what, str):
            self.now = what
        else:
            self.done += what


_jobs: dict[int, Job] = {}
_lock = threading.Lock()


@signed_in(OPERATIONS)
def listed(request: HttpRequest) -> HttpResponse:
    """The form, and the imports since the portal started."""
    return render(
        request, "imports.html", {"jobs": sorted(_jobs.values(), key=lambda j: -j.number)}
    )


@require_POST
@operations
def start(request: HttpRequest) -> HttpResponse:
    """Take uploaded files and import them."""
    return redirect(
        "import-job",
        begin(
            store_of(request), request.FILES.getlist("files"), request.POST.get("reason", "")
        ).number,
    )


def begin(store: Store, uploads: Sequence[UploadedFile], reason: str) -> Job:
    """Import uploaded files in a thread of their own. Raises Refused where there are none."""
    if not uploads:
        raise Refused(
            [Problem("file-unreadable", Place("upload"), {"detail": "no file was chosen"})]
        )
    folder = Path(tempfile.mkdtemp(prefix="fenrun-upload-"))
    paths = []
    for number, upload in enumerate(uploads):
        path = (
            folder
            / str(number)
            / (Path(str(upload.name)).name.encode()[-200:].decode("utf-8", "ignore") or "file")
        )
        path.parent.mkdir()
        with path.open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
        paths.append(path)
    store.now, store.reason = events.now().replace(tzinfo=None), reason.strip()[:500]
    with _lock:
        number = max(_jobs, default=0) + 1
        job = _jobs[number] = Job(
            number, store.actor, [p.name for p in paths], sum(p.stat().st_size for p in paths)
        )
        for old in sorted(_jobs)[:-_KEPT]:
            del _jobs[old]
    threading.Thread(target=_run, args=(job, store, paths, folder), daemon=True).start()
    return job


def job_of(number: int) -> Job:
    """An import since the portal started. Raises Http404."""
    if number not in _jobs:
        raise Http404
    return _jobs[number]


def _run(job: Job, store: Store, paths: list[Path], folder: Path) -> None:
    try:
        for found in import_files(
            store, paths, store.now or events.now().replace(tzinfo=None), job.step
        ):
            job.problems += found.problems
            if isinstance(found, Imported):
                job.imported.append(found)
    except Refused as refused:
        job.problems += refused.problems
    except Exception as error:  # whatever it is, the import is not done and must not look so
        _log.exception("import")
        job.problems.append(
            Problem("import-broken", Place(job.now or "upload"), {"detail": type(error).__name__})
        )
    finally:
        job.over = True
        shutil.rmtree(folder, ignore_errors=True)


@signed_in(OPERATIONS)
def one(request: HttpRequest, number: int) -> HttpResponse:
    """How an import goes; asks again by itself until it is done."""
    job = job_of(number)
    return render(
        request,
        "import_part.html" if request.htmx else "import.html",
        {"job": job, "problems": [p.as_json(lang()) for p in job.problems]},
    )
