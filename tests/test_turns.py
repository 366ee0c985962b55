"""Cases that take turns all have theirs."""

from __future__ import annotations

import pytest

from tests import turns

ROWS = [*range(7)]


@pytest.mark.parametrize("days", [1, 2, 3, 9])
def test_each_row_has_its_day(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FENRUN_NIGHTLY", raising=False)
    tried: list[int] = []
    for day in range(739_000, 739_000 + days):
        monkeypatch.setenv("FENRUN_DAY", str(day))
        today = turns.share(ROWS, days)
        assert today, "no day is idle"
        tried += today
    assert set(tried) == set(ROWS)
    assert sorted(tried) == ROWS or days > len(ROWS)


@pytest.mark.parametrize("said", [{"FENRUN_DAY": "all"}, {"FENRUN_NIGHTLY": "1"}])
def test_at_night_every_row_is_tried(said: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert turns.share(ROWS, 3) == ROWS
