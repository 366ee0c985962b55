"""Slow work (a settlement, a scenario) in a thread of its own, while whoever began it watches.

It has a place among the slow work of all, as a request that does it has: where too many wait it is
refused, and says so. Every process shows it; one that nobody goes on with is over, and says that.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

from django.db import connections

from fenrun.base.problem import Place, Problem, Refused, read_problem
from fenrun.base.words import reason
from fenrun.portal import events
from fenrun.portal.access.isolation import asking
from fenrun.portal.alone import alone
from fenrun.portal.models import Work
from fenrun.portal.request_queue import name_asker
from fenrun.store.facts import is_of_disk

Tell = Callable[[str], None]
"""Is told the name of each step before it is done."""
Act = Callable[[Tell], bool | None]
"""Does some work, and returns whether something came out otherwise."""
_KEPT = 200
_SAVED_EVERY = 0.5
"""Seconds."""
_SILENT_FOR = timedelta(minutes=15)
"""Whoever has not been heard of for so long has ended."""
_DB = "default"
_log = logging.getLogger(__name__)
_here: set[int] = set()
"""The work of this process that is not over."""


def start(user: int, actor: str, kind: str, subject: str, steps: int, act: Act) -> Work:
    """Do some work in a thread, as a user; where the same goes on already, return that.

    Where nobody knows how many steps it has, it is taken to have as many as the last of its kind.
    """
    rows = Work.objects.using(_DB)
    with alone("work"):
        under_way = rows.filter(kind=kind, subject=subject, over=False).order_by("-pk").first()
        if under_way and not _has_ended(under_way):
            return under_way
        last = rows.filter(kind=kind, over=True, problems=[]).order_by("-pk").first()
        steps = steps or (last.done if last else 0)
        found = rows.create(kind=kind, subject=subject, actor=actor, steps=steps, at=events.now())
    for number in list(rows.order_by("-pk").values_list("pk", flat=True)[_KEPT : _KEPT + 1]):
        rows.filter(pk__lte=number, over=True).delete()
    _here.add(found.pk)
    threading.Thread(target=_run_here, args=(found, user, act), daemon=True).start()
    return found


def find(number: int) -> Work | None:
    """Return some work, as the database has it."""
    found = Work.objects.using(_DB).filter(pk=number).first()
    if found and not found.over and _has_ended(found):
        found.over, found.problems = True, [_stored(_ended(found))]
    return found


def problems_of(found: Work) -> list[Problem]:
    """Return why some work did not come to its end; none where it did."""
    return [read_problem(problem) for problem in found.problems]


def has_running() -> bool:
    """Return whether this process does such work."""
    return bool(_here)


def _has_ended(found: Work) -> bool:
    return bool(found.at < events.now() - _SILENT_FOR)


def _ended(found: Work) -> Problem:
    return Problem("work-ended", Place(found.subject))


def _stored(problem: Problem) -> dict[str, object]:
    return dict(json.loads(json.dumps(asdict(problem), default=str)))


def _run_here(found: Work, user: int, act: Act) -> None:
    """Do some work in a thread of this process."""
    rows, saved = Work.objects.using(_DB).filter(pk=found.pk), [0.0]

    def tell(name: str) -> None:
        found.now, found.done = name[:200], found.done + 1
        if time.monotonic() - saved[0] > _SAVED_EVERY:
            saved[0] = time.monotonic()
            rows.update(now=found.now, done=found.done, at=events.now())

    problems: list[Problem] = []
    try:
        name_asker(f"user {user}")
        with asking(user):
            found.changed = act(tell)
    except Refused as refused:
        problems = list(refused.problems)
    except OSError as error:
        _log.exception("work")
        code = "workspace-unwritable" if is_of_disk(error) else "period-broken"
        problems = [Problem(code, Place(found.subject), {"detail": reason(error)})]
    except Exception as error:  # whatever it is, the work is not done and must not look so
        _log.exception("work")
        values = {"detail": type(error).__name__}
        problems = [Problem("period-broken", Place(found.subject), values)]
    finally:
        stored = [_stored(problem) for problem in problems]
        said = {"now": "", "done": found.done, "changed": found.changed, "problems": stored}
        rows.update(over=True, at=events.now(), **said)
        _here.discard(found.pk)
        connections.close_all()  # of this thread, which ends
