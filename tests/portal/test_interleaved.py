"""Two processes import, settle, close, approve and consent at once: one after the other comes out.

At night 25 pairs are held at 9 points each, on both databases; by day one, at two points.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.portal.interleaved import ACTS, BY_DAY
from tests.portal.served import DATABASES, PG, environment, postgresql

ROOT = Path(__file__).parents[2]
NIGHTLY = "FENRUN_NIGHTLY" in os.environ
EACH = 9 if NIGHTLY else 2


@pytest.mark.parametrize("database", DATABASES if NIGHTLY else DATABASES[:1])
def test_two_acts_at_once_are_as_one_after_the_other(database: str, tmp_path: Path) -> None:
    on_pg = database == "postgresql"
    if on_pg and not (PG / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    with postgresql() if on_pg else nullcontext("") as url:
        env = environment(tmp_path / "now" / "workspace", url, TMPDIR=str(tmp_path))
        words = [sys.executable, "-m", "tests.portal.interleaved", str(tmp_path), str(EACH)]
        done = subprocess.run(
            words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=7200, check=False
        )
    assert done.returncode == 0, done.stderr[-3000:]
    tried = [json.loads(line) for line in done.stdout.splitlines()]
    (tmp_path / "tried.json").write_text(done.stdout, "utf-8")
    assert not [one for one in tried if one["wrong"]], [one for one in tried if one["wrong"]][:2]
    unsaid = [one for one in tried if re.search("Error|does not end", str(one["said"]))]
    assert not unsaid, unsaid[:2]
    pairs = Counter((one["held"], one["other"]) for one in tried)
    assert pairs.keys() == ({(a, b) for a in ACTS for b in ACTS} if NIGHTLY else set(BY_DAY))
    # A point that an act did not come to is no try, nor is the same point twice.
    distinct = {(one["held"], one["other"], one["point"]) for one in tried if one["place"]}
    assert len(distinct) >= (200 if NIGHTLY else EACH), len(distinct)
    assert not NIGHTLY or any(one["waited"] for one in tried)
