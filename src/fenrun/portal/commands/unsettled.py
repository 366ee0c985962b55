"""Unsettled periods: why they are not shown as the workspace has them, until they are.

One that cannot be settled stops neither the portal nor the others. What is noted is this process's:
it tries each period when it starts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fenrun.base.problem import Place, Problem, Refused

ALL = ""
"""Stands for what is wrong with the workspace as a whole."""
_log = logging.getLogger("fenrun")
_why: dict[str, Sequence[Problem]] = {}


@contextmanager
def noted(period: str) -> Iterator[None]:
    """Note what stops the block, in place of raising it: problems of a period, or of ALL."""
    try:
        yield
    except Refused as refused:
        _why[period] = refused.problems
    except Exception as error:  # whatever it is, the other periods are not to wait for it
        _log.exception("period %s", period)
        _why[period] = [Problem("period-broken", Place(period), {"detail": type(error).__name__})]


def forget(period: str) -> None:
    """Forget what was noted: the period is settled and shown."""
    _why.pop(period, None)


def problems_of(period: str) -> Sequence[Problem]:
    """Return why a period is not shown as the workspace has it; none where it is."""
    return _why.get(period, ())


def noted_problems() -> list[Problem]:
    """Return all that is noted, by period."""
    return [problem for period in sorted(_why) for problem in _why[period]]
