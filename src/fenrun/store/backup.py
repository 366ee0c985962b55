"""Backup: a workspace as it was at one moment, as one file, and the way back from it.

The moment is one at which nobody writes to the log: databases are copied then, by SQLite's own
copying, and whatever else is no part of an import. Then come the files that the log names; they
never change, so commands and the portal go on meanwhile. Caches are left out.

A backup is a zip file without compression, whose `backup.json` says the digest of each file. It
holds the workspace's secrets: only its owner may read it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any

from fenrun.base.ids import file_digest, short
from fenrun.base.problem import Place, Problem, in_order, refused
from fenrun.base.when import show_moment
from fenrun.base.words import Message
from fenrun.store.audit_log import NOTHING, Event, Log
from fenrun.store.facts import KINDS, Store

FORMAT = 1
"""How a backup is laid out."""
_SAID = "backup.json"
_LOG = "log.db"
_LEFT_OUT = ("cache", *KINDS)
"""Folders that are made again, and those of which the log says what is in them."""
_BESIDE_SQLITE = ("-journal", "-wal", "-shm")
_SQLITE = b"SQLite format 3\0"
_CHUNK = 1 << 20
_PRIVATE = 0o600
_IN_USE = "in-use.db"
"""The file in a scratch folder that is locked as long as its process lives."""
_YOUNG, _OLD = 60, 24 * 3600
"""Seconds within which a scratch folder may have no lock yet, and after which it will get none."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Backup:
    """The contents of a backup."""

    taken: str
    """The moment (UTC) of which it is."""
    events: int
    """Rows of the log."""
    head: str
    """Hash of the log's last row."""
    files: dict[str, str]
    """The digest of each file, by its path in the workspace."""
    private: tuple[str, ...]
    """Those that only their owner may read."""

    def count(self, kind: str) -> int:
        """Return how many imports, runs or closes of a kind it holds."""
        return len({name.split("/")[1] for name in self.files if name.startswith(f"{kind}/")})

    @property
    def has_portal(self) -> bool:
        """Return whether the portal's own rows are in it."""
        return any(name.endswith("portal.sqlite3") for name in self.files)


def back_up(
    store: Store, target: Path, taken: datetime, progress: Progress = lambda name: None
) -> tuple[Backup, list[Problem]]:
    """Write a backup of a workspace to a file.

    Returns what it holds, and the stored files that are not what the log says: those are in it as
    they are. Raises Refused where the file is there already or lies in the workspace.
    """
    if target.exists():
        raise refused("target-exists", Place(str(target)), path=target)
    if store.path.resolve() in target.resolve().parents:
        raise refused("backup-inside", Place(str(target)))
    with _scratch(target.parent, ".fenrun-backup-") as scratch:
        copy, file = scratch / "copy", scratch / "backup"
        with store.log.held():
            _copy_what_changes(store.path, copy)
        events = Log(copy / _LOG).events()
        made = _written(store.path, copy, file, events, show_moment(taken), progress)
        with _opened(file) as archive:
            for name in made.files:
                progress(name)
                _read(archive, name, made.files[name], None)
        os.replace(file, target)
    return made, _not_as_logged(made, events)


