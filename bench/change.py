"""The change job: one changed association, one late file, against settling everything anew."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fenrun.base.table import from_rows
from fenrun.base.when import parse_period
from fenrun.book.read import book_from
from fenrun.book.rows import Link
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from fenrun.world.charges import write_late
from fenrun.world.make import make_world
from fenrun.world.people import SINCE, YEAR, People, Size, customer_id, partner_id, people

_KNOWN = datetime(2026, 1, 1)
_PERIOD = parse_period(f"{YEAR}-06")


def run(rows: int, changes: int, progress: Callable[[int], Any] = lambda n: None) -> dict[str, Any]:
    """Settle June of a world, then move some customers, one at a time, and let a late file come.

    Returns seconds: of settling anew, of one change (median, 99th percentile, the largest
    customer's), of the late file. What comes out is compared with settling anew.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-change-") as scratch:
        store = Store(Path(scratch) / "workspace")
        for path, _ in make_world(Path(scratch) / "world", rows, 1).files:
            import_file(store, path, _KNOWN)
        progress(1)
        facts, world = facts_as_of(store, _KNOWN), people(Size.of(rows), 1)
        anew = _timed(lambda: facts.settle(_PERIOD, _KNOWN))
        progress(1)
        numbers = movable(world)
        step = max(1, len(numbers) // changes)
        seconds = []
        for count, number in enumerate(numbers[::step][:changes]):
            facts = replace(facts, book=[*facts.book, moved(world, number, count, 6)])
            seconds.append(_timed(partial(facts.settle, _PERIOD, _KNOWN)))
        progress(1)
        late = write_late(Path(scratch), world, 2)
        import_file(store, late, _KNOWN)
        added = next(i for i in store.imports("charges", _KNOWN) if i.source == late.name)
        facts = replace(facts, charges=(*facts.charges, added))
        late_s = _timed(lambda: facts.settle(_PERIOD, _KNOWN))
        progress(1)
        return {
            "rows": rows,
            "changes": len(seconds),
            "anew_s": round(anew, 3),
            "change_median_s": round(statistics.median(seconds), 3),
            "change_p99_s": round(sorted(seconds)[int(len(seconds) * 0.99) - 1], 3),
            "largest_customer_s": round(seconds[0], 3),
            "late_rows": pq.read_metadata(late).num_rows,
            "late_s": round(late_s, 3),
            "times_cheaper": round(anew / statistics.median(seconds), 1),
        }


def movable(world: People) -> list[int]:
    """The customers of a world who have one partner all along, and can be moved to the next."""
    return [
        n
        for n in range(world.size.customers)
        if 0 <= world.partner[n] < world.size.partners - 1 and n not in world.moves
    ]


def moved(world: People, number: int, count: int, month: int) -> Any:
    """A book source that becomes known later.

    From the eleventh of the month the customer is another partner's.
    """
    was, now = (partner_id(int(world.partner[number]) + n) for n in (0, 1))
    share = {"share": "80 %"} if number % 97 == 50 else {}
    rows = [
        {"party": was, "from": SINCE, "to": f"{YEAR}-{month:02}-11", **share},
        {"party": now, "from": f"{YEAR}-{month:02}-11"},
    ]
    book, _ = book_from(
        {
            "links": [
                (n, {"of": "customer", "subject": customer_id(number), "role": "partner", **row})
                for n, row in enumerate(rows, 2)
            ]
        },
        "change.csv",
    )
    return (
        f"change-{count}.csv",
        _KNOWN + timedelta(seconds=count + 1),
        {"links": from_rows(Link, book.links)},
    )


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
