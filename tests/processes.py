"""Starts processes that have read fenrun's code already: a fork, not two seconds of imports.

Each is a process of its own, with its own environment, folder and streams. That the command line
starts from nothing is held where it matters: in tests/test_wheel.py and tests/store/test_kill.py.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.preloaded"])


def start(
    work: Callable[..., Any], *given: Any, out: Path, err: Path, env: dict[str, str], cwd: Path
) -> ForkServerProcess:
    """Start `work(*given)` in a process of its own; what it says goes into the two files.

    A pipe in the place of a file is opened when its reader is there.
    """
    where = (str(out), str(err), env, str(cwd))
    process = _FORKS.Process(target=_inside, args=(where, work, given))
    process.start()
    return process


def _inside(
    where: tuple[str, str, dict[str, str], str], work: Callable[..., Any], given: Any
) -> None:
    """Be a process as a shell starts it, then work."""
    out, err, env, cwd = where
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    for number, name in enumerate((os.devnull, out, err)):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        opened = os.open(name, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", closefd=False)  # noqa: SIM115
    from tests.preloaded import read_settings_anew

    read_settings_anew()
    try:
        work(*given)
    finally:
        sys.stdout.flush()


def command(*words: str) -> None:
    """Be `fenrun` with these words."""
    from fenrun.cli import main

    sys.argv = ["fenrun", *words]
    main()
