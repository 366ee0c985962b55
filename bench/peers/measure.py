"""fenrun's own common job and its peers, measured in turns on one folder."""

from __future__ import annotations

import importlib
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import job, timing
from bench.peers import INSTALL, PEERS, installed
from bench.timing import Step, Took, no_step

OWN = "fenrun"


def run(
    folder: Path, only: Sequence[str] = (), repeats: int = 3, step: Step = no_step
) -> list[dict[str, Any]]:
    """Do the common job with fenrun and with each peer, in turns, each time in a new process.

    Returns a row for each: median seconds, charges a second, the largest peak memory, whether
    every earnings.csv had fenrun's bytes, and how many times faster fenrun is, with all that it
    does and with no more than settling what it has imported.

    Seconds begin when `run` of the module is called: libraries are loaded by then, fenrun's and
    the peer's alike.
    """
    wanted = [name for name in PEERS if not only or name in only]
    names = [OWN, *(name for name in wanted if installed(name))]
    tooks: dict[str, list[Took]] = {name: [] for name in names}
    exact, own = dict.fromkeys(names, True), []
    with tempfile.TemporaryDirectory(prefix="fenrun-peers-") as scratch:
        for _ in range(repeats):
            expected = b""
            for name in names:
                out = Path(scratch) / f"{name}.csv"
                took, said = timing.apart(_run, name, str(folder), str(out))
                tooks[name].append(took)
                own += [said] if name == OWN else []
                expected = expected or out.read_bytes()
                exact[name] &= out.read_bytes() == expected
                step(1)
    settle_s = statistics.median(said["settle_s"] for said in own)
    row = partial(_row, lines=own[0]["lines"], own=timing.median(tooks[OWN]), settle_s=settle_s)
    return [
        row(name, tooks[name], exact[name])
        if name in names
        else {"name": name, "installed": False, "install": INSTALL}
        for name in (OWN, *wanted)
    ]


def _row(
    name: str, tooks: Sequence[Took], exact: bool, lines: int, own: float, settle_s: float
) -> dict[str, Any]:
    seconds = timing.median(tooks)
    return {
        "name": name,
        "installed": True,
        "seconds": round(seconds, 3),
        "cpu_s": round(timing.median(tooks, "cpu"), 3),
        "lines_per_s": round(lines / seconds),
        "peak_mb": timing.most_mb(tooks),
        "exact": exact,
        "fenrun_times_faster": round(seconds / own, 3),
        "fenrun_settle_s": settle_s,
        "fenrun_settle_times_faster": round(seconds / settle_s, 3),
    }


def _run(name: str, folder: str, out: str) -> tuple[Took, Any]:
    """Do the job. Return what that took, and what `run` of the module returns."""
    settle = job.run if name == OWN else importlib.import_module(f"{__package__}.{PEERS[name]}").run
    return timing.timed(lambda: settle(Path(folder), Path(out)))
