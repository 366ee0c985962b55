"""Kill what the portal does, at chosen lines, and look at what is left once it runs again.

`python -m tests.portal.killed FOLDER POINTS [URL]` prints what came of each try. What is left is as
before the act or as after it, once what follows the log has shown it; the act done again comes to
what it comes to when nothing is killed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.portal import interleaved
from tests.portal.interleaved import ACTS, World
from tests.store import harness
from tests.store.harness import in_child

SIGNALS = (signal.SIGKILL, signal.SIGTERM)


def tried(world: World, count: int) -> Iterator[dict[str, Any]]:
    """Kill each act at so many points, by both signals in turn."""
    files = world.folder / "files"
    for act in ACTS:
        run = partial(interleaved._act, act, files, "two")
        before = _left(world, put_back=True)
        found = _again(world, partial(interleaved._steps, act, files, world.workspace))
        after = _left(world)
        for turn, point in enumerate(interleaved._points(found, count)):
            by = SIGNALS[turn % 2]
            error = _again(world, partial(harness.killed, run, point, by))
            seen = _left(world)
            said = in_child(run)
            yield {
                "act": act,
                "point": point,
                "place": found[point - 1][0],
                "by": by.name,
                "error": error,
                "left": "before" if seen == before else "after" if seen == after else seen,
                "said": said,
                "again": "after" if (then := _left(world)) == after else then,
            }


def _again(world: World, work: Any) -> Any:
    """Put the world back, and do some work in a child."""
    world.put_back()
    return in_child(work)


def _left(world: World, put_back: bool = False) -> str:
    """Return what is left, as text."""
    if put_back:
        world.put_back()
    state = in_child(partial(_once_it_runs_again, world.workspace))
    return interleaved._without_names(state) if isinstance(state, dict) else str(state)


def _once_it_runs_again(workspace: Path) -> dict[str, Any]:
    """Return what is so once the portal has started, which goes on with what was cut off."""
    from fenrun.portal.commands import closing

    closing.go_on(interleaved._as("portal"))
    return interleaved.left(workspace)


def main(folder: Path, count: int) -> None:
    """Kill each act at so many points; print what came of each try as a line of JSON."""
    world = interleaved.made_ready(folder, os.environ.get("DATABASE_URL", ""))
    for one in tried(world, count):
        print(json.dumps(one), flush=True)


if __name__ == "__main__":
    importlib.import_module("tests.preloaded").read_settings_anew()
    main(Path(sys.argv[1]), int(sys.argv[2]))
