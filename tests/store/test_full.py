"""A disk that is full at any size of what is written: refused, nothing lost, done again it is done.

Here files may not grow beyond some bytes, which the system refuses as it does on a full disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NIGHTLY = "FENRUN_NIGHTLY" in os.environ


@pytest.mark.in_turn(3)
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.store.full", str(tmp_path / "full")]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    tried = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [one for one in tried if one["left"] != "before" or one["again"] != "after"]
    assert not wrong, wrong[:3]
    assert len(tried) >= (60 if NIGHTLY else 8)
    assert {one["said"] for one in tried} <= {"workspace-unwritable", "EFBIG", "no scratch"}
