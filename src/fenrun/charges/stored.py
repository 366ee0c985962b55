"""Stored charges: those of several imports as one table of the engine, and facts about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fenrun.charges.rows import SHARED, empty_schema
from fenrun.engine.dialect import literal
from fenrun.engine.port import Engine
from fenrun.store.facts import Import


def load_charges(
    engine: Engine, name: str, imports: Sequence[Import], only: Mapping[str, str] | None = None
) -> None:
    """Make the charges of the imports known to the engine under a name.

    `only` gives, for some imports by id, the condition in SQL on those rows that are meant. What
    all rows of a file share stands in the view as a constant: it is neither read nor compared row
    by row.
    """
    only = only or {}
    files = {item.folder / "charges.parquet": item for item in imports}
    wanted = {path: only[item.id] for path, item in files.items() if item.id in only}
    shared = {path: _constants(item) for path, item in files.items()}
    engine.load_files(name, list(files), empty_schema(), wanted, shared)


def _constants(item: Import) -> dict[str, str]:
    """Return the SQL of what all rows of an import hold in a column."""
    return {
        column: f"TIMESTAMP {literal(value)}" if column == "BillingPeriodStart" else literal(value)
        for column, value in item.facts.get("same", {}).items()
    }


def billing_facts(engine: Engine, table: str, where: str = "true") -> dict[str, Any]:
    """Return facts about charges in the engine.

    `first_billed`, `last_billed`: the first and last day on which a billing period begins.
    `corrections`: how many charges are of the class Correction. `same`: the columns of SHARED in
    which all rows hold one value, with that value.
    """
    is_correction = "false"
    if "ChargeClass" in engine.columns(table):
        is_correction = "ChargeClass = 'Correction'"
    measures = [
        "min(BillingPeriodStart)::DATE AS first",
        "max(BillingPeriodStart)::DATE AS last",
        f"count(*) FILTER ({is_correction}) AS corrections",
    ]
    for column in SHARED:
        is_shared = f"min({column}) = max({column}) AND count({column}) = count(*)"
        value = f"CAST(min({column}) AS VARCHAR)"
        measures.append(f"CASE WHEN {is_shared} THEN {value} END AS {column}")
    query = f"SELECT {', '.join(measures)} FROM {table} WHERE {where}"
    (found,) = engine.query(query).to_pylist()
    shared = {column: found[column] for column in SHARED}
    return {
        "first_billed": str(found["first"] or ""),
        "last_billed": str(found["last"] or ""),
        "corrections": found["corrections"],
        "same": {
            c: value for c, value in shared.items() if value is not None and "\0" not in value
        },
    }
