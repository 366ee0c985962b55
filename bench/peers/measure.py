"""fenrun's own common job and its peers, measured in turns on one folder."""

from __future__ import annotations

import importlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import job
from bench.month import peak
from bench.peers import INSTALL, PEERS, installed

OWN = "fenrun"


def run(
    folder: Path,
    only: Sequence[str] = (),
    repeats: int = 3,
    progress: Callable[[int], Any] = lambda n: None,
) -> list[dict[str, Any]]:
    """A row for fenrun and each peer.

    Median seconds, charges a second, the largest peak memory in MB, whether every earnings.csv
    had fenrun's bytes, and
    how many times faster fenrun is.

    Every run has a process of its own. Its seconds begin when `run` of its module is called:
    libraries are loaded by then, fenrun's and the peer's alike.
    """
    wanted = [name for name in PEERS if not only or name in only]
    names = [OWN, *(name for name in wanted if installed(name))]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peaks, exact, lines = dict.fromkeys(names, 0), dict.fromkeys(names, True), 0
    with tempfile.TemporaryDirectory(prefix="fenrun-peers-") as scratch:
        for _ in range(repeats):
            expected = b""
            for name in names:
                out = Path(scratch) / f"{name}.csv"
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    took, most, counted = pool.apply(_measured, (name, str(folder), str(out)))
                seconds[name].append(took)
                peaks[name], lines = max(peaks[name], most), lines or counted
                expected = expected or out.read_bytes()
                exact[name] &= out.read_bytes() == expected
                progress(1)
    own = statistics.median(seconds[OWN])
    return [
        _row(name, statistics.median(seconds[name]), lines, peaks[name], exact[name], own)
        if name in names
        else {"name": name, "installed": False, "install": INSTALL}
        for name in (OWN, *wanted)
    ]


def _row(
    name: str, seconds: float, lines: int, most: int, exact: bool, own: float
) -> dict[str, Any]:
    return {
        "name": name,
        "installed": True,
        "seconds": round(seconds, 3),
        "lines_per_s": round(lines / seconds),
        "peak_mb": most,
        "exact": exact,
        "fenrun_times_faster": round(seconds / own, 3),
    }


def _measured(name: str, folder: str, out: str) -> tuple[float, int, int]:
    """Seconds, peak memory in MB and, of fenrun, the number of charges."""
    settle = job.run if name == OWN else importlib.import_module(f"{__package__}.{PEERS[name]}").run
    start = time.perf_counter()
    said = settle(Path(folder), Path(out))
    return time.perf_counter() - start, peak(), said["lines"] if name == OWN else 0
