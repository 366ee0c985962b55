"""Killed while it acts, a portal shows what was before or what comes after, once it runs again.

At night each act is killed at 12 lines, on both databases. What by day holds the same: a close that
was cut off, in test_at_once.py, and one that is stopped, in test_two_processes.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.portal.interleaved import ACTS
from tests.portal.served import DATABASES, PG, environment, postgresql

_ROOT = Path(__file__).parents[2]
_EACH = 12


@pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="at night")
@pytest.mark.parametrize("database", DATABASES)
def test_a_portal_that_is_killed_goes_on(database: str, tmp_path: Path) -> None:
    on_pg = database == "postgresql"
    if on_pg and not (PG / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    with postgresql() if on_pg else nullcontext("") as url:
        env = environment(tmp_path / "now" / "workspace", url, TMPDIR=str(tmp_path))
        words = [sys.executable, "-m", "tests.portal.killed", str(tmp_path), str(_EACH)]
        done = subprocess.run(
            words, cwd=_ROOT, env=env, capture_output=True, text=True, timeout=3600, check=False
        )
    assert done.returncode == 0, done.stderr[-3000:]
    tried = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [one for one in tried if one["left"] not in ("before", "after")]
    wrong += [one for one in tried if one["error"] or one["again"] != "after"]
    assert not wrong, wrong[:2]
    assert len({(one["act"], one["point"]) for one in tried}) >= _EACH * len(ACTS)
    for act in ACTS:
        assert {one["by"] for one in tried if one["act"] == act} == {"SIGKILL", "SIGTERM"}
