"""Kill a backup, a restore and a rotation of the key at chosen lines, and look at what is left.

`python -m tests.store.killed FOLDER POINTS` prints what came of each. Whatever a kill leaves, the
workspace is sound and its key signs; a backup is whole or not there, a restored one too; and the
same, done again, is done.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.closing.keys import broken_keys, known_keys, public_text, rotate, signing_key
from fenrun.settle.imports import import_file
from fenrun.store.backup import back_up, restore
from fenrun.store.facts import Store
from tests.store import harness
from tests.store.harness import KNOWN, in_child, killed, write_files

BY = (signal.SIGKILL, signal.SIGTERM)
_TAKEN = datetime(2024, 11, 1)


def _ready(folder: Path) -> None:
    """Make a workspace with a closed month, a backup of it, and a key that was replaced once."""
    write_files(folder / "files")
    store = Store(folder / "ready/ws")
    for name in ("plan.yaml", "book.yaml", "august.csv"):
        import_file(store, folder / "files" / name, KNOWN)
    close(store, parse_period("2024-08"), KNOWN)
    rotate(store)
    back_up(store, folder / "ready/before.zip", _TAKEN)


ACTS: dict[str, Callable[[Path], Any]] = {
    "backup": lambda at: back_up(Store(at / "ws"), at / "made.zip", _TAKEN),
    "restore": lambda at: restore(at / "before.zip", at / "new"),
    "rotate": lambda at: rotate(Store(at / "ws")),
    "rotate a lost key": lambda at: rotate(Store(at / "ws"), lost=True),
}


def _left(at: Path) -> dict[str, Any]:
    """Return what is left: how far the act came, and what is wrong."""
    wrong: list[str] = []
    for path in (at / "ws", at / "new"):
        if path.exists():
            store = Store.open(path)
            wrong += [problem.code for problem in store.broken()]
            keys = known_keys(store)
            wrong += [] if public_text(signing_key(store)) == keys[-1].public else ["other key"]
    if (at / "made.zip").exists():
        _, problems = restore(at / "made.zip", at / "tried")
        wrong += [problem.code for problem in problems]
        shutil.rmtree(at / "tried")
    store = Store(at / "ws")
    unsigned = len(broken_keys(store))
    done = [(at / "made.zip").exists(), (at / "new").exists(), len(known_keys(store)), unsigned]
    return {"done": done, "wrong": wrong}


def _again(run: Callable[[], Any], at: Path) -> dict[str, Any]:
    """Do what was killed once more, where it has not come to its end, and return what is left."""
    if not (at / "made.zip").exists() and not (at / "new").exists():
        run()
    return _left(at)


def tried(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Kill each act at so many lines, half of them where files have just changed."""
    in_child(lambda: [_ready(folder)][1:])
    at = folder / "now"

    def put_back() -> None:
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(folder / "ready", at)

    for name, act in ACTS.items():
        run = partial(act, at)
        put_back()
        before = in_child(partial(_left, at))["done"]
        found = in_child(lambda: harness.steps(run, at, folder / "kept"))  # noqa: B023
        shutil.rmtree(folder / "kept")
        after = in_child(partial(_left, at))["done"]
        for turn, point in enumerate(_points(found, count)):
            put_back()
            error = in_child(partial(killed, run, point, BY[turn % 2]))
            left, then = in_child(partial(_left, at)), in_child(partial(_again, run, at))
            sides = {str(before): "before", str(after): "after"}
            yield {
                "act": name,
                "place": found[point - 1][0],
                "point": point,
                "by": BY[turn % 2].name,
                "error": error,
                "left": sides.get(str(left["done"]), str(left)) if "done" in left else str(left),
                "wrong": [left["wrong"], then["wrong"]] if "wrong" in then else str(then),
            }


def _points(found: list[list[str]], count: int) -> list[int]:
    changed = [n for n, step in enumerate(found, 1) if n > 1 and step[1] != found[n - 2][1]]
    some = {changed[len(changed) * k // (count // 2)] for k in range(count // 2) if changed}
    evenly = {1 + len(found) * k // (count - len(some)) for k in range(count - len(some))}
    return sorted(some | evenly)


if __name__ == "__main__":
    pa.array(["reads pandas"])
    for one in tried(Path(sys.argv[1]), int(sys.argv[2])):
        print(json.dumps(one), flush=True)
