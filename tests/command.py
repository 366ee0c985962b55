"""Runs the command line as a user does, in a process of its own."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import command, start


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
    with tempfile.TemporaryDirectory(prefix="fenrun-said-") as said:
        out, err = Path(said) / "out", Path(said) / "err"
        process = start(
            command, *map(str, words), out=out, err=err, env=env, cwd=folder or Path.cwd()
        )
        process.join(300)
        assert process.exitcode is not None, f"{words} does not end"
        return Done(process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def what_is_known(workspace: Path) -> dict[str, bytes]:
    """Return a workspace's files by path in it; not its cache, without which it knows as much.

    What a cache gets depends on the clock: only of a file that has settled is its digest kept.
    """
    return {
        path.relative_to(workspace).as_posix(): path.read_bytes()
        for path in sorted(workspace.rglob("*"))
        if path.is_file()
        and "cache" not in path.relative_to(workspace).parts
        and not path.name.startswith("log.db-")
    }
