"""The filling of cells that a provider leaves empty, with what a person says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.problem import Place, refused
from fenrun.charges.coded import Coded
from fenrun.charges.rows import focus_columns
from fenrun.charges.staged import Staged


def completed(staged: Staged) -> Staged:
    """Return a file with the columns that it does not have by name, and somebody has said.

    Such a column is what stands below the heading of another, or one text in all rows.
    """
    source = staged.source
    more = [*source.copies, *source.given]
    if not more:
        return staged
    texts, moments, numbers = {**staged.texts}, {**staged.moments}, {**staged.numbers}
    for name, other in source.copies.items():
        if other in texts:
            texts[name] = texts[other]
        elif other in moments:
            moments[name] = moments[other]
        else:
            numbers[name] = numbers[other]
    for name, value in source.given.items():
        all_rows = np.zeros(staged.rows, np.int32)
        texts[name] = Coded(all_rows, pa.array([value], pa.string()))
    source = replace(source, names=source.names | {name: name for name in more})
    return replace(staged, source=source, texts=texts, moments=moments, numbers=numbers)


def fill(staged: Staged, fills: Mapping[str, str]) -> tuple[Staged, dict[str, Any]]:
    """Return a file whose empty cells of some columns of text hold what was said for each.

    The second value says of each column its text and how many rows had none. Raises Refused where
    it is neither a column of the file nor of FOCUS, or not one of text.
    """
    texts, filled = dict(staged.texts), dict[str, Any]()
    for name, value in fills.items():
        if name not in texts:
            columns = ", ".join(column for column in texts if column in focus_columns())
            place = Place(staged.source.path.name, 1, name)
            raise refused("set-column", place, column=name, columns=columns)
        column, rows = texts[name], staged.rows - staged.filled(name)
        if rows:
            texts[name] = _filled(column, value)
        rows = staged.rows if name in staged.source.given else rows
        filled[name] = {"value": value, "rows": rows}
    return replace(staged, texts=texts), filled


def _filled(column: Coded, value: str) -> Coded:
    place = pc.index(column.values, value).as_py()
    values = column.values
    if place < 0:
        place, values = len(values), pa.concat_arrays([values, pa.array([value], values.type)])
    return Coded(np.where(column.codes < 0, np.int32(place), column.codes), values)
