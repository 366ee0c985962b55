"""Two processes act on one workspace: one is held at a chosen line while the other acts.

`python -m tests.portal.interleaved FOLDER POINTS [URL]` prints what came of each pair of acts. What
is left must be what the two acts leave one after the other, in either order; where one of them was
refused, what the other leaves alone.

The process that forks never starts the engine, nor signs in to the database.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close, closes
from fenrun.settle.imports import import_files
from fenrun.store.facts import FACTS, KINDS, Store
from tests.portal.served import PG
from tests.store import harness
from tests.store.harness import in_child, traced

NOW = datetime(2024, 11, 7, 9, tzinfo=UTC)
AUGUST = "2024-08"
BY_DAY = (("approve", "import"),)
"""The pairs that are tried by day: at night all are."""
LONGEST = 120
"""Seconds after which two processes are taken to wait for each other for ever."""
_WATCHED = ("store/*.py", "closing/*.py", "settle/imports.py", "settle/runs.py")
_WATCHED_TOO = ("portal/commands/*.py", "portal/events.py")


Outcome = tuple[list[bool], str]
"""Whether each of some acts was done, and what they left."""


@dataclass(frozen=True)
class Tried:
    """Two acts at once. Grain: which one is held, at which line, and which acts meanwhile."""

    held: str
    other: str
    point: int
    """How many watched lines the held one had begun."""
    place: str
    """File and line that the held one was about to run."""
    said: list[str]
    """What became of both: `done`, codes of problems, or an exception."""
    waited: bool
    """Whether the other waited for the held one."""
    wrong: str
    """What is wrong with what is left; nothing where all is well."""


# --- the world --------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Make a workspace with its portal: August to be closed by a second, a transfer asked for."""
    files, workspace = folder / "files", folder / "now" / "workspace"
    harness.write_files(files)
    book = harness.BOOK.replace("kind: partner}]", "kind: partner}, {party: P2, kind: partner}]")
    (files / "book.yaml").write_text(book, "utf-8")
    harness._write_charge(files / "october.csv", "10", "30.00")
    store = Store(workspace)
    for name in ("plan", "book", "august", "october"):
        (path,) = files.glob(f"{name}.*")
        list(import_files(store, [path], harness.KNOWN))
    serve = _ready(workspace)
    serve.prepare(workspace)
    from fenrun.portal.commands import closing, grants, requests
    from fenrun.portal.models import Period

    for name, role, party in (
        *(("one", "operations", ""), ("two", "operations", ""), ("three", "operations", "")),
        ("owner", "customer", "K1"),
    ):
        grants.give_with_password("root", name, role, party, "Helps.", "words that nobody guesses")
    closing.ask(_as("one"), Period.objects.using("default").get(key=AUGUST), "As agreed")
    requests.ask(_as("two"), "transfer", "K1", "P2", date(2024, 8, 1), "They work together")


def _ready(workspace: Path) -> Any:
    """Make Django ready, with a clock that stands still."""
    from fenrun.portal import serve

    serve.ready(workspace)
    from fenrun.portal import events

    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return NOW

    events.datetime = Still  # type: ignore[misc]
    return serve


def _as(name: str) -> Store:
    from fenrun.portal.events import workspace

    return workspace(name)


# --- the acts ---------------------------------------------------------------------------------


def _import(files: Path, name: str) -> None:
    store = _as(name)
    store.now = NOW.replace(tzinfo=None)
    for found in import_files(store, [files / "late.csv"], store.now):
        if not hasattr(found, "id"):
            raise Refused(found.problems)


def _settle(files: Path, name: str) -> None:
    from fenrun.portal.commands import closing

    closing.settle(_as(name), parse_period(AUGUST))


def _close(files: Path, name: str) -> None:
    """Close as the command line does, beside the portal."""
    store = Store.open(_as(name).path)
    store.actor = name
    close(store, parse_period(AUGUST))


def _approve(files: Path, name: str) -> None:
    from fenrun.portal.commands import closing
    from fenrun.portal.models import Approval

    asked = Approval.objects.using("default").order_by("pk").values_list("pk", flat=True).first()
    closing.approve(_as(name), asked or 0)


def _consent(files: Path, name: str) -> None:
    from fenrun.portal.commands import requests
    from fenrun.portal.models import Request

    requests.decide(_as("owner"), Request.objects.using("default").get(), "consented")


ACTS: dict[str, Callable[[Path, str], None]] = {
    "import": _import,
    "settle": _settle,
    "close": _close,
    "approve": _approve,
    "consent": _consent,
}


def _act(act: str, files: Path, name: str) -> str:
    """Do an act as somebody; say what became of it."""
    try:
        ACTS[act](files, name)
    except Refused as refused:
        return ", ".join(sorted({problem.code for problem in refused.problems}))
    return "done"


