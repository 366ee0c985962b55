"""The audit log: every event that changed a workspace, in order.

It only grows, and each row carries the hash of the row before it. It is the catalogue as well: an
import or a run is there once its event is. Events are written one at a time, so a reader sees an
event whole or not at all, and two writers wait for each other. `log.db` is an SQLite file; a commit
is on disk when it returns.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from fenrun.base.ids import digest
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.when import parse_moment, show_moment
from fenrun.base.words import Unreadable, catalogue, reason, say

Row = TypeVar("Row")
NOTHING = "0" * 64
"""What the first row has in place of the hash before it."""
PATIENCE = 60
"""Seconds a writer waits for another before it gives up."""


@dataclass(frozen=True)
class Event:
    """One event. Grain: a row of the log."""

    seq: int
    """From 1, without holes."""
    at: str
    """When it was done (UTC)."""
    actor: str
    """By whom: as the command line was told; of the portal, a code that stands for an account."""
    act: str
    """import, settle, close or key; of the portal, what was done there."""
    kind: str
    """What it wrote: charges, book, plans, deliveries, runs, closes or key; portal: an act there,
    which wrote nothing here."""
    subject: str
    """Id of what it wrote; of the portal, a digest of its own record."""
    reason: str
    before: str
    """What was so before, as JSON."""
    after: str
    """What is so since, as JSON: for what was stored, the digest of each file."""
    previous: str
    """Hash of the row before."""
    hash: str
    """Over everything above."""

    def hashed(self) -> str:
        """Return the hash that the row should have."""
        return digest({k: v for k, v in asdict(self).items() if k != "hash"})

    def in_words(self, lang: str) -> str:
        """Return what was done."""
        key = f"act-{self.act.replace(' ', '-')}"
        is_known = self.kind == "portal" and key in catalogue()
        return say(key if is_known else f"event-{self.kind}", lang)

    def facts(self) -> dict[str, Any]:
        """Return `after` as data."""
        return dict(json.loads(self.after))


_COLUMNS = [field.name for field in fields(Event)]
_TEXTS = [name for name in _COLUMNS if name != "seq"]
_TABLE = f"""
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, {", ".join(f"{name} TEXT NOT NULL" for name in _TEXTS)})"""
_INSERT = f"INSERT INTO events VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
_SELECT = f"""
SELECT {", ".join(_COLUMNS)} FROM events
WHERE (:kind = '' OR kind = :kind) AND (:subject = '' OR subject = :subject) AND seq > :after
ORDER BY seq"""
_LAST = "SELECT seq FROM events WHERE kind IN ({kinds}) ORDER BY seq DESC LIMIT 1"
"""Read from the end, so it costs no more where the log is long."""


class Log:
    """The log of a workspace."""

    def __init__(self, path: Path, is_scratch: bool = False, within: Writer | None = None):
        """Begin. A log that `is_scratch` need not be on the disk.

        What is asked and added `within` the right that somebody holds is part of what they do.
        """
        self.path, self._synchronous = path, "OFF" if is_scratch else "FULL"
        self._within = within

    def events(self, kind: str = "", subject: str = "", after: int = 0) -> list[Event]:
        """Return the events in order: all, of a kind, on one subject, or after a row.

        None without a log. Raises Refused where it cannot be read.
        """
        wanted = {"kind": kind, "subject": subject, "after": after}
        return self._read(lambda connection: map(_event, connection.execute(_SELECT, wanted)))

    def last(self, kinds: Sequence[str]) -> int:
        """Return the number of the last event of some kinds; 0, where there is none.

        Raises Refused where the log cannot be read.
        """
        last = _LAST.format(kinds=", ".join("?" * len(kinds)))
        found = self._read(lambda connection: connection.execute(last, list(kinds)))
        return next((int(seq) for (seq,) in found), 0)

    def _read(self, ask: Callable[[sqlite3.Connection], Iterable[Row]]) -> list[Row]:
        """Return what is asked of the log; nothing without a log. Raises Refused."""
        if not self.path.exists():
            return []
        try:
            if self._within:
                return list(ask(self._within.connection))
            with closing(self._open()) as connection:
                return list(ask(connection)) if _has_table(connection, "events") else []
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            place = Place(self.path.name)
            raise refused("log-unreadable", place, detail=reason(error)) from error

    @contextmanager
    def writing(self, patience: float = PATIENCE) -> Iterator[Writer]:
        """Hold the right to add events, which one process has at a time.

        What was added is there when the block ends well. Raises Refused where another process
        writes for longer than `patience` (seconds), and where nothing can be written.
        """
        if self._within:
            yield self._within
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open(patience)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    connection.execute(_TABLE)
                    yield Writer(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    connection.rollback()
                    raise
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the same right to add none: the workspace stays as it is meanwhile.

        Where this process may not write, nothing holds others off. Raises Refused.
        """
        with self.writing() if os.access(self.path, os.W_OK) else nullcontext():
            yield

    def _refusal(self, error: sqlite3.Error) -> Refused:
        """Return why the log cannot be written."""
        place, name = Place(str(self.path.parent)), getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return refused("workspace-busy", place, seconds=PATIENCE, detail=str(error))
        if name.startswith(("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN")):
            return refused("workspace-unwritable", place, detail=str(error))
        return refused("log-unreadable", Place(self.path.name), detail=str(error))

    def _open(self, patience: float = PATIENCE) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=patience, isolation_level=None)
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        if _has_table(connection, "acts"):
            _rename_table(connection)
        return connection

    def broken(self, head: str = "") -> list[Problem]:
        """Return where the log is not what was written: rows edited, removed or re-ordered.

        `head` is a hash that was seen before and must still be in it.
        """
        found = []
        events = self.events()
        previous = NOTHING
        number = 0
        for number, event in enumerate(events, 1):
            place = Place(self.path.name, event.seq)
            if event.hash != event.hashed():
                values = {"act": event.act, "subject": event.subject}
                found.append(Problem("log-edited", place, values))
            if event.seq != number or event.previous != previous:
                found.append(Problem("log-gap", place, {"expected": number}))
                break
            previous = event.hash
        if head and head not in {event.hash for event in events}:
            found.append(Problem("log-head", Place(self.path.name, number), {"head": head}))
        return found


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [name])
    return found.fetchone() is not None