@contextmanager
def _scratch(folder: Path, prefix: str) -> Iterator[Path]:
    """Give a folder for what is not whole yet, and remove those that killed processes have left."""
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        for left in folder.glob(f"{prefix}*"):
            if _is_left(left, scratch.stat().st_mtime):
                shutil.rmtree(left, ignore_errors=True)
        with closing(sqlite3.connect(scratch / _IN_USE, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")  # ends with the process, however that ends
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_left(scratch: Path, now: float) -> bool:
    """Return whether nobody writes to a scratch folder any more; `now` is when one was made."""
    try:
        age = now - scratch.stat().st_mtime
        if age < _YOUNG or not (scratch / _IN_USE).exists():
            return age > _OLD
        with closing(sqlite3.connect(scratch / _IN_USE, timeout=0, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
    except (OSError, sqlite3.Error):  # its process lives, or has removed it
        return False
    return True


def _copy_what_changes(workspace: Path, copy: Path) -> None:
    """Copy all but caches and what the log names; databases as SQLite sees them."""
    for path in sorted(workspace.rglob("*")):
        name = path.relative_to(workspace)
        is_left_out = name.parts[0] in _LEFT_OUT or any(p.startswith(".") for p in name.parts)
        if is_left_out or not path.is_file() or path.name.endswith(_BESIDE_SQLITE):
            continue
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_sqlite(path):
            with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(target)) as other:
                one.backup(other)
            shutil.copymode(path, target)
        else:
            shutil.copy2(path, target)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _written(
    workspace: Path, copy: Path, file: Path, events: list[Event], taken: str, progress: Progress
) -> Backup:
    """Write what was copied, and the files that the log names; files that are gone are missing."""
    sources = {p.relative_to(copy).as_posix(): p for p in copy.rglob("*") if p.is_file()}
    sources |= {name: workspace / name for name in _logged(events)}
    files, private = {}, []
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(handle, "wb") as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name, path in sorted(sources.items()):
                progress(name)
                if not path.is_file():
                    continue
                files[name] = file_digest(path)
                archive.write(path, name)
                if not path.stat().st_mode & 0o077:
                    private.append(name)
            head = events[-1].hash if events else NOTHING
            made = Backup(taken, len(events), head, files, tuple(private))
            archive.writestr(_SAID, json.dumps({"format": FORMAT, **asdict(made)}, indent=1))
        out.flush()
        os.fsync(out.fileno())
    return made


def _logged(events: list[Event]) -> dict[str, str]:
    """Return the digest of each stored file as the log says it, by its path in the workspace."""
    return {
        f"{event.kind}/{short(event.subject)}/{name}": content
        for event in events
        for name, content in event.facts().get("files", {}).items()  # an act writes none
    }


def _not_as_logged(made: Backup, events: list[Event]) -> list[Problem]:
    seq = {f"{event.kind}/{short(event.subject)}": event.seq for event in events}
    return [
        Problem("stored-edited", Place(name), {"seq": seq[name.rpartition("/")[0]]})
        for name, content in sorted(_logged(events).items())
        if made.files.get(name) != content
    ]


# --- the way back -----------------------------------------------------------------------------


def restore(
    file: Path, target: Path, progress: Progress = lambda name: None
) -> tuple[Backup, list[Problem]]:
    """Make a workspace from a backup: whole, or not at all.

    Returns what it holds, and what was wrong with it already when the backup was taken. Raises
    Refused where there is something at the target, and where the backup is damaged.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise refused("target-exists", Place(str(target)), path=target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(target.parent, ".fenrun-restore-") as scratch, _opened(file) as archive:
        made = scratch / "workspace"
        made.mkdir()
        said = _said(archive, file)
        for name, content in said.files.items():
            progress(name)
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                _read(archive, name, content, out)
                os.fsync(out.fileno())
            if name in said.private:
                path.chmod(_PRIVATE)
        problems = Store.open(made).broken(said.head if said.events else "")
        os.chmod(made, 0o755)
        os.replace(made, target)
    return said, in_order(problems)


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup. Raises Refused where it, or what is read of it, is damaged."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise refused("backup-damaged", Place(file.name), detail=Message("backup-none")) from error


def _said(archive: zipfile.ZipFile, file: Path) -> Backup:
    """Return what a backup says it holds; it holds nothing else. Raises Refused or ValueError."""
    try:
        said: dict[str, Any] = json.loads(archive.read(_SAID))
        if said.pop("format") != FORMAT:
            raise ValueError(f"{_SAID}: format")
        backup = Backup(**said)
        backup = replace(backup, files=dict(backup.files), private=tuple(backup.private))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{_SAID}: {error}") from error
    inside = {entry.filename: entry for entry in archive.infolist()}
    for name in sorted({*backup.files, *inside} - {_SAID}):
        entry = inside.get(name)
        is_plain = entry is not None and entry.compress_type == zipfile.ZIP_STORED
        if not is_plain or name not in backup.files or not _is_inside(name):
            place = Place(f"{file.name}:{name}")
            raise refused("backup-damaged", place, detail=Message("backup-unlisted"))
    return backup


def _is_inside(name: str) -> bool:
    """Return whether a path stays in the folder that it is joined to, on every system."""
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or {"\\", ":"} & {*name})


def _read(archive: zipfile.ZipFile, name: str, content: str, out: IO[bytes] | None) -> None:
    """Read a file of a backup, into another if there is one. Raises Refused where it is damaged."""
    hashed, place = sha256(), Place(f"{Path(archive.filename or '').name}:{name}")
    try:
        with archive.open(name) as file:
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
                if out:
                    out.write(chunk)
        is_whole = hashed.hexdigest() == content
    except (zipfile.BadZipFile, EOFError):
        is_whole = False
    if not is_whole:
        raise refused("backup-damaged", place, detail=Message("backup-digest"))
