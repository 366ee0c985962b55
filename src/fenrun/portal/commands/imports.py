"""Imports: files and texts that become known from now on."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import Message
from fenrun.portal import events
from fenrun.settle.deliveries import undecided_of
from fenrun.settle.imports import Wanted, import_file, import_files
from fenrun.store.facts import Imported, Store
from fenrun.whatif.cases import refuse_failing_cases

_JOBS_KEPT = 50
_AT_ONCE, _MOST = 2, 10
"""Imports that run at a time, and that may be under way, waiting included."""
_LONGEST_NAME = 200
"""Bytes of a file's name."""
_ENTERED = re.compile(r"^# entered \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n?", re.M)
_log = logging.getLogger(__name__)


@dataclass
class Job:
    """An import, running or done.

    It is told from memory until the portal stops, and from the workspace's log for good.
    """

    number: int
    actor: str
    files: list[str]
    size: int
    """Bytes of all files."""
    done: int = 0
    """Bytes read."""
    now: str = ""
    """The file that is being read."""
    over: bool = False
    imported: list[Imported] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def percent(self) -> int:
        """Return how far the import is, by the bytes read."""
        return 100 if self.over else min(99, self.done * 100 // max(self.size, 1))

    def step(self, what: str | int) -> None:
        """Take note of progress: a file's name, or bytes read."""
        if isinstance(what, str):
            self.now = what
        else:
            self.done += what


_jobs: dict[int, Job] = {}
_lock = threading.Lock()
_places = threading.Semaphore(_AT_ONCE)


def jobs() -> list[Job]:
    """Return the imports since the portal started, latest first."""
    return sorted(_jobs.values(), key=lambda job: -job.number)


def find_job(number: int) -> Job | None:
    """Return an import since the portal started."""
    return _jobs.get(number)


def start(store: Store, uploads: Sequence[UploadedFile[Any]], reason: str) -> Job:
    """Import uploaded files in a thread of their own. Raises Refused where there are none.

    It waits its turn; where too many wait it is refused.
    """
    if not uploads:
        values = {"detail": Message("portal-no-file")}
        raise Refused([Problem("file-unreadable", Place("upload"), values)])
    if sum(not job.over for job in jobs()) >= _MOST:
        raise Refused([Problem("portal-busy", Place("upload"))])
    folder = Path(tempfile.mkdtemp(prefix="fenrun-upload-"))
    paths = [_kept(upload, folder / str(number)) for number, upload in enumerate(uploads)]
    store.now = events.now().replace(tzinfo=None)
    store.reason = reason.strip()[:500]
    job = _new_job(store.actor, paths)
    threading.Thread(target=_run, args=(job, store, paths, folder), daemon=True).start()
    return job


def _kept(upload: UploadedFile[Any], folder: Path) -> Path:
    """Write an uploaded file into a folder of its own, under its own name."""
    name = Path(str(upload.name)).name.encode()[-_LONGEST_NAME:].decode("utf-8", "ignore")
    path = folder / (name or "file")
    folder.mkdir()
    with path.open("wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    return path


def _new_job(actor: str, paths: list[Path]) -> Job:
    with _lock:
        number = max(_jobs, default=0) + 1
        size = sum(path.stat().st_size for path in paths)
        job = _jobs[number] = Job(number, actor, [path.name for path in paths], size)
        for old in sorted(_jobs)[:-_JOBS_KEPT]:
            del _jobs[old]
    return job


def _run(job: Job, store: Store, paths: list[Path], folder: Path) -> None:
    known = store.now or events.now().replace(tzinfo=None)
    try:
        with _places:
            wanted = Wanted(check_plan=refuse_failing_cases)
            for found in import_files(store, paths, known, job.step, wanted):
                job.problems += found.problems
                if isinstance(found, Imported):
                    job.imported.append(found)
            job.problems += undecided_of(store, known, job.imported)
    except Refused as refused:
        job.problems += refused.problems
    except Exception as error:  # whatever it is, the import is not done and must not look so
        _log.exception("import")
        values = {"detail": type(error).__name__}
        job.problems.append(Problem("import-broken", Place(job.now or "upload"), values))
    finally:
        job.over = True
        shutil.rmtree(folder, ignore_errors=True)


def enter_text(store: Store, name: str, text: str, reason: str) -> None:
    """Import a text as a file of that name, known from now on, with the reason in the log.

    The moment is written into the file, since a text that was known before would otherwise count
    as known already. Of two texts in one second the later is known a second later. Raises Refused.
    """
    store.reason = reason
    moment = events.now().replace(tzinfo=None)
    last = store.last_knowledge_time()
    if last and last >= moment:
        moment = last + timedelta(seconds=1)
    with tempfile.TemporaryDirectory(prefix="fenrun-enter-") as folder:
        path = Path(folder) / name
        body = _ENTERED.sub("", text).rstrip()
        path.write_text(f"{body}\n# entered {moment:%Y-%m-%d %H:%M:%S}\n", "utf-8")
        import_file(store, path, moment)
