"""The store: a folder of facts and results that only grows.

`<workspace>/<kind>/<id>/` holds one import, run or close: its files and `import.json`. It is
written to a scratch folder, renamed into place and then entered in the log. Only what the log names
is there, so it is there whole or not at all. Its id is the digest of its content, so the same
content is never there twice.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from fenrun.base.ids import short
from fenrun.base.problem import Place, Problem, Refused, read_problem, refused
from fenrun.base.when import parse_moment, show_moment
from fenrun.base.words import reason
from fenrun.store.audit_log import Event, Log, Writer
from fenrun.store.digests import digests, digests_as_seen

FACTS = ("charges", "book", "terms", "events", "policies", "plans", "deliveries", "datasets")
"""The kinds of imports: a folder each.

Of `deliveries` are decisions about imports of charges and of `datasets`, by which nobody is paid.
"""
SETTLED = ("charges", "book", "terms", "events", "plans", "deliveries")
"""The kinds of imports that a settlement reads."""
DELIVERED = ("charges", "datasets")
"""Those that decisions are about."""
KINDS = {
    **dict.fromkeys(FACTS, "import"),
    "runs": "settle",
    "closes": "close",
    "findings": "examine",
}
"""What the store holds, and the act that writes it, as the log says it."""
_DERIVED = ("runs", "findings")
"""What follows from facts: it may be of a moment to come."""
_DECIDED = (
    *(
        "set",
        "columns",
        "zone",
        "delivered",
        "replaces",
        "beside",
        "adds",
        "left_out",
        "of",
        "mends",
    ),
)
"""What a person decided about an import, of its facts: the log says it too."""
_MARKER = "fenrun.json"
_OF_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_FORMAT = 3
"""How the files of a workspace are laid out; raised whenever older ones cannot be read."""
_MANIFEST = "import.json"
_SCRATCH = ".scratch-"


@dataclass(frozen=True)
class Import:
    """One import, run or close, as its manifest says."""

    id: str
    """Digest of the content."""
    kind: str
    source: str
    """File name it came from; the period of a run or close."""
    known: datetime
    """Moment (UTC) from which fenrun knows it: its knowledge time."""
    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    """What the stage counted: rows, totals, version."""
    problems: tuple[Problem, ...] = ()
    seq: int = 0
    """The event of the log that wrote it."""
    files: dict[str, str] = field(default_factory=dict)
    """The digest of each of its files, as the log says."""

    @property
    def names(self) -> tuple[str, str, str]:
        """Names that a person can call it by: its file name, its id, and its id in short."""
        return self.source, self.id, short(self.id)


def verified(items: Iterable[Import]) -> list[Import]:
    """Return imports, runs or closes whose files are those that were written.

    Only files that have changed since they were last verified are read. Raises Refused, with each
    file that was edited, removed or added.
    """
    found, problems = list(items), []
    for workspace in dict.fromkeys(item.folder.parents[1] for item in found):
        own = [item for item in found if item.folder.parents[1] == workspace]
        for item, now in zip(own, digests_as_seen(workspace, [item.folder for item in own])):
            problems += _differing(item.folder, item.files, now, item.seq)
    if problems:
        raise Refused(problems)
    return found


@dataclass(frozen=True)
class Imported:
    """The outcome of importing a file."""

    source: str
    """File name."""
    id: str
    new: bool
    """False where the same content was there already."""
    facts: dict[str, Any]
    """What the stage counted; of charges: rows, quarantined, version, billed, ..."""
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Replaced:
    """The earlier imports of charges that an import replaces."""

    names: Sequence[str] = ()
    """File names or ids."""
    there: Sequence[Import] = ()
    """The imports that were in force when the command began: one is named among these."""
    done: set[str] = field(default_factory=set)
    """The ids whose place files of the same command have taken."""
    kept: set[str] = field(default_factory=set)
    """The ids that files of the same command are, with the same content: they stay."""
    refusal: Refused | None = None
    """Why nothing is replaced: a file that comes with this one was refused."""


Enter = Callable[[datetime, Replaced], Imported]
"""Enter a file that is read into the store: from which moment (UTC) it is known, and what it
replaces. Raises Refused; the store is then untouched."""


def is_of_disk(error: OSError) -> bool:
    """Return whether a disk is full or cannot be written, whatever file was wanted."""
    return error.errno in _OF_DISK


def _refuse_other_format(marker: Path) -> None:
    """Raise Refused where a workspace is laid out otherwise than here."""
    try:
        written = json.loads(marker.read_text("utf-8"))["format"]
    except (ValueError, KeyError, TypeError):
        written = "?"
    if written != _FORMAT:
        place = Place(str(marker.parent))
        raise refused("workspace-format", place, written=written, read=_FORMAT)


@dataclass(frozen=True)
class Together:
    """Files that are written to a store at once: the right to add events, and their folders."""

    log: Writer
    folders: list[Path] = field(default_factory=list)


@dataclass
class Store:
    """The facts and results of a workspace.

    `actor`, time and `reason` go into the log with whatever is written.
    """

    path: Path
    actor: str = ""
    now: datetime | None = None
    """Nothing becomes known later than this moment (UTC)."""
    reason: str = ""
    clock: Callable[[], datetime] | None = None
    """Tells the time (UTC) at which something is written; else `now`, or from when it is known."""
    is_scratch: bool = False
    """True of what nobody reads after the process: it need not be on the disk."""
    code: Callable[[str], str] = str
    """Tells how the log names an actor."""
    names: Callable[[str], str] = str
    """Tells a text of the log with names in place of such codes."""
    within: Together | None = None
    """What is written together with others, whole or not at all."""

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open an existing workspace. Raises Refused where there is none."""
        if not cls(path).is_there:
            raise refused("workspace-missing", Place(str(path)))
        _refuse_other_format(path / _MARKER)
        return cls(path)

    @property
    def is_there(self) -> bool:
        """True once the folder is a workspace."""
        return (self.path / _MARKER).is_file()

    @property
    def log(self) -> Log:
        """The log of all events."""
        within = self.within.log if self.within else None
        return Log(self.path / "log.db", self.is_scratch, within)

    @contextmanager
    def together(self) -> Iterator[Store]:
        """Yield the store as one to which all is written at once, with the block's end.

        Nobody else writes meanwhile, and who reads sees all of it or nothing. Where the block
        raises, or the process ends, nothing was written.
        """
        self.code(self.actor)  # may be noted elsewhere, for which nobody must wait inside
        with self.log.writing() as log:
            within = Together(log)
            try:
                yield replace(self, within=within)
            except BaseException:
                for folder in within.folders:
                    shutil.rmtree(folder, ignore_errors=True)
                raise

    def time(self, known: datetime) -> datetime:
        """Return when it is (UTC), for what is done now and known from a moment on."""
        return self.clock() if self.clock else self.now or known

    def has(self, kind: str, content_id: str) -> bool:
        """Return whether this content is there already."""
        return bool(self.log.events(kind, content_id))

    def add(
        self,
        kind: str,
        content_id: str,
        manifest: dict[str, Any],
        write: Callable[[Path], None],
        before: dict[str, Any] | None = None,
        allowed: Callable[[Writer], None] = lambda log: None,
    ) -> Path:
        """Write an import, run or close; the same content twice changes nothing.

        `allowed` is asked while nobody else can write; it may raise, and add events that come
        before. Returns its folder. Raises Refused, also where nothing can be written: the workspace
        is then as it was.
        """
        target = self.path / kind / short(content_id)
        known, actor = parse_moment(manifest["known"]), self.code(self.actor)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._mark()
            with self.log.writing() as log:
                if log.row_of(kind, content_id):
                    return target
                self._refuse_moment(kind, known)
                allowed(log)
                self._place(target, manifest | {"id": content_id}, write)
                if self.within:
                    self.within.folders.append(target)
                after = {
                    "source": manifest["source"],
                    "known": manifest["known"],
                    "files": digests(target),
                }
                facts = manifest["facts"]
                after |= {name: facts[name] for name in _DECIDED if name in facts}
                log.add(
                    at=self.time(known),
                    actor=actor,
                    act=KINDS[kind],
                    kind=kind,
                    subject=content_id,
                    reason=self.reason,
                    before=before or {},
                    after=after,
                )
        except OSError as error:
            place = Place(str(self.path))
            raise refused("workspace-unwritable", place, detail=reason(error)) from error
        return target

    def _mark(self) -> None:
        """Say that the folder is a workspace, and how its files are laid out.

        Raises Refused where they are laid out otherwise.
        """
        marker = self.path / _MARKER
        if not marker.exists():
            text = json.dumps({"fenrun": "workspace", "format": _FORMAT}) + "\n"
            scratch = self.path / f".{_MARKER}-{os.getpid()}"
            try:
                scratch.write_text(text, "utf-8")
                os.replace(scratch, marker)
            finally:
                scratch.unlink(missing_ok=True)
        _refuse_other_format(marker)

    def _place(self, target: Path, manifest: dict[str, Any], write: Callable[[Path], None]) -> None:
        """Write a folder to scratch, put it on the disk and rename it to its place."""
        for left in self.path.glob(f"{_SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        if target.is_dir():  # what a command that was killed has left: the log does not name it
            shutil.rmtree(target)
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.path))
        try:
            write(scratch)
            text = json.dumps(manifest, ensure_ascii=False, indent=1, default=str)
            (scratch / _MANIFEST).write_text(text + "\n", "utf-8")
            if not self.is_scratch:
                _to_disk(scratch)
            os.replace(scratch, target)
            if not self.is_scratch:
                _to_disk(target.parent, inside=False)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def imports(self, kind: str, known: datetime | None = None) -> list[Import]:
        """Return all of a kind that were known by then, in the order they became known.

        What later ones, or decisions, replaced is left out.
        """
        found = self._known_by(kind, known)
        by = [*found, *(self._known_by("deliveries", known) if kind in DELIVERED else ())]
        replaced = {content for item in by for content in item.facts.get("replaces", ())}
        kept = [item for item in found if item.id not in replaced]
        return sorted(kept, key=lambda item: (item.known, item.id))

    def _known_by(self, kind: str, known: datetime | None) -> list[Import]:
        found = [self._read(event) for event in self.log.events(kind)]
        return [item for item in found if known is None or item.known <= known]

    def imports_between(self, kind: str, after: datetime, known: datetime) -> list[Import]:
        """Return all of a kind that became known after one moment and by another.

        Those that were replaced since are among them.
        """
        found = [self._read(event) for event in self.log.events(kind)]
        return [item for item in found if after < item.known <= known]

    def find(self, kind: str, content_id: str) -> Import | None:
        """Return one import, run or close by its id."""
        events = self.log.events(kind, content_id)
        return self._read(events[0]) if events else None

    def edited(self) -> list[Problem]:
        """Return each file of the imports and closes that is not what was written.

        Only files that have changed since they were last verified are read.
        """
        events = [event for event in self.log.events() if event.kind in (*FACTS, "closes")]
        folders = [self.path / event.kind / short(event.subject) for event in events]
        seen = zip(events, folders, digests_as_seen(self.path, folders))
        return [
            problem
            for event, folder, now in seen
            for problem in _differing(folder, event.facts()["files"], now, event.seq)
        ]

    def _read(self, event: Event) -> Import:
        """Read what an event wrote, but for its tables, which are verified where they are used."""
        folder = self.path / event.kind / short(event.subject)
        try:
            content = (folder / _MANIFEST).read_bytes()
            if sha256(content).hexdigest() != event.facts()["files"][_MANIFEST]:
                raise ValueError(_MANIFEST)
            said = json.loads(content)
            return Import(
                id=said["id"],
                kind=event.kind,
                source=said["source"],
                known=parse_moment(said["known"]),
                folder=folder,
                facts=said.get("facts", {}),
                problems=tuple(read_problem(problem) for problem in said.get("problems", ())),
                seq=event.seq,
                files=event.facts()["files"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            place = Place(f"{event.kind}/{folder.name}/{_MANIFEST}")
            raise refused("stored-edited", place, seq=event.seq) from error

    def state(self) -> int:
        """Return the number of the last event after which the same question has another answer.

        That is of an import or a close, not of a run.
        """
        return self.log.last((*FACTS, "closes"))

    def last_knowledge_time(self) -> datetime | None:
        """Return the last moment at which anything became known.

        It is the default knowledge time, so that a run repeated is the same run.
        """
        return max((moment for kind in FACTS for moment in self._moments(kind)), default=None)

    def moment(self, now: datetime) -> datetime:
        """Return from when something is known that is entered now (UTC).

        Where the log has later moments, the clock is behind or was ahead: it is then a second
        after the last of them, so that facts and closes go on in their order.
        """
        moments = (self.last_knowledge_time(), self.closed_knowledge_time())
        last = max((moment for moment in moments if moment), default=now)
        return last + timedelta(seconds=1) if last > now else now

    def clock_problems(self, now: datetime) -> list[Problem]:
        """Return that the clock is behind what the log has, where it is."""
        known = self.moment(now)
        if known == now:
            return []
        values = {"now": show_moment(now), "known": show_moment(known)}
        return [Problem("clock-behind", Place(str(self.path)), values)]

    def closed_knowledge_time(self) -> datetime | None:
        """Return what was known when a period was last closed.

        Nothing can become known by then any more.
        """
        return max(self._moments("closes"), default=None)

    def _moments(self, kind: str) -> list[datetime]:
        return [parse_moment(event.facts()["known"]) for event in self.log.events(kind)]

    def _refuse_moment(self, kind: str, known: datetime) -> None:
        """Refuse what would become known in the future, or by a moment that is closed."""
        place = Place(str(self.path))
        closed = self.closed_knowledge_time() if kind in FACTS else None
        if closed and known <= closed:
            raise refused(
                "known-closed", place, known=show_moment(known), closed=show_moment(closed)
            )
        is_later = self.now and known > self.now and known > self.moment(self.now)
        if self.now and is_later and kind not in _DERIVED:
            raise refused(
                "known-future", place, known=show_moment(known), now=show_moment(self.now)
            )

    def broken(self, head: str = "") -> list[Problem]:
        """Return where log and files are not what was written.

        Rows or files were edited, removed, re-ordered or put in beside the log. `head` is a hash
        that was seen before and must still be in the log.
        """
        found = self.log.broken(head)
        events = self.log.events()
        for event in events:
            found += self._edited(event)
        results = [f for kind in KINDS if kind not in FACTS for f in self._folders(kind)]
        if not events and results:  # which nothing writes before an import is logged
            found.append(Problem("log-gap", Place(self.log.path.name), {"expected": 1}))
        named = {self.path / event.kind / short(event.subject) for event in events}
        for folder in sorted(f for kind in KINDS for f in self._folders(kind) if f not in named):
            found.append(Problem("stored-unlogged", Place(f"{folder.parent.name}/{folder.name}")))
        return found

    def _edited(self, event: Event) -> list[Problem]:
        """Return a problem for each file that is not what the event wrote."""
        folder = self.path / event.kind / short(event.subject)
        return _differing(folder, event.facts().get("files", {}), digests(folder), event.seq)

    def _folders(self, kind: str) -> list[Path]:
        return list((self.path / kind).glob("*"))


def _differing(
    folder: Path, was: Mapping[str, str], now: Mapping[str, str], seq: int
) -> list[Problem]:
    """Return a problem for each file whose digest is not what an event of the log wrote."""
    return [
        Problem("stored-edited", Place(f"{folder.parent.name}/{folder.name}/{name}"), {"seq": seq})
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]


def _to_disk(folder: Path, inside: bool = True) -> None:
    """Ask the system to put a folder, and the files inside, on the disk."""
    for path in [*(folder.iterdir() if inside else ()), folder]:
        try:
            handle = os.open(path, os.O_RDONLY)
        except PermissionError:  # folders cannot be opened on Windows
            continue
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def manifest(
    source: str, known: datetime, facts: dict[str, Any], problems: Iterable[Problem]
) -> dict[str, Any]:
    """Return what `import.json` says."""
    return {
        "source": source,
        "known": show_moment(known),
        "facts": facts,
        "problems": [asdict(problem) for problem in problems],
    }
