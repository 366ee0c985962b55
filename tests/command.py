"""Runs the command line as a user does, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def fenrun(*words: object, lang: str = "en", folder: Path | None = None) -> Done:
    """Run `fenrun` with the words."""
    env = {**os.environ, "COLUMNS": "160", "FENRUN_LANG": lang, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "fenrun", *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env,
        cwd=folder,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
