"""What work takes: wall and CPU seconds, and the peak memory of a process of its own."""

from __future__ import annotations

import math
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

Result = TypeVar("Result")
Step = Callable[[int], Any]
"""Told of each step that is done, for a progress bar."""


def no_step(count: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Took:
    """What a piece of work took."""

    wall: float
    """Seconds by the clock."""
    cpu: float
    """Seconds of all threads of the process."""
    peak_mb: int
    """Peak memory of the process until then."""

    def __add__(self, other: Took) -> Took:
        """Return what this and another piece of work took together."""
        peak = max(self.peak_mb, other.peak_mb)
        return Took(self.wall + other.wall, self.cpu + other.cpu, peak)


def timed(work: Callable[[], Result]) -> tuple[Took, Result]:
    """Do some work. Return what it took, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu, peak_mb()), result


def apart(work: Callable[..., Result], *given: Any) -> Result:
    """Do some work in a new process, in which libraries are loaded. Return its result."""
    with multiprocessing.get_context("spawn").Pool(1, _load_libraries) as pool:
        return pool.apply(work, given)


def _load_libraries() -> None:
    """Have pyarrow load pandas, where that is installed, as its first array of objects does."""
    pa.array([0])


def in_turns(
    repeats: int, works: Mapping[str, Callable[[], Took]], step: Step
) -> dict[str, list[Took]]:
    """Do all of some work, one after the other, so many times. Return what each took."""
    found: dict[str, list[Took]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(work())
        step(1)
    return found


def median(tooks: Sequence[Took], kind: str = "wall") -> float:
    """Return the median of seconds, of `wall` or `cpu`."""
    return float(statistics.median(getattr(took, kind) for took in tooks))


def ratio(one: Sequence[Took], other: Sequence[Took]) -> float:
    """Return how many times the median seconds of other work some work took."""
    return round(median(one) / median(other), 2)


def medians(name: str, tooks: Sequence[Took]) -> dict[str, float]:
    """Return median seconds, as `NAME_s` and, of CPU, `NAME_cpu_s`."""
    return {
        f"{name}_s": round(median(tooks), 4),
        f"{name}_cpu_s": round(median(tooks, "cpu"), 4),
    }


def seconds(name: str, took: Took) -> dict[str, float]:
    """Return seconds, as `NAME_s` and, of CPU, `NAME_cpu_s`."""
    return {f"{name}_s": round(took.wall, 4), f"{name}_cpu_s": round(took.cpu, 4)}


def spread(name: str, tooks: Sequence[Took]) -> dict[str, float]:
    """Return the median and the 99th percentile of seconds, wall and CPU."""
    found = {}
    for kind, unit in (("wall", "s"), ("cpu", "cpu_s")):
        rising = sorted(getattr(took, kind) for took in tooks)
        found[f"{name}_median_{unit}"] = round(statistics.median(rising), 4)
        found[f"{name}_p99_{unit}"] = round(rising[math.ceil(len(rising) * 0.99) - 1], 4)
    return found


def most_mb(tooks: Sequence[Took]) -> int:
    """Return the largest peak memory in MB."""
    return max(took.peak_mb for took in tooks)


def peak_mb() -> int:
    """Return the peak memory of this process in MB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes // (1024 * 1024 if sys.platform == "darwin" else 1024)
