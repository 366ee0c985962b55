"""The worlds that are measured: one month, or a year as the demo has it, imported."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from bench.timing import Took, timed
from fenrun.base.table import from_rows
from fenrun.base.when import parse_period
from fenrun.book.read import book_from
from fenrun.book.rows import Link
from fenrun.engine.dialect import quoted
from fenrun.settle.facts import Facts
from fenrun.settle.imports import import_file, import_files
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.results import KEPT
from fenrun.settle.standing import Change
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.world.charges import write_month
from fenrun.world.make import make_world
from fenrun.world.people import (
    SINCE,
    YEAR,
    People,
    Size,
    customer_id,
    partner_id,
    people,
    write_book,
)

SEED = 1
KNOWN = datetime(YEAR + 2, 1, 1)
"""The moment from which all of a month is known."""
MONTH = 9
"""The month that is settled: a quarter's last."""
PERIOD = parse_period(f"{YEAR}-{MONTH:02}")
FEWEST = 60_000
"""The fewest charges of which months are kept: less is settled whole, in SQLite."""
Item = TypeVar("Item")


def people_of_month(rows: int) -> People:
    """Return who is there where a month has so many charges."""
    size = Size.of(rows)
    return people(replace(size, rows=rows * 12), SEED)


def import_month(folder: Path, rows: int) -> tuple[Store, Took]:
    """Write a month and its book, and import them.

    Returns the workspace, and what the import of the charges took.
    """
    world = people_of_month(rows)
    charges = write_month(folder / "charges", world, SEED, MONTH, lambda n: None)
    plan = folder / "plan.yaml"
    plan.write_text(
        resources.files("fenrun.world").joinpath("plan.yaml").read_text("utf-8"), "utf-8"
    )
    store = Store(folder / "workspace")
    for path in [*(path for path, _ in write_book(folder / "book", world, SEED)), plan]:
        import_file(store, path, KNOWN)
    took, _ = timed(lambda: list(import_files(store, charges, KNOWN)))
    return store, took


def month_in(folder: Path, rows: int) -> Store:
    """Return the month of so many charges that a folder has, or import it into that."""
    of_rows = folder / f"month-{rows}"
    if not (of_rows / "imported").exists():
        of_rows.mkdir(parents=True, exist_ok=True)
        import_month(of_rows, rows)
        (of_rows / "imported").touch()
    return Store(of_rows / "workspace")


def import_year(folder: Path, rows: int, months: int = 12, late: bool = False) -> Store:
    """Make a world's twelve months, and import the files that its first months need.

    Each becomes known on its day, the last those of two days after the last of the months.
    """
    store = Store(folder / "workspace")
    last_day = date(YEAR + months // 12, months % 12 + 1, 3)
    for path, day in make_world(folder / "world", rows, SEED, late=late).files:
        if day <= last_day:
            import_file(store, path, datetime.combine(day, time()))
    return store


def write_late(folder: Path, world: People, count: int, number: int) -> Path:
    """Write one more file of so many charges of the month; each number gives other charges."""
    some = replace(world, size=replace(world.size, rows=count * 12))
    written = write_month(folder / "late", some, SEED + number, MONTH, lambda n: None)
    return written[0].rename(folder / "late" / f"late-{number}.parquet")


def account_of(customer: str) -> str:
    """Return the account of a customer."""
    return f"A{int(customer[1:]):06d}"


def movable(world: People) -> list[int]:
    """Return the customers who have one partner all along, and can be moved to the next.

    The largest comes first.
    """
    return [
        number
        for number in range(world.size.customers)
        if 0 <= world.partner[number] < world.size.partners - 1 and number not in world.moves
    ]


def moved(world: People, number: int) -> Any:
    """Return a source of the book, known a second after all else, that moves a customer.

    From the eleventh of the month the customer is another partner's.
    """
    was, now = (partner_id(int(world.partner[number]) + more) for more in (0, 1))
    day = f"{YEAR}-{MONTH:02}-11"
    share = {"share": "80 %"} if number % 97 == 50 else {}
    rows = [{"party": was, "from": SINCE, "to": day, **share}, {"party": now, "from": day}]
    subject = {"of": "customer", "subject": customer_id(number), "role": "partner"}
    links = [(line, subject | row) for line, row in enumerate(rows, 2)]
    book, _ = book_from({"links": links}, "change.csv")
    known = KNOWN + timedelta(seconds=1)
    return f"change-{number}.csv", known, {"links": from_rows(Link, book.links)}


def spaced(items: Sequence[Item], count: int) -> list[Item]:
    """Return so many of some items (or all), from the first on, evenly spaced."""
    return list(items[:: max(1, len(items) // count)][:count])


def settled(facts: Facts) -> tuple[Took, Run]:
    """Settle the month. Return what that took, and the run."""
    return timed(lambda: facts.settle(PERIOD, KNOWN))


def settled_anew(facts: Facts, folder: Path) -> tuple[Took, Run]:
    """Settle the month as if nothing was kept of it; what then is goes into the folder."""
    return settled(replace(facts, kept=KeptMonths(Path(tempfile.mkdtemp(dir=folder)))))


def compared(one: Run, other: Run) -> int:
    """Return how many rows two runs have, in all tables that are kept.

    Raises AssertionError where they differ in any row, or in a problem.
    """
    rows = 0
    for name in KEPT:
        tables = [run.engine.query(f"FROM {quoted(name)} ORDER BY ALL") for run in (one, other)]
        if not tables[0].equals(tables[1]):
            raise AssertionError(f"{name} has other rows than settled anew")
        rows += tables[0].num_rows
    if one.problems != other.problems:
        raise AssertionError("there are other problems than settled anew")
    return rows


def compared_change(change: Change, anew: Run) -> int:
    """Return how many rows a change has, in all tables that say whose they are.

    Raises AssertionError where those of somebody whom it concerns differ from the run.
    """
    rows = 0
    for name in KEPT:
        some, whole = (_rows_of(change, run, name) for run in (change.run, anew))
        if some != whole:
            raise AssertionError(f"{name} has other rows than settled anew")
        rows += len(some)
    return rows


def _rows_of(change: Change, run: Run, name: str) -> list[str]:
    """Return the rows of a table that are of somebody whom a change concerns, in order."""
    rows = run.engine.table(name).to_pylist()
    return sorted(
        repr(_plain(row)) for row in rows if "payee" in row and change.concerns(row["payee"])
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with amounts that are equal if they are, whatever their decimals."""
    return {
        name: value.normalize() if isinstance(value, Decimal) else value
        for name, value in row.items()
    }
