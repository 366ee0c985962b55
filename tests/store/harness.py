"""Kill a command at a chosen line, in a process of its own, and look at what is left.

`python -m tests.store.harness FOLDER` prints the table of points: by day a share of them.

The process that forks never starts the engine, so that every child can. It has read pandas, which
pyarrow reads where it is installed: else every child would, under trace.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from itertools import takewhile
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import fenrun
from fenrun.base.when import parse_period
from fenrun.closing import keys, sign_off
from fenrun.closing.close import close
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store
from tests.turns import share

SOURCE = Path(fenrun.__file__).parent
WATCHED = {
    str(path): str(path.relative_to(SOURCE))
    for pattern in ("store/*.py", "settle/*.py", "closing/*.py", "charges/read.py", "book/read.py")
    for path in SOURCE.glob(pattern)
    if path.name != "digests.py"  # how many of its lines run depends on the age of files
}
"""Where a command can be killed: before every line of these files that it runs."""

THOROUGH = ("import a plan", "import charges", "close")
"""The commands that are killed after every change of the files. The others write in the same way,
but are slower: they are killed where a line writes that no command before them ran, and at the end.
"""
NIGHTLY = "FENRUN_NIGHTLY" in os.environ
"""Every command, at each of its points by both signals."""
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
class Step:
    """A watched line that a command is about to run. Grain: one run of the line."""

    place: str
    """File and line."""
    files: str
    """Names, sizes and times of all that is in the workspace then: what a kill here leaves."""


@dataclass(frozen=True)
class Point:
    """One kill. Grain: command, how many watched lines had run, by which signal."""

    command: str
    number: int
    by: str
    """The signal: SIGKILL, or SIGTERM, by which a system asks a process to end; nothing where the
    files were copied as they stood then."""
    stands_for: int
    """How many lines, from this one on, find the same files: a kill there leaves the same."""
    place: str
    """File and line that was about to run."""
    left: str
    """What a reader then sees: `before` or `after` the command, `between` where it settled and had
    not closed yet, or what is wrong."""
    again: str
    """What the same command, run again, makes of it: `after`, or what is wrong."""


PLAN = """plan: small
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
"""
BOOK = """parties: [{party: K1, kind: customer}, {party: P1, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: customer, subject: K1, role: partner, party: P1}
"""


def write_files(folder: Path) -> None:
    """A plan, a book and three files of charges."""
    folder.mkdir(parents=True)
    (folder / "plan.yaml").write_text(PLAN, "utf-8")
    (folder / "book.yaml").write_text(BOOK, "utf-8")
    _write_charge(folder / "august.csv", "08", "100.00")
    _write_charge(folder / "late.csv", "08", "7.00")
    _write_charge(folder / "september.csv", "09", "50.00")


def _write_charge(path: Path, month: str, cost: str) -> None:
    dates = (f"2024-{month}-01T00:00:00Z", f"2024-{month}-02T00:00:00Z")
    row = (cost, cost, cost, cost, "A1", "CNY", *dates, "Usage", "Cloud")
    path.write_text(",".join(HEAD) + "\n" + ",".join(row) + "\n", "utf-8")


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
IN_TURN = share([*COMMANDS], 3)
"""The commands that are killed today; the others only go before them."""


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


def traced(run: Callable[[], Any], visit: Callable[[str], None]) -> None:
    """Run, and call `visit` with file and line before every watched line."""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        name = WATCHED.get(frame.f_code.co_filename)
        if name is None:
            return None
        if event == "line":
            visit(f"{name}:{frame.f_lineno}")
        return trace

    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)


def steps(run: Callable[[], Any], workspace: Path, kept: Path) -> list[list[str]]:
    """Run, and return every step as place and files.

    The workspace of each step that finds other files than the one before is copied into a folder of
    its number in `kept`: a kill there leaves the same. By day a line in a loop is looked at few
    times: what it changes after that is found at the next line.
    """
    found: list[list[str]] = []
    whole: dict[str, str] = {}
    times: Counter[str] = Counter()

    def visit(place: str) -> None:
        times[place] += 1
        is_looked_at = NIGHTLY or times[place] <= 3
        files = _files(workspace, whole) if is_looked_at else found[-1][1]
        if not found or found[-1][1] != files:
            copied = partial(shutil.copytree, workspace, kept / str(len(found) + 1))
            assert in_child(lambda: copied().name)  # a child: who closes a database unlocks it
        found.append([place, files])

    traced(run, visit)
    return found


def killed(run: Callable[[], Any], number: int, by: signal.Signals) -> None:
    """Run until that many watched lines have been reached, and kill this process there."""
    reached = 0

    def visit(place: str) -> None:
        nonlocal reached
        reached += 1
        if reached == number:
            os.kill(os.getpid(), by)

    traced(run, visit)


def _files(folder: Path | str, whole: dict[str, str]) -> str:
    """Names, sizes and times of everything in a folder, whatever the order.

    `whole` keeps those of folders whose manifest is written, which comes last.
    """
    if str(folder) in whole:
        return whole[str(folder)]
    found = []
    for entry in os.scandir(folder):
        if entry.is_dir():
            found.append(f"{entry.name}({_files(entry.path, whole)})")
        else:
            about = entry.stat()
            found.append(f"{entry.name} {about.st_size} {about.st_mtime_ns}")
    said = ", ".join(sorted(found))
    if any(one.startswith("import.json ") for one in found):
        whole[str(folder)] = said
    return said


def state(workspace: Path) -> dict[str, Any]:
    """What a reader sees: the events, each with the digests of its files, and what is not sound."""
    store = Store(workspace)
    seen = [[a.kind, a.subject, a.hash] for a in store.log.events()]
    for kind in ("charges", "book", "plans", "runs", "closes"):
        for item in store.imports(kind):
            assert (item.folder / "import.json").is_file()
    return {"seen": seen, "wrong": [p.code for p in store.broken() if p.severity == "error"]}


def chosen(found: list[Step], tried: set[str], thorough: bool) -> list[int]:
    """The steps at which to kill, from 1: the first, the last, and where the files have changed.

    Until they change again a kill leaves the same. A line that changes them again and again, as in
    a loop, is tried the first time; the last two changes, between which it is decided, always.
    `tried` are the places where commands before were killed.
    """
    places = set() if thorough else tried
    files, changes, numbers = "", [], {1, len(found)}
    for number, step in enumerate(found, 1):
        if step.files != files:
            changes.append(number)
        if step.place not in places and step.files != files:
            numbers.add(number)
            places.add(step.place)
        files = step.files
    tried |= places
    return sorted({*numbers, *changes[-2:]})


def standing_for(found: list[Step], number: int) -> int:
    """Count the steps from one on, itself included, that find the same files."""
    same = takewhile(lambda step: step.files == found[number - 1].files, found[number - 1 :])
    return sum(1 for _ in same)


def table(folder: Path) -> list[Point]:
    """Kill every command at its points, each time on a copy of what the commands before it left."""
    files, ready = folder / "files", folder / "ready"
    write_files(files)
    ready.mkdir()
    (ready / "signing.yaml").write_text("name: Small\n", "utf-8")  # else the folder's, of a copy
    found: list[Point] = []
    tried: set[str] = set()
    for name, command in COMMANDS.items():
        whole = folder / "whole"
        shutil.copytree(ready, whole)
        run = partial(_run, command, files)
        if name in IN_TURN:
            found += _points(name, run, ready, whole, tried)
        else:
            in_child(lambda: [run(whole)][1:])  # noqa: B023
        shutil.rmtree(ready)
        shutil.move(whole, ready)
    return found


def _run(command: Callable[[Store, Path], Any], files: Path, workspace: Path) -> Any:
    return command(Store(workspace), files)


def _points(
    name: str, command: Callable[[Path], Any], ready: Path, whole: Path, tried: set[str]
) -> Iterator[Point]:
    """Run a command to its end in `whole`, then kill it at its points on copies of `ready`."""
    before = in_child(partial(state, ready))
    kept = whole.with_name("kept")
    said = in_child(lambda: steps(lambda: command(whole), whole, kept))
    after = in_child(partial(state, whole))
    if not isinstance(said, list) or after["wrong"] or after["seen"] == before["seen"]:
        raise AssertionError(f"{name}: {said} {after}")
    found = [Step(*step) for step in said]
    changes = sorted(int(one.name) for one in kept.iterdir())
    numbers = chosen(found, tried, name in THOROUGH)
    numbers = sorted({numbers[0], *numbers[-2:], *share(numbers, 4)})
    for number, by in _by_signals(numbers):
        copy = whole.with_name("copy")
        run = partial(command, copy)
        if by:
            shutil.copytree(ready, copy)
            error = in_child(partial(killed, run, number, by))
        else:
            shutil.copytree(kept / str(max(n for n in changes if n <= number)), copy)
            error = None
        outcome = in_child(partial(_left_and_again, run, copy))
        left = f"not killed: {error}" if error else _named(outcome["left"], before, after)
        again = _named(outcome["again"], before, after)
        if again != "after":
            again = f"{again} ({outcome['error']})"
        place, signal_name = found[number - 1].place, by.name if by else ""
        yield Point(name, number, signal_name, standing_for(found, number), place, left, again)
        shutil.rmtree(copy)
    shutil.rmtree(kept)


def _by_signals(numbers: list[int]) -> Iterator[tuple[int, signal.Signals | None]]:
    """Yield each point with both signals.

    By day each second is killed, by one signal after the other; of those between, what a kill
    leaves is copied.
    """
    both = (signal.SIGKILL, signal.SIGTERM)
    for at, number in enumerate(numbers):
        if NIGHTLY:
            yield from ((number, by) for by in both)
        else:
            yield number, None if at % 2 else both[at // 2 % 2]


def _left_and_again(command: Callable[[], Any], workspace: Path) -> dict[str, Any]:
    """The state that a kill has left, and the state after the same command run again."""
    left, error = state(workspace), ""
    try:
        command()
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    return {"left": left, "error": error, "again": state(workspace)}


def _named(seen: Any, before: Any, after: Any) -> str:
    if seen in (before, after):
        return "before" if seen == before else "after"
    between = not seen["wrong"] and after["seen"][: len(seen["seen"])] == seen["seen"]
    return "between" if between else f"neither: {seen}"


def same_secrets() -> None:
    """From here on this process closes with one salt for all and the same key, so that each close
    writes the same bytes. Never in a process that runs other tests too."""
    same = SimpleNamespace(token_hex=lambda size: "00" * size)
    sign_off.secrets = same  # type: ignore[assignment]
    keys._new_key = lambda: Ed25519PrivateKey.from_private_bytes(bytes(32))


if __name__ == "__main__":
    same_secrets()
    pa.array(["reads pandas"])
    print(json.dumps([asdict(p) for p in table(Path(sys.argv[1]))]))
