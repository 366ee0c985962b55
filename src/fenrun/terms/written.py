"""Terms as JSON, as the command line and the API give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fenrun.tables.latest import Known
from fenrun.tables.written import rows_as_json
from fenrun.terms.read import COLUMNS


def terms_as_json(found: Mapping[str, Sequence[Known]], on: date) -> dict[str, Any]:
    """Return the terms that hold on a day, by table, in the columns of files."""
    rows = {table: rows_as_json(rows, [*COLUMNS[table]]) for table, rows in found.items()}
    return {"on": str(on), **rows}
