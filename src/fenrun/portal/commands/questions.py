"""Questions to a period as it is shown, answered in processes of their own.

One settles it and keeps it open for what would be so, the other reads its run: explanations,
statements in full. Each is asked of what the asker sees, so nobody is told of another's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from django.conf import settings

from fenrun.closing.shown import Shown
from fenrun.portal.models import Period
from fenrun.portal.request_queue import outside_queue
from fenrun.portal.workers import Worker
from fenrun.whatif.open_period import Open

of_run, what_if = Worker(), Worker()
Given = ParamSpec("Given")
Result = TypeVar("Result")


def start() -> None:
    """Start both processes: who asks first waits for no imports, which cost more than answers."""
    of_run.start(Shown.__module__)
    what_if.start(Open.__module__)


def ask_what_if(
    period: Period,
    question: Callable[Concatenate[Open, Given], Result],
    *given: Given.args,
    **named: Given.kwargs,
) -> Result:
    """Return what would be so. Raises Refused."""
    opened = Open(settings.WORKSPACE, period.key, _knowledge_time(period), period.run)
    with outside_queue():
        return what_if.do(question, opened, *given, **named)


def ask_run(
    period: Period,
    question: Callable[Concatenate[Shown, Given], Result],
    *given: Given.args,
    **named: Given.kwargs,
) -> Result:
    """Return what the run of a period says.

    Raises Refused, also where the workspace no longer gives what is shown.
    """
    shown = Shown(
        settings.WORKSPACE, period.key, _knowledge_time(period), period.run, period.booked
    )
    with outside_queue():
        return of_run.do(question, shown, *given, **named)


def _knowledge_time(period: Period) -> datetime:
    return period.known.replace(tzinfo=None)
