"""Kills a command at a chosen line, in a process of its own, and looks at what is left. `python -m tests.store.harness FOLDER` prints the table of points.

The process that forks never starts the engine, so that every child can.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import fenrun
from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store

SOURCE = Path(fenrun.__file__).parent
WATCHED = {
    str(SOURCE / name): name
    for name in (
        "engine/store.py",
        "engine/log.py",
        "workspace.py",
        "closing/close.py",
        "charges/read.py",
        "book/read.py",
    )
}
"""Where a command can be killed: every line of these files that it runs is a point."""
WRITES = ("engine/store.py", "engine/log.py")
"""Where something reaches the disk: every point here is tried, elsewhere some."""
ELSEWHERE = 4
THOROUGH = ("import charges", "close with differences")
"""The commands of which every line that writes is tried; of the others every sixth."""
KNOWN = datetime(2024, 10, 5)
HEAD = (
    "BilledCost",
    "EffectiveCost",
    "ContractedCost",
    "ListCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "ChargeCategory",
    "InvoiceIssuerName",
)


@dataclass(frozen=True)
class Point:
    """One kill. Grain: command, how many watched lines had run."""

    command: str
    number: int
    place: str
    """File and line that was about to run."""
    left: str
    """What a reader then sees: `before` or `after` the command, `between` where it settled and had not closed yet, or what is wrong."""
    again: str
    """What the same command, run again, makes of it: `after`, or what is wrong."""


def write_files(folder: Path) -> None:
    """A plan, a book and two files of charges."""
    folder.mkdir(parents=True)
    (folder / "plan.yaml").write_text(
        """plan: small
title: Small
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables: {ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]}
earn: {sum: [{id: ten, pays: partner, per: month, on: amount, by: amount, table: ten}]}
""",
        "utf-8",
    )
    (folder / "book.yaml").write_text(
        """parties: [{party: K1, kind: customer}, {party: P1, kind: partner}]
links: [{of: account, issuer: Cloud, subject: A1, role: customer, party: K1}, {of: customer, subject: K1, role: partner, party: P1}]
""",
        "utf-8",
    )
    for name, month, cost in (
        ("august", "08", "100.00"),
        ("late", "08", "7.00"),
        ("september", "09", "50.00"),
    ):
        row = (
            cost,
            cost,
            cost,
            cost,
            "A1",
            "CNY",
            f"2024-{month}-01T00:00:00Z",
            f"2024-{month}-02T00:00:00Z",
            "Usage",
            "Cloud",
        )
        (folder / f"{name}.csv").write_text(",".join(HEAD) + "\n" + ",".join(row) + "\n", "utf-8")


def _import(name: str, day: int) -> Callable[[Store, Path], Any]:
    return lambda store, files: import_file(store, files / name, KNOWN.replace(day=day))


COMMANDS: dict[str, Callable[[Store, Path], Any]] = {
    "import a plan": _import("plan.yaml", 5),
    "import a book": _import("book.yaml", 5),
    "import charges": _import("august.csv", 5),
    "settle": lambda store, files: settle_workspace(store, parse_period("2024-08")),
    "close": lambda store, files: close(store, parse_period("2024-08"), KNOWN),
    "import late charges": _import("late.csv", 6),
    "import the next month": _import("september.csv", 6),
    "close with differences": lambda store, files: close(
        store, parse_period("2024-09"), KNOWN.replace(day=7)
    ),
}
"""In this order each finds what the one before left."""


def in_child(work: Callable[[], Any]) -> Any:
    """The result of some work done in a child process; None where that was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            said = {"result": work()}
        except BaseException as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writing, "w") as out:
            json.dump(said, out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        return None
    told = json.loads(text)
    return told.get("result", told.get("error"))


def _traced(run: Callable[[], Any], last: int = 0) -> list[str]:
    """Run, and say every watched line that ran; at line number `last` the process kills itself."""
    places: list[str] = []

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        name = WATCHED.get(frame.f_code.co_filename)
        if name is None:
            return None
        if event == "line":
            places.append(f"{name}:{frame.f_lineno}")
            if len(places) == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)
    return places


def state(workspace: Path) -> dict[str, Any]:
    """All that a reader sees: acts, imports, runs and closes, with the content of every file; and whether log and files are sound."""
    store = Store(workspace)
    seen = [(a.kind, a.subject, a.hash) for a in store.log.events()]
    for kind in ("charges", "book", "plans", "runs", "closes"):
        for item in store.imports(kind):
            assert (item.folder / "import.json").is_file()
    return {"seen": seen, "wrong": [p.code for p in store.broken() if p.severity == "error"]}


def chosen(places: list[str], thorough: bool) -> list[int]:
    """The points to try: every line that writes (some, where not thorough), and some of the others."""
    first: dict[str, int] = {}
    for number, place in enumerate(places, 1):
        first.setdefault(place, number)
    writes = [n for place, n in first.items() if place.startswith(WRITES)]
    others = [n for place, n in first.items() if not place.startswith(WRITES)]
    return sorted(
        {
            *writes[:: 1 if thorough else 6],
            *others[:: max(1, len(others) // ELSEWHERE)],
            len(places),
        }
    )


def table(folder: Path) -> list[Point]:
    """Kill every command at its points."""
    files, ready = folder / "files", folder / "ready"
    write_files(files)
    ready.mkdir()
    found = []
    for name, command in COMMANDS.items():
        whole = folder / "whole"
        shutil.copytree(ready, whole)
        before = in_child(lambda: state(ready))
        places = in_child(lambda: _traced(lambda: command(Store(whole), files)))  # noqa: B023 - runs at once
        after = in_child(lambda: state(whole))  # noqa: B023
        if not isinstance(places, list) or after["wrong"] or after["seen"] == before["seen"]:
            raise AssertionError(f"{name}: {places} {after}")
        for number in chosen(places, name in THOROUGH):
            tried = folder / "tried"
            shutil.copytree(ready, tried)
            killed = in_child(lambda: _traced(lambda: command(Store(tried), files), number))  # noqa: B023
            left = _named(in_child(lambda: state(tried)), before, after)  # noqa: B023
            failed = in_child(lambda: str(command(Store(tried), files)))  # noqa: B023
            again = _named(in_child(lambda: state(tried)), before, after)  # noqa: B023
            if again != "after":
                again = f"{again} ({failed})"
            found.append(
                Point(
                    name,
                    number,
                    places[number - 1],
                    left if killed is None else f"not killed: {killed}",
                    again,
                )
            )
            shutil.rmtree(tried)
        shutil.rmtree(ready)
        shutil.move(whole, ready)
    return found


def _named(seen: Any, before: Any, after: Any) -> str:
    if seen in (before, after):
        return "before" if seen == before else "after"
    between = not seen["wrong"] and after["seen"][: len(seen["seen"])] == seen["seen"]
    return "between" if between else f"neither: {seen}"


if __name__ == "__main__":
    print(json.dumps([asdict(p) for p in table(Path(sys.argv[1]))]))
