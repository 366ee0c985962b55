"""Folders that stay as long as a process, or a run of tests in it, and no longer."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

_KEPT: list[Path] = []


def kept_folder(kind: str) -> Path:
    """Make a folder that stays until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"fenrun-{kind}-"))
    _KEPT.append(folder)
    return folder


def remove_kept() -> None:
    """Remove them all. A worker of tests is ended without what Python does at exit."""
    while _KEPT:
        shutil.rmtree(_KEPT.pop(), ignore_errors=True)


atexit.register(remove_kept)
