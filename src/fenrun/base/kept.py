"""Findings that are kept to save time: JSON in a file that may be deleted.

Several processes may keep the same at once: each writes a file of its own and moves it to its
place, so nobody reads half of one. What cannot be read, or written, is found anew the next time.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
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
