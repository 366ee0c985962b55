"""When something was done stands beside what was known: in the log, of a close, on statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from fenrun.base.when import parse_moment, parse_period, show_moment
from fenrun.closing.close import closes
from fenrun.closing.keys import rotate
from fenrun.settle.runs import settle_workspace
from tests.closing.test_closing import Year
from tests.command import fenrun


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """January of 2024, closed today as it was known on 3 February."""
    made = Year(tmp_path_factory.mktemp("year"))
    made.store.clock = lambda: datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    made.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    settle_workspace(made.store, parse_period("2024-01"))
    made.close("2024-01", "2024-02-03")
    rotate(made.store)
    yield made


def _is_today(at: str) -> bool:
    now = datetime.now(UTC).replace(tzinfo=None)
    return now - timedelta(hours=1) < parse_moment(at) <= now


def test_every_event_is_dated_when_it_was_done(year: Year) -> None:
    events = year.store.log.events()[2:]  # after plan and book, before which no clock was set
    assert {event.kind for event in events} == {"charges", "runs", "key", "closes"}
    assert [event.act for event in events if not _is_today(event.at)] == []
    assert {event.facts()["known"][:4] for event in events if event.kind != "key"} == {"2024"}


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_commands_say_when_a_period_was_closed(year: Year, tmp_path: Path, lang: str) -> None:
    workspace, at = year.store.path, show_moment(closes(year.store)[0].at)
    statement = ("statement", workspace, "P1", "--period", "2024-01")
    for words in (
        ("settle", workspace, "--period", "2024-01"),
        statement,
        ("audit", "show", workspace),
    ):
        said = fenrun(*words, lang=lang).out
        assert at in said and "2024-02-03T00:00:00Z" in said, said
    done = fenrun(*statement, "--format", "xlsx", "--out", tmp_path / "one.xlsx", lang=lang)
    assert done.code == 0, done.err
    sheet = openpyxl.load_workbook(tmp_path / "one.xlsx").active
    assert sheet is not None
    cells = [cell.value for row in sheet.iter_rows(max_row=6) for cell in row]
    assert at in cells and "2024-02-03T00:00:00Z" in cells


def test_the_close_itself_says_both_times(tmp_path: Path) -> None:
    year = Year(tmp_path)
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    done = fenrun("close", year.store.path, "--period", "2024-01", "--known", "2024-02-03")
    (closed,) = closes(year.store)
    said = done.out.splitlines()[0]
    assert said.startswith(f"Closed 2024-01 at {show_moment(closed.at)}, as known at 2024-02-03T00")
    assert _is_today(show_moment(closed.at))