# --- what is left -----------------------------------------------------------------------------


def left(workspace: Path) -> dict[str, Any]:
    """Return what is so in the end, once what follows the log has shown it."""
    from fenrun.portal import events, models
    from fenrun.portal.commands import publishing

    store = Store.open(workspace)
    events.enter_events()
    for month in publishing.months_of(store):
        publishing.publish(store, month)
    wrong = [problem for problem in store.broken() if problem.severity == "error"]
    wrong += events.broken_events(store)

    def rows(model: Any, *columns: str) -> list[list[str]]:
        found = model.objects.using("default").order_by(*columns).values_list(*columns)
        return [[str(value) for value in row] for row in found]

    return {
        "imports": sorted(
            [e.kind, e.facts()["source"]] for k in FACTS for e in store.log.events(k)
        ),
        "closes": [[close.period.key, close.run] for close in closes(store)],
        "shown": rows(models.Period, "key", "run", "closed", "booked"),
        "statements": rows(models.Statement, "period_id", "payee", "earned", "credited"),
        "approvals": rows(models.Approval, "period", "run", "asked_by", "approved_by"),
        "requests": rows(models.Request, "pk", "state", "entered_at"),
        "wrong": [str(problem) for problem in wrong],
    }


def _without_names(state: dict[str, Any]) -> str:
    """Return a state as text; which of two approved does not matter."""
    return json.dumps(state, sort_keys=True).replace('"three"', '"two"')


# --- one held, the other acts -----------------------------------------------------------------


def _watched() -> dict[str, str]:
    patterns = (*_WATCHED, *_WATCHED_TOO)
    paths = [path for pattern in patterns for path in harness.SOURCE.glob(pattern)]
    return {str(p): str(p.relative_to(harness.SOURCE)) for p in paths if p.name != "digests.py"}


class Child:
    """A process that acts; with `hold` it stops before that many watched lines have run."""

    def __init__(self, act: str, files: Path, name: str, hold: int = 0):
        self._reading, writing = os.pipe()
        going, self._go = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._reading)
            os.close(self._go)
            try:
                said = _held(partial(_act, act, files, name), hold, writing, going)
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(writing, said.encode())
            os._exit(0)
        os.close(writing)
        os.close(going)
        self.said = ""

    def held_at(self) -> str:
        """Wait until it is held, or over. Return the place; nothing where it is over."""
        text = os.read(self._reading, 10_000).decode()
        if text.startswith("held "):
            return text.removeprefix("held ")
        self.said = text
        return ""

    def is_over_or_waits(self) -> bool:
        """Wait until it is over (True), or does nothing any more: it waits for another."""
        quiet, before = 0, -1
        while quiet < 8:
            time.sleep(0.02)
            state, ticks = _state_of(self.pid)
            if state == "Z":
                return True
            quiet = quiet + 1 if ticks == before else 0
            before = ticks
        return False

    def go(self) -> None:
        os.write(self._go, b"g")

    def end(self) -> str:
        """Wait for its end. Return what it said."""
        until = time.monotonic() + LONGEST
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return "does not end"
            time.sleep(0.01)
        self.said = self.said or os.read(self._reading, 10_000).decode()
        os.close(self._reading)
        os.close(self._go)
        return self.said


def _state_of(pid: int) -> tuple[str, int]:
    """Return the state of a process, and its CPU time in ticks of the clock."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return fields[0], int(fields[11]) + int(fields[12])


def _held(work: Callable[[], str], hold: int, writing: int, going: int) -> str:
    if not hold:
        return work()
    reached, said = 0, ""

    def visit(place: str) -> None:
        nonlocal reached
        reached += 1
        if reached == hold:
            os.write(writing, f"held {place}".encode())
            os.read(going, 1)

    def run() -> None:
        nonlocal said
        said = work()

    traced(run, visit)
    return said


def _steps(act: str, files: Path, workspace: Path) -> list[list[str]]:
    """Do an act and return its watched lines: place, and files of the workspace."""
    found: list[list[str]] = []
    run = partial(_act, act, files, "two")
    traced(run, lambda place: found.append([place, _written(workspace)]))
    return found


def _written(workspace: Path) -> str:
    """Return what differs once an act has written something."""
    found = []
    for folder in (workspace, workspace / "portal", *(workspace / kind for kind in KINDS)):
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            found += sorted(entry.name for entry in entries)
    for path in (workspace / "log.db", workspace / "portal" / "portal.sqlite3-wal"):
        with suppress(FileNotFoundError):
            found.append(str(path.stat().st_mtime_ns))
    return "|".join(found)


def _points(found: list[list[str]], count: int) -> list[int]:
    """Return where to hold an act: half of them where files have just changed, all spread evenly.

    What two processes can come between is what one has read and what it writes by it.
    """
    changed = [n for n, step in enumerate(found, 1) if n > 1 and step[1] != found[n - 2][1]]
    some = {changed[len(changed) * k // (count // 2)] for k in range(count // 2) if changed}
    others = [n for n in range(1, len(found) + 1) if n not in some]
    rest = min(count - len(some), len(others))
    return sorted(some | {others[len(others) * (2 * k + 1) // (2 * rest)] for k in range(rest)})


# --- all of it --------------------------------------------------------------------------------


@dataclass
class World:
    """A workspace and its portal's database, which are put back before every try."""

    folder: Path
    url: str

    @property
    def workspace(self) -> Path:
        return self.folder / "now" / "workspace"

    def keep(self) -> None:
        """Keep what is there as what every try begins with."""
        shutil.move(self.folder / "now", self.folder / "ready")
        if self.url:
            self._sql("ALTER DATABASE fenrun RENAME TO ready")

    def put_back(self) -> None:
        shutil.rmtree(self.folder / "now", ignore_errors=True)
        shutil.copytree(self.folder / "ready", self.folder / "now")
        if self.url:
            self._sql(
                "DROP DATABASE IF EXISTS fenrun WITH (FORCE)",
                "CREATE DATABASE fenrun OWNER fenrun TEMPLATE ready",
            )

    def _sql(self, *statements: str) -> None:
        address = self.url.replace("fenrun@", "admin@").rpartition("/")[0] + "/postgres"
        words = [word for statement in statements for word in ("-c", statement)]
        subprocess.run([PG / "psql", address, "-q", *words], check=True, capture_output=True)


