"""Facts about the charges of an import, as its manifest says them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.money import plain
from fenrun.charges.coded import Coded
from fenrun.charges.rows import COSTS, SHARED
from fenrun.charges.staged import Charges, moment_text
from fenrun.charges.stored import ACCOUNTS, CELLS, charges_of


def billing_facts(charges: Charges | pa.Table) -> dict[str, Any]:
    """Return facts about charges; a table has the columns of `load_charges`.

    `first_billed`, `last_billed`: the first and last day on which a billing period begins.
    `first_start`, `last_start`: the first and last moment at which a charge period does.
    `corrections`: how many charges are of the class Correction. `scale`, `largest`: the decimals
    of the costs, and the largest of any, without its sign. `same`: the columns of SHARED in which
    all rows hold one value, with that value.
    """
    charges = charges_of(charges) if isinstance(charges, pa.Table) else charges
    columns = charges.columns
    billed = pc.min_max(columns["BillingPeriodStart"]).as_py()
    start = pc.min_max(columns["ChargePeriodStart"]).as_py()
    costs: list[Any] = [columns[name] for name in COSTS if name in columns]
    shared = {column: _shared(columns[column]) for column in SHARED}
    return {
        "first_billed": str(billed["min"].date()) if billed["min"] else "",
        "last_billed": str(billed["max"].date()) if billed["max"] else "",
        "first_start": start["min"].isoformat() if start["min"] else "",
        "last_start": start["max"].isoformat() if start["max"] else "",
        "corrections": _corrections(columns.get("ChargeClass")),
        "scale": max((cost.type.scale for cost in costs), default=0),
        "largest": plain(max(map(_largest, costs), default=Decimal(0))),
        "same": {
            name: value for name, value in shared.items() if value is not None and "\0" not in value
        },
    }


def stored_facts(folder: Path) -> dict[str, Any]:
    """Return how many accounts and cells the files of an import have."""
    counted = {"accounts": ACCOUNTS, "cells": CELLS}
    return {name: pq.read_metadata(folder / file).num_rows for name, file in counted.items()}


def _largest(cost: pa.Array) -> Decimal:
    ends: list[Decimal | None] = list(pc.min_max(cost).as_py().values())
    return max(abs(end or Decimal(0)) for end in ends)


def _corrections(column: Coded | None) -> int:
    if column is None:
        return 0
    place = pc.index(column.values, "Correction").as_py()
    return int(column.counts[place]) if place >= 0 else 0


def _shared(column: Coded | pa.Array) -> str | None:
    """Return the value that all rows hold, as text; None where they do not hold one."""
    if isinstance(column, Coded):
        is_shared = len(column.values) == 1 and not column.counts[-1]
        return str(column.values[0].as_py()) if is_shared else None
    if column.null_count or not len(column):
        return None
    ends = pc.min_max(column).as_py()
    return moment_text(ends["min"]) if ends["min"] == ends["max"] else None
