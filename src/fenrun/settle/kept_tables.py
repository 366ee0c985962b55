"""Tables that say what the numbers in a file of kept tables stand for."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from fenrun.base.ids import AT
from fenrun.engine.codes import Codes
from fenrun.settle.readings import Reading


def tables_beside(codes: Codes, readings: Sequence[Reading]) -> dict[str, pa.Table]:
    """Return `codes`, the text of each code, and `readings`, how columns are read.

    Accounts, sub-accounts, orders and resources have their issuer besides.
    """
    parts = [text.rpartition(AT) for text in codes.texts]
    texts = {
        "code": pa.array(range(len(parts)), pa.int64()),
        "text": pa.array([text for *_, text in parts], pa.string()),
        "issuer": pa.array([issuer or None for issuer, *_ in parts], pa.string()),
    }
    columns = {
        "table_name": pa.array([one.table for one in readings], pa.string()),
        "column_name": pa.array([one.column for one in readings], pa.string()),
        "read_as": pa.array([one.kind for one in readings], pa.string()),
        "decimals": pa.array([one.decimals for one in readings], pa.int64()),
    }
    return {"codes": pa.table(texts), "readings": pa.table(columns)}
