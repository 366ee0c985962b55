"""The mending of rows that were kept aside: corrected by a person, they come in as an import.

It names the import and the rows that it mends; these count as kept aside no longer, and come and go
with the import that they are of.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from fenrun.base.ids import short
from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.charges.mendable import MendableRow, MendableRows, Mended, read_mendable
from fenrun.charges.read import import_named, stage_charges
from fenrun.charges.source import Said
from fenrun.charges.staged import FIRST_ROW
from fenrun.settle.deliveries import mends_of
from fenrun.store.audit_log import Writer
from fenrun.store.facts import Import, Imported, Replaced, Store, verified

_LONGEST_STEM = 60
_MOST_NAMED = 20
Changes = Mapping[int, Mapping[str, str]]
"""What is to stand in which columns of which rows, by their numbers in the file."""


def rows_to_mend(store: Store, item: Import, known: datetime) -> MendableRows:
    """Return the rows of an import of charges that may be mended: kept aside, and not decided.

    Raises Refused for edited files.
    """
    verified([item])
    decisions = store.imports("deliveries", known)
    rows = read_mendable(item)
    if any(one.facts["of"] == item.id and one.facts.get("left_out") for one in decisions):
        return rows.of([])
    mends = mends_of(store.imports("charges", known), item.id)
    return rows.without({row for one in mends for row in one.facts["mends"]["rows"]})


def mend_rows(store: Store, name: str, changes: Changes, known: datetime) -> Imported:
    """Import rows that were kept aside as they are mended, known from a moment (UTC) on.

    All or none: raises Refused where one of them would be kept aside again, is not kept aside, or
    is decided about meanwhile.
    """
    item = import_named(store.imports("charges", known), Place(str(store.path)), name)
    rows = _chosen(store, item, changes, known)
    billed: dict[str, Decimal] = {}
    for row in rows:
        currency, amount = row.billed()
        billed[currency] = billed.get(currency, Decimal(0)) + amount
    mends = {
        "of": item.id,
        "rows": [row.row for row in rows],
        "billed": {name: plain(billed[name]) for name in sorted(billed)},
    }

    def check_unchanged(log: Writer) -> None:
        in_force = {one.id for one in store.imports("charges", known)}
        if item.id not in in_force or _chosen(store, item, changes, known) != rows:
            raise refused("decided-meanwhile", Place(item.source), id=short(item.id))

    with tempfile.TemporaryDirectory(prefix="fenrun-") as folder:
        path = Path(folder) / f"{Path(item.source).stem[:_LONGEST_STEM]}-mended.csv"
        _write(path, [{**row.values, **changes[row.row]} for row in rows])
        mended = Mended(mends, check_unchanged)
        try:
            said = Said(zone=item.facts.get("zone", ""))
            enter = stage_charges(store, path, said_of_it=said, known=known, mended=mended)
            return enter(known, Replaced())
        except Refused as refusal:
            raise Refused(_in_the_file(one, item, rows) for one in refusal.problems) from refusal


def _in_the_file(problem: Problem, item: Import, rows: Sequence[MendableRow]) -> Problem:
    """Return a problem of mended rows with its place in the file that they are of."""
    number = problem.place.row - FIRST_ROW if problem.place.row else -1
    row = rows[number].row if 0 <= number < len(rows) else 0
    return replace(problem, place=Place(item.source, row, problem.place.column))


def _chosen(store: Store, item: Import, changes: Changes, known: datetime) -> list[MendableRow]:
    """Return the rows that are to be mended. Raises Refused where one may not be."""
    chosen = list(rows_to_mend(store, item, known).of(changes.keys()))
    others = sorted(changes.keys() - {row.row for row in chosen})
    if others or not changes:
        said = ", ".join(map(str, others[:_MOST_NAMED])) or "-"
        raise refused("row-not-aside", Place(item.source), rows=said, id=short(item.id))
    for row in chosen:
        if unknown := sorted(changes[row.row].keys() - row.values.keys()):
            place = Place(item.source, row.row, unknown[0])
            raise refused("set-column", place, column=unknown[0], columns=", ".join(row.values))
    return chosen


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
