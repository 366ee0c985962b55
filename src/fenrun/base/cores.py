"""Work on all cores: threads, for libraries that let others run while they calculate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_FEWEST = 1 << 16
"""Rows for which threads are begun: of fewer, they take longer than the work."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def on_all_cores(work: Callable[[Item], Result], items: Iterable[Item], rows: int) -> list[Result]:
    """Return the results of some work on each of the items, in their order. Raises what it does.

    Each is a column of so many rows, or the like.
    """
    if rows < _FEWEST:
        return [work(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))
