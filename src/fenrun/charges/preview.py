"""A file of charges at a glance, before there is any workspace, book or plan."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.problem import Problem, Refused, in_order
from fenrun.charges import checks
from fenrun.charges.coded import Coded
from fenrun.charges.filled import fill
from fenrun.charges.read import open_whole, read_staged
from fenrun.charges.rows import focus_columns, version_of
from fenrun.charges.source import NOTHING_SAID, Said, names_of, read_header
from fenrun.charges.staged import Staged

_A_DAY = pa.scalar(timedelta(days=1), pa.duration("us"))
"""What is billed from the last day of a month on is of the next one, as settlements have it."""
_PACKED = {"gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
_NAMES = ("InvoiceIssuerName", "BillingAccountId", "BillingAccountName", "BillingCurrency")


@dataclass(frozen=True)
class Account:
    """An account's charges of one billing month in one currency. Grain of a preview's rows."""

    issuer: str
    account: str
    name: str
    """The first that a charge of it gives; empty where none does."""
    month: str
    """2024-09; empty where the charge says none."""
    currency: str
    charges: int
    billed: Decimal
    sub_accounts: frozenset[str]
    """Ids of the sub-accounts that its charges name."""


@dataclass(frozen=True)
class Preview:
    """A file of charges at a glance."""

    file: str
    format: str
    """`csv`, `json` or `parquet`, with how it is packed: `csv.gz`."""
    version: str
    """The FOCUS version of its columns; empty where there are none of FOCUS."""
    columns: tuple[str, ...]
    """As the store names them."""
    rows: int
    accounts: tuple[Account, ...]
    """Of all rows that an import would take, in the order of their ids."""
    totals: dict[str, Any]
    """Rows, those kept aside, and BilledCost by currency: of the whole file, as an import says."""
    problems: tuple[Problem, ...]

    @property
    def unknown_columns(self) -> list[str]:
        """Return the columns that FOCUS does not have."""
        return [name for name in self.columns if name not in focus_columns()]

    @property
    def missing_columns(self) -> list[str]:
        """Return the columns that this version of FOCUS wants and the file has not."""
        wanted = focus_columns().values()
        return [
            column.name
            for column in wanted
            if column.mandatory
            and column.since <= self.version <= column.until
            and column.name not in self.columns
        ]


def preview_charges(
    path: Path,
    progress: Callable[[int], Any] = lambda n: None,
    known: datetime | None = None,
    said: Said = NOTHING_SAID,
) -> Preview:
    """Read a file of charges and write nothing; one that is refused has only columns and problems.

    `progress` is told of the bytes read; `known` is from when it would be known, `said` what is
    said of it beyond its bytes. Raises Refused where not even a header can be read.
    """
    header = read_header(path, encoding=said.encoding)
    form = f"{header.form.format}{_PACKED.get(header.form.packing, '')}"
    columns = tuple(names_of(header.columns).values())
    found = (path.name, form, version_of(set(columns)), columns)
    try:
        with tempfile.TemporaryDirectory(prefix="fenrun-") as scratch:
            source, content = open_whole(path, Path(scratch), progress, said)
            read = replace(read_staged(source, content, Path(scratch)), known=known)
            staged, _ = fill(read, said.fills)
            columns = tuple(staged.source.names.values())
            found = (path.name, form, version_of(set(columns)), columns)
            problems = tuple(in_order(checks.find(staged)))
            return Preview(*found, staged.rows, tuple(_accounts(staged)), staged.facts(), problems)
    except Refused as refusal:
        return Preview(*found, 0, (), {}, tuple(refusal.problems))


def _accounts(staged: Staged) -> Sequence[Account]:
    """Return a file's charges by account, month and currency."""
    charges = staged.charges()
    columns: dict[str, Any] = {name: _plain(charges.columns.get(name)) for name in _NAMES}
    rows = len(charges.row_no)
    table = pa.table(
        {
            **{n: pa.nulls(rows, pa.string()) if c is None else c for n, c in columns.items()},
            "month": pc.strftime(
                pc.add(_plain(charges.columns["BillingPeriodStart"]), _A_DAY), "%Y-%m"
            ),
            "sub": _plain(charges.columns.get("SubAccountId")) or pa.nulls(rows, pa.string()),
            "billed": charges.columns["BilledCost"],
            "row": np.asarray(charges.row_no),
        }
    )
    keys = ["InvoiceIssuerName", "BillingAccountId", "month", "BillingCurrency"]
    asked = [
        ("billed", "sum"),
        ("row", "count"),
        ("BillingAccountName", "min"),
        ("sub", "distinct"),
    ]
    found = table.group_by(keys).aggregate(asked).to_pylist()
    rows_found = [
        Account(
            row["InvoiceIssuerName"],
            row["BillingAccountId"],
            row["BillingAccountName_min"] or "",
            row["month"] or "",
            row["BillingCurrency"],
            row["row_count"],
            row["billed_sum"] or Decimal(0),
            frozenset(sub for sub in row["sub_distinct"] if sub),
        )
        for row in found
    ]
    return sorted(rows_found, key=lambda one: (one.issuer, one.account, one.month, one.currency))


def _plain(column: Coded | pa.Array | None) -> pa.Array | None:
    """Return a column with a value a row."""
    return column.plain() if isinstance(column, Coded) else column
