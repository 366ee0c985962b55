"""The store: a folder of facts and results that only grows.

`<workspace>/<kind>/<id>/` holds one import, run or close: its files and `import.json`. It is written scratch, renamed into place and
then entered in the log; only what the log names is there, so it is there whole or not at all. Its id is the digest of its
content, so the same content is never there twice.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fenrun.base.ids import file_digest, short
from fenrun.base.problem import Place, Problem, Refused, read_problem
from fenrun.base.when import parse_moment, show_moment
from fenrun.store.audit_log import Log

FACTS = ("charges", "book", "plans")
"""The kinds of imports."""
KINDS = {
    "charges": "import",
    "book": "import",
    "plans": "import",
    "runs": "settle",
    "closes": "close",
}
"""What the store holds, and the act that writes it."""
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
    """Moment (UTC) from which fenrun knows it: the second clock."""
    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    """What the stage counted: rows, totals, version."""
    problems: tuple[Problem, ...] = ()


@dataclass
class Store:
    """The facts and results of a workspace. `actor`, `now` and `reason` go into the log with whatever is written."""

    path: Path
    actor: str = ""
    now: datetime | None = None
    """When what is written is written (UTC); else from when it is known."""
    reason: str = ""

    @classmethod
    def open(cls, path: Path) -> Store:
        """An existing workspace. Raises Refused where there is none."""
        if not (path / "fenrun.json").is_file():
            raise Refused([Problem("workspace-missing", Place(str(path)))])
        return cls(path)

    @property
    def log(self) -> Log:
        """The log of all acts."""
        return Log(self.path / "log.db")

    def has(self, kind: str, content_id: str) -> bool:
        """Whether this content is there already."""
        return bool(self.log.events(kind, content_id))

    def add(
        self,
        kind: str,
        content_id: str,
        manifest: dict[str, Any],
        write: Callable[[Path], None],
        before: dict[str, Any] | None = None,
        allowed: Callable[[], None] = lambda: None,
    ) -> Path:
        """Write an import, run or close; the same content twice changes nothing. `allowed` is asked while nobody else can write, and may raise. Returns its folder."""
        target = self.path / kind / short(content_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        marker = self.path / "fenrun.json"
        if not marker.exists():
            marker.write_text('{"fenrun": "workspace", "format": 2}\n', "utf-8")
        with self.log.writing() as log:
            if log.has(kind, content_id):
                return target
            self._open_at(kind, parse_moment(manifest["known"]))
            allowed()
            for left in self.path.glob(f"{_SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
            if target.is_dir():  # what a command that was killed has left: the log does not name it
                shutil.rmtree(target)
            scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.path))
            try:
                write(scratch)
                (scratch / "import.json").write_text(
                    json.dumps(
                        manifest | {"id": content_id}, ensure_ascii=False, indent=1, default=str
                    )
                    + "\n",
                    "utf-8",
                )
                _to_disk(scratch)
                os.replace(scratch, target)
                _to_disk(target.parent, inside=False)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            after = {
                "source": manifest["source"],
                "known": manifest["known"],
                "files": digests(target),
            }
            log.add(
                self.now or parse_moment(manifest["known"]),
                self.actor,
                KINDS[kind],
                kind,
                content_id,
                self.reason,
                before or {},
                after,
            )
        return target

    def imports(self, kind: str, known: datetime | None = None) -> list[Import]:
        """All of a kind that were known by then, in the order they became known; without the charges that later ones replaced."""
        found = [
            i for i in map(self._read, self.log.events(kind)) if known is None or i.known <= known
        ]
        replaced = {content for i in found for content in i.facts.get("replaces", ())}
        return sorted((i for i in found if i.id not in replaced), key=lambda i: (i.known, i.id))

    def imports_between(self, kind: str, after: datetime, known: datetime) -> list[Import]:
        """All of a kind that became known after one moment and by another, those too that were replaced since."""
        return [i for i in map(self._read, self.log.events(kind)) if after < i.known <= known]

    def find(self, kind: str, content_id: str) -> Import | None:
        """One import, run or close by its id."""
        acts = self.log.events(kind, content_id)
        return self._read(acts[0]) if acts else None

    def _read(self, act: Any) -> Import:
        folder = self.path / act.kind / short(act.subject)
        try:
            said = json.loads((folder / "import.json").read_text("utf-8"))
            problems = tuple(read_problem(p) for p in said.get("problems", ()))
            return Import(
                said["id"],
                act.kind,
                said["source"],
                parse_moment(said["known"]),
                folder,
                said.get("facts", {}),
                problems,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Refused(
                [
                    Problem(
                        "stored-edited",
                        Place(f"{act.kind}/{folder.name}/import.json"),
                        {"seq": act.seq},
                    )
                ]
            ) from error

    def known(self) -> datetime | None:
        """The last moment at which anything became known: the default second clock, so that a run repeated is the same run."""
        moments = [
            parse_moment(a.facts()["known"]) for kind in FACTS for a in self.log.events(kind)
        ]
        return max(moments, default=None)

    def closed_knowledge_time(self) -> datetime | None:
        """What was known when a period was last closed: nothing can become known by then any more."""
        return max(
            (parse_moment(a.facts()["known"]) for a in self.log.events("closes")), default=None
        )

    def _open_at(self, kind: str, known: datetime) -> None:
        """Nothing becomes known in the future, or by a moment that is closed."""
        closed = self.closed_knowledge_time() if kind in FACTS else None
        if closed and known <= closed:
            raise Refused(
                [
                    Problem(
                        "known-closed",
                        Place(str(self.path)),
                        {"known": show_moment(known), "closed": show_moment(closed)},
                    )
                ]
            )
        if self.now and known > self.now and kind != "runs":
            raise Refused(
                [
                    Problem(
                        "known-future",
                        Place(str(self.path)),
                        {"known": show_moment(known), "now": show_moment(self.now)},
                    )
                ]
            )

    def broken(self, head: str = "") -> list[Problem]:
        """Where log and files are not what was written: rows or files edited, removed, re-ordered or put in beside the log."""
        found, named = self.log.broken(head), set()
        for act in self.log.events():
            folder = self.path / act.kind / short(act.subject)
            named.add(folder)
            was, now = act.facts().get("files", {}), digests(folder) if folder.is_dir() else {}
            for name in sorted(set(was) | set(now)):
                if was.get(name) != now.get(name):
                    found.append(
                        Problem(
                            "stored-edited",
                            Place(f"{act.kind}/{folder.name}/{name}"),
                            {"seq": act.seq},
                        )
                    )
        if not named and any(
            any((self.path / kind).glob("*")) for kind in ("runs", "closes")
        ):  # which nothing writes before an import is logged
            found.append(Problem("log-gap", Place(self.log.path.name), {"expected": 1}))
        for folder in sorted(
            f for kind in KINDS for f in (self.path / kind).glob("*") if f not in named
        ):
            found.append(Problem("stored-unlogged", Place(f"{folder.parent.name}/{folder.name}")))
        return found


def digests(folder: Path) -> dict[str, str]:
    """The digest of each file in a folder, by name."""
    return {
        f.relative_to(folder).as_posix(): file_digest(f)
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


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
    """What `import.json` says."""
    return {
        "source": source,
        "known": show_moment(known),
        "facts": facts,
        "problems": [asdict(p) for p in problems],
    }
