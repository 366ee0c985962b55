"""A clock that is ahead or behind: said, nothing lost, and what comes after goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.cli import import_
from fenrun.closing.close import close, closes, settle_period
from fenrun.settle.imports import import_file
from fenrun.statement.rows import statement_of
from fenrun.store.facts import Store
from tests.command import fenrun
from tests.store.harness import KNOWN, write_files

AUGUST, SEPTEMBER = parse_period("2024-08"), parse_period("2024-09")
AHEAD, TRUE = datetime(2094, 1, 1), datetime(2024, 10, 6)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """August is closed by a clock that was seventy years ahead; by now it is right again."""
    write_files(tmp_path / "files")
    found = Store(tmp_path / "ws")
    for name in ("plan.yaml", "book.yaml"):
        import_file(found, tmp_path / "files" / name, KNOWN)
    found.now = AHEAD
    import_file(found, tmp_path / "files/august.csv", AHEAD)
    close(found, AUGUST)
    found.now = TRUE
    return found


def test_what_was_closed_by_a_clock_that_was_ahead_locks_nothing_out(store: Store) -> None:
    """100 at 10 %: closed. 7 come late, 50 in September: 0.70 and 5.00."""
    files = store.path.parent / "files"
    with mock.patch.object(import_, "now", lambda: TRUE):
        said = fenrun("import", store.path, files / "late.csv", files / "september.csv")
    assert said.code == 0, said.err
    assert "clock-behind" in said.err and "from 2094-01-01T00:00:01Z" in said.err
    assert close(store, SEPTEMBER).known == AHEAD + timedelta(seconds=1)
    run = settle_period(store, SEPTEMBER).run
    assert statement_of(run, "P1").earned == Decimal(5)
    assert [(d.what, d.amount) for d in run.booked if d.what == "paid"] == [
        ("paid", Decimal("0.7"))
    ]
    assert statement_of(settle_period(store, AUGUST).run, "P1").earned == Decimal(10)
    assert [done.period for done in closes(store)] == [AUGUST, SEPTEMBER] and not store.broken()


def test_a_moment_is_in_the_future_only_after_all_that_is_there(store: Store) -> None:
    path = store.path.parent / "files/late.csv"
    for known in (AHEAD + timedelta(days=1), AHEAD + timedelta(seconds=2)):
        with pytest.raises(Refused, match="lies in the future"):
            import_file(store, path, known)
    assert store.moment(TRUE) == AHEAD + timedelta(seconds=1)
    assert store.moment(AHEAD) == AHEAD and not store.clock_problems(AHEAD)
    import_file(store, path, store.moment(TRUE))
