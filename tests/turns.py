"""Cases that take turns: of a table whose rows cost much, each day tries a share, and a night all.

The day is that of FENRUN_DAY, a whole number, or else of the calendar. `FENRUN_DAY=all` tries each
row by day too, and so does a test that is named with its row.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TypeVar

import pytest

MARK = "in_turn"
_DAY = "FENRUN_DAY"
_T = TypeVar("_T")

# Said once, so that all workers have the same day, at midnight too.
os.environ.setdefault(_DAY, str(dt.datetime.now(dt.UTC).date().toordinal()))


def day() -> int | None:
    """The number of the day; none where every row has its turn."""
    said = os.environ[_DAY]
    return None if said == "all" or "FENRUN_NIGHTLY" in os.environ else int(said)


def share(rows: Sequence[_T], days: int, begun: int = 0) -> Sequence[_T]:
    """Those of the rows that have their turn: over `days` days all of them, at night all.

    Who has `begun` so many days before others has other rows on a day.
    """
    today = day()
    return rows if today is None else rows[(today + begun) % min(days, max(1, len(rows))) :: days]


def leave_for_their_day(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take away the cases of marked tests that have their turn on another day.

    `@pytest.mark.in_turn(3)` gives each case of a test, or the test, one day in three. Tests that
    stand one after the other begin on days one after the other, so that days are alike. With
    `whole=True` a module has one day: its tests read one story, which is what costs.
    """
    today = day()
    if today is None or config.option.keyword or any("[" in given for given in config.args):
        return
    marked: dict[int, dict[str, int]] = defaultdict(dict)
    seen: Counter[str] = Counter()
    kept, left = [], []
    for item in items:
        mark = item.get_closest_marker(MARK)
        if mark is None:
            kept.append(item)
            continue
        days, whole = mark.args[0], mark.kwargs.get("whole", False)
        test = item.nodeid.partition("::" if whole else "[")[0]
        first = marked[days].setdefault(test, len(marked[days]))
        (kept if (first + seen[test] - today) % days == 0 else left).append(item)
        seen[test] += not whole
    config.hook.pytest_deselected(items=left)
    items[:] = kept
