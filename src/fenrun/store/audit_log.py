"""The log: every act that changed a workspace, in order. It only grows, and each row carries the hash of the row before it.

It is the catalogue as well: an import or a run is there once its act is, and acts are written one at a time, so a reader sees
an act whole or not at all and two writers wait for each other. `log.db` is an SQLite file; a commit is on disk when it returns.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_moment, show_moment

NOTHING = "0" * 64
"""What the first row has in place of the hash before it."""
_TABLE = """CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
  reason TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL)"""
_INSERT = "INSERT INTO events VALUES (:seq, :at, :actor, :act, :kind, :subject, :reason, :before, :after, :previous, :hash)"
PATIENCE = 60
"""Seconds a writer waits for another before it gives up."""


@dataclass(frozen=True)
class Event:
    """One act. Grain: a row of the log."""

    seq: int
    """From 1, without holes."""
    at: str
    """When it was done (UTC)."""
    actor: str
    """By whom."""
    act: str
    """import, settle or close."""
    kind: str
    """What it wrote: charges, book, plans, runs or closes."""
    subject: str
    """Id of what it wrote."""
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
        """The hash that the row should have."""
        return digest({k: v for k, v in asdict(self).items() if k != "hash"})

    def facts(self) -> dict[str, Any]:
        """`after` as data."""
        return dict(json.loads(self.after))


_COLUMNS = ", ".join(f.name for f in fields(Event))


def _event(row: tuple[Any, ...]) -> Event:
    """A row as an act. Raises ValueError, KeyError or TypeError for what no act is."""
    act = Event(*row)
    if not all(isinstance(v, str) for v in row[1:]):
        raise TypeError(f"row {act.seq} does not hold text")
    said = act.facts()
    parse_moment(said["known"])
    said["source"], said["files"]
    return act


class Log:
    """The log of a workspace."""

    def __init__(self, path: Path):
        self.path = path

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'acts'").fetchone():
            connection.execute("ALTER TABLE acts RENAME TO events")  # its name before 0.2
        return connection

    def events(self, kind: str = "", subject: str = "") -> list[Event]:
        """The acts in order: all, of a kind, or on one subject. Nothing where there is no log."""
        if not self.path.exists():
            return []
        try:
            with closing(self._open()) as connection:
                if not connection.execute(
                    "SELECT 1 FROM sqlite_master WHERE name = 'events'"
                ).fetchone():
                    return []
                rows = connection.execute(
                    f"SELECT {_COLUMNS} FROM events WHERE (? = '' OR kind = ?) AND (? = '' OR subject = ?) ORDER BY seq",
                    (kind, kind, subject, subject),
                ).fetchall()
            return [_event(row) for row in rows]
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise Refused(
                [Problem("log-unreadable", Place(self.path.name), {"detail": str(error)})]
            ) from error

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """The right to add acts, for one process at a time; what was added is there when the block ends well. Raises Refused where another writes for too long."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._open()) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.DatabaseError as error:
                raise Refused(
                    [
                        Problem(
                            "workspace-busy",
                            Place(str(self.path.parent)),
                            {"seconds": PATIENCE, "detail": str(error)},
                        )
                    ]
                ) from error
            try:
                connection.execute(_TABLE)
                yield Writer(connection)
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    def broken(self, head: str = "") -> list[Problem]:
        """Where the log is not what was written: rows edited, removed or re-ordered. `head` is a hash that was seen before and must still be in it."""
        found, previous, number = [], NOTHING, 0
        acts = self.events()
        for number, act in enumerate(acts, 1):
            place = Place(self.path.name, act.seq)
            if act.hash != act.hashed():
                found.append(Problem("log-edited", place, {"act": act.act, "subject": act.subject}))
            if act.seq != number or act.previous != previous:
                found.append(Problem("log-gap", place, {"expected": number}))
                break
            previous = act.hash
        if head and head not in {a.hash for a in acts}:
            found.append(Problem("log-head", Place(self.path.name, number), {"head": head}))
        return found


class Writer:
    """Adds acts to the log."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection

    def has(self, kind: str, subject: str) -> bool:
        """Whether an act wrote this."""
        return (
            self.connection.execute(
                "SELECT 1 FROM events WHERE kind = ? AND subject = ?", (kind, subject)
            ).fetchone()
            is not None
        )

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
        """Add an act after the last one."""
        seq, previous = self.connection.execute(
            "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"
        ).fetchone() or (0, NOTHING)
        row = Event(
            seq + 1,
            show_moment(at),
            actor,
            act,
            kind,
            subject,
            reason,
            _json(before),
            _json(after),
            previous,
            "",
        )
        row = Event(**{**asdict(row), "hash": row.hashed()})
        self.connection.execute(_INSERT, asdict(row))
        return row


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
