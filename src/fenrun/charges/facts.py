"""Facts about the charges of an import, as its manifest says them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.money import plain
from fenrun.charges.coded import coded
from fenrun.charges.rows import COSTS, SHARED
from fenrun.charges.staged import moment_text
from fenrun.charges.stored import ACCOUNTS, CELLS


def billing_facts(table: pa.Table) -> dict[str, Any]:
    """Return facts about charges, a row each as the store gives them.

    `first_billed`, `last_billed`: the first and last day on which a billing period begins.
    `first_start`, `last_start`: the first and last moment at which a charge period does.
    `corrections`: how many charges are of the class Correction. `scale`, `largest`: the decimals
    of the costs, and the largest of any, without its sign. `same`: the columns of SHARED in which
    all rows hold one value, with that value.
    """
    billed = pc.min_max(table["BillingPeriodStart"]).as_py()
    start = pc.min_max(table["ChargePeriodStart"]).as_py()
    corrections = 0
    if "ChargeClass" in table.column_names:
        corrections = pc.sum(pc.equal(table["ChargeClass"], "Correction")).as_py() or 0
    costs = [table[name] for name in COSTS if name in table.column_names]
    shared = {column: _shared(table[column]) for column in SHARED}
    return {
        "first_billed": str(billed["min"].date()) if billed["min"] else "",
        "last_billed": str(billed["max"].date()) if billed["max"] else "",
        "first_start": start["min"].isoformat() if start["min"] else "",
        "last_start": start["max"].isoformat() if start["max"] else "",
        "corrections": corrections,
        "scale": max(cost.type.scale for cost in costs),
        "largest": plain(max(map(_largest, costs))),
        "same": {
            name: value for name, value in shared.items() if value is not None and "\0" not in value
        },
    }


def stored_facts(folder: Path) -> dict[str, Any]:
    """Return how many accounts and cells the files of an import have."""
    counted = {"accounts": ACCOUNTS, "cells": CELLS}
    return {name: pq.read_metadata(folder / file).num_rows for name, file in counted.items()}


def _largest(cost: pa.ChunkedArray) -> Decimal:
    ends: list[Decimal | None] = list(pc.min_max(cost).as_py().values())
    return max(abs(end or Decimal(0)) for end in ends)


def _shared(column: pa.ChunkedArray) -> str | None:
    """Return the value that all rows hold, as text; None where they do not hold one."""
    if column.null_count or not len(column):
        return None
    if pa.types.is_timestamp(column.type):
        found = pc.min_max(column).as_py()
        return moment_text(found["min"]) if found["min"] == found["max"] else None
    values = coded(column).packed().values
    return str(values[0].as_py()) if len(values) == 1 else None
