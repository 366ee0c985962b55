"""The months in which a workspace has charges: those that people are shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from fenrun.base.when import Period, parse_period
from fenrun.charges.stored import load_charges
from fenrun.engine.codes import month_number, month_of
from fenrun.engine.duckdb import DuckDB
from fenrun.store.facts import Import, Store

_A_YEAR = 12
_MONTHS = """
SELECT DISTINCT CAST(date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) AS DATE) AS day
FROM stored"""


def billed_months(store: Store) -> list[Period]:
    """Return the months between the first and the last in which each import has charges, in order.

    Of an import that spans more than a year those in which it has some: one row can be decades
    away.
    """
    found = {month for item in store.imports("charges") for month in _months_of(item)}
    return [parse_period(f"{month_of(month):%Y-%m}") for month in sorted(found)]


def _months_of(item: Import) -> Iterable[int]:
    first, last = item.facts.get("first_billed"), item.facts.get("last_billed")
    if not (first and last):
        return ()
    start, end = (_month(date.fromisoformat(day)) for day in (first, last))
    return range(start, end + 1) if end - start < _A_YEAR else _with_charges(item.id, item.folder)


def _month(day: date) -> int:
    """Return the number of the month that is billed from a day on: from its last, of the next."""
    return month_number(day + timedelta(days=1))


@lru_cache(maxsize=1000)
def _with_charges(import_id: str, folder: Path) -> frozenset[int]:
    engine = DuckDB()
    load_charges(engine, "stored", [Import(import_id, "charges", "", datetime.min, folder)])
    return frozenset(month_number(day) for day in engine.query(_MONTHS)["day"].to_pylist())