def _rename_table(connection: sqlite3.Connection) -> None:
    """Give the table of events its name; up to version 0.1 it was called `acts`."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _has_table(connection, "acts"):  # another process may have been faster
            connection.execute("ALTER TABLE acts RENAME TO events")


def _event(row: tuple[Any, ...]) -> Event:
    """Read a row as an event. Raises ValueError, KeyError or TypeError where it is none."""
    event = Event(*row)
    if not all(isinstance(value, str) for value in row[1:]):
        raise Unreadable("event-without-text", row=event.seq)
    facts = event.facts()
    parse_moment(facts["known"])
    for key in ("source", "files"):
        if key not in facts:
            raise KeyError(key)
    return event


class Writer:
    """The right to add events to the log."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection

    def row_of(self, kind: str, subject: str) -> int:
        """Return the number of the event that wrote this; 0 where none did."""
        found = self.connection.execute(
            "SELECT seq FROM events WHERE kind = ? AND subject = ?", (kind, subject)
        )
        return int((found.fetchone() or (0,))[0])

    def add(
        self,
        at: datetime,
        actor: str,
        act: str,
        kind: str,
        subject: str,
        reason: str,
        before: dict[str, Any],
        after: dict[str, Any],
    ) -> Event:
        """Add an event after the last one."""
        last = self.connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")
        seq, previous = last.fetchone() or (0, NOTHING)
        event = Event(
            seq=seq + 1,
            at=show_moment(at),
            actor=actor,
            act=act,
            kind=kind,
            subject=subject,
            reason=reason,
            before=_json(before),
            after=_json(after),
            previous=previous,
            hash="",
        )
        event = replace(event, hash=event.hashed())
        self.connection.execute(_INSERT, asdict(event))
        return event


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
