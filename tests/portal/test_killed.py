"""Killed while it acts, a portal shows what was before or what comes after, once it runs again.

At night each act is killed at 12 lines, on both databases. What by day holds the same: a close that
was cut off, in test_at_once.py, and one that is stopped, in test_two_processes.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.portal.interleaved import ACTS
from tests.portal.served import DATABASES, tried

_EACH = 12


@pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="at night")
@pytest.mark.parametrize("database", DATABASES)
def test_a_portal_that_is_killed_goes_on(database: str, tmp_path: Path) -> None:
    found = tried(database, tmp_path, "tests.portal.killed", _EACH)
    wrong = [one for one in found if one["left"] not in ("before", "after")]
    wrong += [one for one in found if one["error"] or one["again"] != "after"]
    assert not wrong, wrong[:2]
    assert len({(one["act"], one["point"]) for one in found}) >= _EACH * len(ACTS)
    for act in ACTS:
        assert {one["by"] for one in found if one["act"] == act} == {"SIGKILL", "SIGTERM"}
