"""Findings that are kept to save time: JSON in a file, or a folder of files, that may be deleted.

Several processes may keep the same at once: each writes a file or folder of its own and moves it
to its place, so nobody reads half of one. What cannot be read or written is found anew.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def read_kept(path: Path) -> Any:
    """Return what is kept in a file; None where nothing readable is."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def keep(path: Path, value: Any) -> None:
    """Keep a value in a file, where its folder can be written."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(value, file, default=dict)
            os.replace(scratch, path)
        except BaseException:
            os.unlink(scratch)
            raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to write into, which takes its place at the end of the block.

    What was there goes. Raises OSError, also where somebody else kept the same at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
    try:
        yield scratch
        shutil.rmtree(path, ignore_errors=True)
        os.replace(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
