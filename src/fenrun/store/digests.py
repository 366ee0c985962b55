"""The digests of files in a workspace: read anew, or as they were when nothing has changed since.

What is kept of them is a cache: deleting it changes nothing but time. It says which digest a file
had with a certain inode, size and times; a file that is written, replaced or put back has others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fenrun.base.ids import file_digest
from fenrun.base.kept import keep, read_kept

_KEPT = "cache/digests.json"
_SETTLES = 2_000_000_000
"""Nanoseconds within which a file can change twice at what the system calls one time."""
_read: dict[Path, dict[str, Any]] = {}
"""What this process knows of each workspace: by path in it, what was seen of a file."""


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file in a folder, by name; none where there is no folder.

    It is empty for a file that cannot be read.
    """
    return {name: _digest(Path(path)) for name, path in _files(folder)}


def digests_as_seen(workspace: Path, folders: Sequence[Path]) -> list[dict[str, str]]:
    """Return the same of folders of a workspace, reading only files that have changed since."""
    if workspace not in _read:
        _read[workspace] = _kept(workspace)
    seen, new, found = _read[workspace], {}, []
    for folder in folders:
        named, at = {}, folder.relative_to(workspace).as_posix()
        for in_folder, path in _files(folder):
            name, state = f"{at}/{in_folder}", _state(path)
            known = seen.get(name)
            if not (state and isinstance(known, list) and known[:-1] == state):
                known = [*(state or ()), _digest(Path(path))]
                if state and _is_settled(path, state):
                    new[name] = known
            named[in_folder] = str(known[-1])
        found.append(named)
    if new:
        seen.update(new)
        keep(workspace / _KEPT, dict(seen))
    return found


def _files(folder: Path) -> list[tuple[str, str]]:
    """Return the files in a folder: the name of each there, and its path."""
    found, root = [], os.fspath(folder)
    for at, _, names in os.walk(root):
        inside = at[len(root) + 1 :].replace(os.sep, "/")
        before = f"{inside}/" if inside else ""
        found += [(f"{before}{name}", os.path.join(at, name)) for name in names]
    return sorted(one for one in found if os.path.isfile(one[1]))


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return ""


def _state(path: str) -> list[int] | None:
    """Return by what a change of a file is noticed; None where it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _is_settled(path: str, state: list[int]) -> bool:
    """Return whether a file is still as it was before it was read, and would show a change."""
    return _state(path) == state and max(state[-2:]) < time.time_ns() - _SETTLES


def _kept(workspace: Path) -> dict[str, Any]:
    found = read_kept(workspace / _KEPT)
    return found if isinstance(found, dict) else {}
