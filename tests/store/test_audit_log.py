"""The audit log: old logs are read, and what is no event is said in the reader's language."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fenrun.base.problem import Refused
from fenrun.store.audit_log import Log

KNOWN = datetime(2025, 1, 1)
AFTER = {"known": "2025-01-01T00:00:00Z", "source": "book.yaml", "files": {}}


def _log(path: Path) -> Log:
    """A log with two events."""
    log = Log(path / "log.db")
    for subject in ("one", "two"):
        _add(log, subject)
    return log


def _add(log: Log, subject: str) -> None:
    with log.writing() as writer:
        writer.add(KNOWN, "somebody", "import", "book", subject, "", {}, AFTER)


def _execute(log: Log, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(log.path)) as connection, connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("first", ["read", "written"])
def test_an_old_log_is_renamed_when_it_is_opened(tmp_path: Path, first: str) -> None:
    log = _log(tmp_path)
    before = log.events()
    _execute(log, "ALTER TABLE events RENAME TO acts")
    if first == "written":
        _add(log, "three")
    assert log.events()[:2] == before
    assert not log.broken(before[-1].hash)
    assert _execute(log, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("events",)]


def test_a_row_that_is_no_event_is_said_in_both_languages(tmp_path: Path) -> None:
    log = _log(tmp_path)
    _execute(log, "UPDATE events SET reason = x'00' WHERE seq = 2")
    with pytest.raises(Refused) as refused:
        log.events()
    (problem,) = refused.value.problems
    assert problem.code == "log-unreadable"
    assert "row 2 does not hold text" in problem.words("what")
    assert "第 2 行不是文本" in problem.words("what", "zh-CN")


def test_the_last_event_is_found_without_reading_the_others(tmp_path: Path) -> None:
    log = _log(tmp_path)
    assert log.last(("book", "closes")) == 2 and log.last(("closes",)) == 0
    _execute(log, "UPDATE events SET after = 'no JSON' WHERE seq = 1")
    assert log.last(("book",)) == 2
    assert [event.seq for event in log.events(after=1)] == [2] and not log.events(after=2)
    assert Log(tmp_path / "nowhere.db").last(("book",)) == 0
    log.path.write_bytes(b"no log" * 1000)
    with pytest.raises(Refused) as refused:
        log.last(("book",))
    assert refused.value.problems[0].code == "log-unreadable"


def test_events_that_are_not_committed_are_not_there(tmp_path: Path) -> None:
    log = _log(tmp_path)
    with pytest.raises(RuntimeError), log.writing() as writer:
        writer.add(KNOWN, "somebody", "import", "book", "three", "", {}, AFTER)
        raise RuntimeError
    assert len(log.events()) == 2