def tried(world: World, count: int, by_day: bool) -> Iterator[Tried]:
    """Try pairs of acts, each held at so many points while the other acts."""
    files = world.folder / "files"
    pairs = BY_DAY if by_day else [(a, b) for a in ACTS for b in ACTS]
    after: dict[tuple[str, ...], Outcome] = {}

    def serial(*acts: str) -> Outcome:
        """Return what becomes of some acts, one after the other, and what they leave."""
        if acts not in after:
            world.put_back()
            names = ("two", "three")
            said = [in_child(partial(_act, act, files, name)) for act, name in zip(acts, names)]
            state = _without_names(in_child(partial(left, world.workspace)))
            after[acts] = [one == "done" for one in said], state
        return after[acts]

    for held in dict.fromkeys(held for held, _ in pairs):
        world.put_back()
        found = in_child(partial(_steps, held, files, world.workspace))
        for other in [other for one, other in pairs if one == held]:
            for point in _points(found, count):
                world.put_back()
                yield _one(world, serial, held, other, point)


def _one(world: World, serial: Callable[..., Outcome], held: str, other: str, point: int) -> Tried:
    files = world.folder / "files"
    first = Child(held, files, "two", point)
    place = first.held_at()
    second = Child(other, files, "three")
    waited = not second.is_over_or_waits()
    if place:
        first.go()
    said = [first.end(), second.end()]
    state = in_child(partial(left, world.workspace))
    if not isinstance(state, dict):
        return Tried(held, other, point, place, said, waited, str(state))
    is_done = [one == "done" for one in said]
    wrong = "; ".join(state["wrong"])
    if not wrong and not _fits(serial, held, other, is_done, _without_names(state)):
        wrong = _without_names(state)
    return Tried(held, other, point, place, said, waited, wrong)


def _fits(
    serial: Callable[..., Outcome], held: str, other: str, is_done: list[bool], state: str
) -> bool:
    """Return whether both orders, or one act alone where the other was refused, come to this."""
    if serial(held, other) == (is_done, state) or serial(other, held) == (is_done[::-1], state):
        return True
    alone = [act for act, done in zip((held, other), is_done) if done]
    return len(alone) == 1 and serial(*alone)[1] == state


def made_ready(folder: Path, url: str) -> World:
    """Make the world in a child, keep it, and make this process ready to fork."""
    harness.WATCHED.clear()
    harness.WATCHED.update(_watched())
    made = World(folder, url)
    outcome = in_child(partial(prepare, folder))
    if outcome is not None:
        sys.exit(str(outcome))
    made.keep()
    made.put_back()
    _ready(made.workspace)
    for name in ("closing", "requests", "publishing", "grants"):
        importlib.import_module(f"fenrun.portal.commands.{name}")  # once, not in each child
    return made


def main(folder: Path, count: int) -> None:
    """Try pairs at so many points; print what came of each as a line of JSON."""
    world = made_ready(folder, os.environ.get("DATABASE_URL", ""))
    for one in tried(world, count, by_day="FENRUN_NIGHTLY" not in os.environ):
        print(json.dumps(asdict(one)), flush=True)


if __name__ == "__main__":
    importlib.import_module("tests.preloaded").read_settings_anew()
    main(Path(sys.argv[1]), int(sys.argv[2]))
