"""Imports: files and texts that become known from now on."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import connections

from fenrun.base.problem import Place, Problem, Refused, has_errors, read_problem
from fenrun.base.words import Message, reason
from fenrun.charges.delivered import months_billed
from fenrun.portal import events
from fenrun.portal.alone import alone
from fenrun.portal.commands.reasons import too_long
from fenrun.portal.models import ImportJob, Period
from fenrun.settle.deliveries import undecided_of
from fenrun.settle.imports import Wanted, import_file, import_files
from fenrun.store.facts import Imported, Store, is_of_disk
from fenrun.whatif.cases import refuse_failing_cases

_JOBS_KEPT = 50
_AT_ONCE, _MOST, _MOST_EACH = 2, 10, 5
"""Imports that run at a time, and that may be under way, waiting included: of all, of each."""
_LONGEST_NAME = 200
"""Bytes of a file's name."""
_ENTERED = re.compile(r"^# entered \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n?", re.M)
_SAVED_EVERY = 0.5
"""Seconds."""
_SILENT_FOR = timedelta(minutes=15)
"""Whoever has not been heard of for so long has ended."""
_DB = "default"
_log = logging.getLogger(__name__)


@dataclass
class Job:
    """An import, running or done.

    Every process tells it from the database while it is one of the last, and from the workspace's
    log for good.
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
    saved: float = 0.0
    """When it was last saved, by this process's clock."""

    @property
    def percent(self) -> int:
        """Return how far the import is, by the bytes read."""
        return 100 if self.over else min(99, self.done * 100 // max(self.size, 1))

    @property
    def refused(self) -> list[str]:
        """Return the files that are over and did not come in."""
        came = Counter(file.source for file in self.imported)
        return list((Counter(self.files) - came).elements()) if self.over else []

    @property
    def closed_months(self) -> list[str]:
        """Return the closed months that charges which came in are billed in."""
        spans = [months_billed(f.facts) for f in self.imported if f.facts.get("first_billed")]
        closed = Period.objects.filter(closed=True).order_by("key").values_list("key", flat=True)
        return [key for key in closed if any(first <= key <= last for first, last in spans)]

    def step(self, what: str | int) -> None:
        """Take note of progress: a file's name, or bytes read."""
        if isinstance(what, str):
            self.now = what
        else:
            self.done += what
        if time.monotonic() - self.saved > _SAVED_EVERY:
            self.save()

    def save(self) -> None:
        """Let every process see how far it is."""
        self.saved = time.monotonic()
        ImportJob.objects.using(_DB).filter(pk=self.number).update(
            done=self.done,
            now=self.now[-500:],
            over=self.over,
            at=events.now(),
            imported=[_stored(file) for file in self.imported],
            problems=[_stored(problem) for problem in self.problems],
        )


def _stored(said: Imported | Problem) -> dict[str, Any]:
    """Return an outcome or a problem as JSON."""
    return dict(json.loads(json.dumps(asdict(said), default=str)))


def _job_of(row: ImportJob) -> Job:
    """Return a job as the database has it. One that nobody goes on with is over, and says so."""
    problems = [read_problem(problem) for problem in row.problems]
    has_ended = not row.over and row.at < events.now() - _SILENT_FOR
    if has_ended:
        values = {"detail": Message("portal-import-ended")}
        problems.append(Problem("import-broken", Place(row.now or "upload"), values))
    imported = [
        Imported(**{**file, "problems": tuple(map(read_problem, file["problems"]))})
        for file in row.imported
    ]
    over = row.over or has_ended
    return Job(row.pk, row.actor, row.files, row.size, row.done, row.now, over, imported, problems)


_here: set[int] = set()
"""The jobs of this process that are not over."""
_places = threading.Semaphore(_AT_ONCE)


def jobs() -> list[Job]:
    """Return the last imports, latest first."""
    return [_job_of(row) for row in ImportJob.objects.using(_DB).order_by("-pk")[:_JOBS_KEPT]]


def find_job(number: int) -> Job | None:
    """Return one of the last imports."""
    row = ImportJob.objects.using(_DB).filter(pk=number).first()
    return _job_of(row) if row else None


def has_running_jobs() -> bool:
    """Return whether this process imports something."""
    return bool(_here)


def start(store: Store, uploads: Sequence[UploadedFile[Any]], reason: str) -> Job:
    """Import uploaded files in a thread of their own. Raises Refused where there are none.

    It waits its turn; where too many wait it is refused.
    """
    if not uploads:
        values = {"detail": Message("portal-no-file")}
        raise Refused([Problem("file-unreadable", Place("upload"), values)])
    under_way = [job.actor for job in jobs() if not job.over]
    if len(under_way) >= _MOST or under_way.count(store.actor) >= _MOST_EACH:
        raise Refused([Problem("portal-busy", Place("upload"))])
    if problems := too_long(reason, Place("upload")):
        raise Refused(problems)
    folder = Path(tempfile.mkdtemp(prefix="fenrun-upload-"))
    paths = [_kept(upload, folder / str(number)) for number, upload in enumerate(uploads)]
    store.reason = reason.strip()
    job = _new_job(store.actor, paths)
    threading.Thread(target=_run_here, args=(job, store, paths, folder), daemon=True).start()
    return job


def _run_here(job: Job, store: Store, paths: list[Path], folder: Path) -> None:
    """Run a job in a thread of this process."""
    try:
        _run(job, store, paths, folder)
    finally:
        _here.discard(job.number)
        connections.close_all()  # of this thread, which ends


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
    rows = ImportJob.objects.using(_DB)
    size, names = sum(path.stat().st_size for path in paths), [path.name for path in paths]
    row = rows.create(actor=actor, files=names, size=size, at=events.now())
    oldest = rows.order_by("-pk").values_list("pk", flat=True)[_JOBS_KEPT : _JOBS_KEPT + 1]
    for number in list(oldest):
        rows.filter(pk__lte=number).delete()
    _here.add(row.pk)
    return _job_of(row)


def _run(job: Job, store: Store, paths: list[Path], folder: Path) -> None:
    try:
        while not _places.acquire(timeout=_SAVED_EVERY * 20):
            job.save()  # it waits, and is heard of
        try:
            store.now = events.now().replace(tzinfo=None)
            known = store.moment(store.now)
            job.problems += store.clock_problems(store.now)
            wanted = Wanted(check_plan=refuse_failing_cases)
            for found in import_files(store, paths, known, job.step, wanted):
                job.problems += found.problems
                if isinstance(found, Imported):
                    job.imported.append(found)
            job.problems += undecided_of(store, known, job.imported)
        finally:
            _places.release()
    except Refused as refused:
        job.problems += refused.problems
    except OSError as error:
        code = "workspace-unwritable" if is_of_disk(error) else "import-broken"
        _log.exception("import")
        job.problems.append(Problem(code, Place(job.now or "upload"), {"detail": reason(error)}))
    except Exception as error:  # whatever it is, the import is not done and must not look so
        _log.exception("import")
        values = {"detail": type(error).__name__}
        job.problems.append(Problem("import-broken", Place(job.now or "upload"), values))
    finally:
        job.over = True
        job.save()
        shutil.rmtree(folder, ignore_errors=True)


Allowed = Callable[[Store], None]
"""Is asked of a store while nobody else can write to it; raises Refused."""


def enter_text(
    store: Store, name: str, text: str, reason: str, allowed: Allowed = lambda store: None
) -> None:
    """Import a text as a file of that name, as `enter_texts` does several. Raises Refused."""
    enter_texts(store, {name: text}, reason, allowed)


def enter_texts(
    store: Store, texts: Mapping[str, str], reason: str, allowed: Allowed = lambda store: None
) -> None:
    """Import texts as files of their names, known from now on, with the reason in the log.

    All of them, or none. Each has its moment, which is written into the file, since a text that
    was known before would otherwise count as known already. Raises Refused, also where a row of
    one cannot be read.
    """
    store.reason = reason
    # Of two at once each has its moment: else neither would take the place of the other.
    scratch = tempfile.TemporaryDirectory(prefix="fenrun-enter-")
    with alone("entering"), scratch as folder, store.together() as all_or_none:
        allowed(all_or_none)
        for name, text in texts.items():
            moment = next_moment(all_or_none)
            path = Path(folder) / name
            body = _ENTERED.sub("", text).rstrip()
            path.write_text(f"{body}\n# entered {moment:%Y-%m-%d %H:%M:%S}\n", "utf-8")
            problems = import_file(all_or_none, path, moment).problems
            if has_errors(problems):  # a row that is left out would leave half of it entered
                raise Refused(problems)


def next_moment(store: Store) -> datetime:
    """Return from when something is known (UTC) that is entered now.

    Of two in one second the later is known a second later.
    """
    moment = store.moment(events.now().replace(tzinfo=None))
    return moment + timedelta(seconds=1) if store.last_knowledge_time() == moment else moment
