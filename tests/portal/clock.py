"""A clock of the test's own for all of the portal, in the process that calls this."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime

from fenrun.portal import events

_now = events.now


def tell_time(now: Callable[[], datetime]) -> None:
    """Let every module of the portal ask `now` what time it is, whenever it was read."""
    asked = events.now
    for module in list(sys.modules.values()):
        if vars(module).get("now") in (asked, _now):
            vars(module)["now"] = now
    events.now = now
