"""The other datasets of FOCUS: what providers say beside their charges.

`InvoiceDetail` says what was invoiced, `BillingPeriod` which months are closed (both of FOCUS 1.4),
`ContractCommitment` what was agreed (1.3), which becomes agreements of the terms. Nobody is paid by
the others: rows are kept as they came, in `rows.parquet`, and what checks ask of them is in the
facts of the import.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.ids import digest, file_digest
from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.table import read_parquet
from fenrun.charges.form import packing_of, table_text
from fenrun.charges.rows import month_billed
from fenrun.charges.source import names_of, read_header
from fenrun.charges.staged import FIRST_ROW, NULL_WORDS
from fenrun.charges.written_moments import read_moments
from fenrun.store.facts import Enter, Import, Imported, Replaced, Store, manifest

ROWS = "rows.parquet"
COMMITMENTS = "ContractCommitment"
ISSUED, CLOSED = "Issued", "Closed"
_MONTH = "BillingPeriodStart"
Row = dict[str, str]


@dataclass(frozen=True)
class _Kind:
    """A dataset: the columns by which it is told, and others that it cannot do without."""

    name: str
    told_by: tuple[str, ...]
    wanted: tuple[str, ...]


_INVOICE = ("InvoiceIssuerName", "InvoiceId", "BilledCost", "BillingCurrency", _MONTH)
KINDS = (
    _Kind("InvoiceDetail", ("InvoiceDetailId", "InvoiceIssueStatus"), _INVOICE),
    _Kind("BillingPeriod", ("BillingPeriodStatus",), ("InvoiceIssuerName", _MONTH)),
    _Kind(COMMITMENTS, ("ContractCommitmentId", "ContractCommitmentPeriodStart"), ()),
)
_OF_CHARGES = "ChargePeriodStart"
"""A column of charges that no other dataset has: charges may name an InvoiceDetailId too."""


def dataset_kind(columns: Sequence[str]) -> str:
    """Return which dataset has these columns, as FOCUS names it; nothing for none."""
    names = set(names_of(columns).values()) | {name.strip() for name in columns}
    if _OF_CHARGES in names:
        return ""
    return next((kind.name for kind in KINDS if names.issuperset(kind.told_by)), "")


def read_dataset(path: Path) -> tuple[list[Row], dict[str, Any]]:
    """Return the rows of a file of one of the datasets, and facts about them. Raises Refused."""
    name = dataset_kind(read_header(path).columns)
    kind = next(kind for kind in KINDS if kind.name == name)
    rows = _read_rows(path)
    _refuse_empty(kind, path.name, rows)
    facts: dict[str, Any] = {"dataset": name, "rows": len(rows)}
    if name == "InvoiceDetail":
        facts["invoices"] = _invoices(path.name, rows)
    elif name == "BillingPeriod":
        facts["periods"] = _periods(path.name, rows)
    return rows, facts


def import_dataset(store: Store, path: Path) -> Enter:
    """Read a file of one of the datasets. What is returned enters it. Raises Refused."""
    rows, facts = read_dataset(path)
    content = digest("datasets", facts["dataset"], file_digest(path))

    def write(folder: Path) -> None:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        table = {c: pa.array([row.get(c) for row in rows], pa.string()) for c in columns}
        pq.write_table(pa.table(table), folder / ROWS, compression="zstd")

    def enter(known: datetime, replaces: Replaced) -> Imported:
        is_new = not store.has("datasets", content)
        store.add("datasets", content, manifest(path.name, known, facts, ()), write)
        return Imported(path.name, content, is_new, facts, ())

    return enter


def rows_of(item: Import) -> list[Row]:
    """Return the rows of an import as they came: the texts of their cells, by column."""
    return [
        {name: cell for name, cell in row.items() if cell}
        for row in read_parquet(item.folder / ROWS).to_pylist()
    ]


def _read_rows(path: Path) -> list[Row]:
    if packing_of(path) == "parquet":
        listed = read_parquet(path).to_pylist()
    else:
        listed = list(csv.DictReader(io.StringIO(table_text(path), newline="")))
    names = names_of([name for name in (listed[0] if listed else ()) if name])
    rows = [{names[n]: _text(cell) for n, cell in row.items() if n in names} for row in listed]
    return [row for row in rows if any(row.values())]


def _text(cell: Any) -> str:
    """Return a cell as text: empty where it says nothing."""
    if isinstance(cell, datetime):
        return cell.isoformat()
    text = "" if cell is None else str(cell).strip()
    return "" if text in NULL_WORDS else text


def _refuse_empty(kind: _Kind, file: str, rows: Sequence[Row]) -> None:
    """Raise Refused where a column that checks need is missing, or a cell of it is empty."""
    problems = []
    for column in (*kind.told_by, *kind.wanted):
        row = next((n for n, row in enumerate(rows) if not row.get(column)), None)
        if row is not None:
            place = Place(file, row + FIRST_ROW, column)
            problems.append(Problem("dataset-cell", place, {"column": column}))
    if problems:
        raise Refused(problems)


def _months(file: str, rows: Sequence[Row]) -> list[str]:
    """Return the billing month of each row: 2024-09."""
    texts = sorted({row[_MONTH] for row in rows})
    read = read_moments({_MONTH: texts}, file)[_MONTH].moments
    by_text = dict(zip(texts, read))
    odd = next((n for n, row in enumerate(rows) if by_text[row[_MONTH]] is None), None)
    if odd is not None:
        values = {"column": _MONTH, "value": rows[odd][_MONTH]}
        place = Place(file, odd + FIRST_ROW, _MONTH)
        raise Refused([Problem("dataset-value", place, values)])
    return [month_billed(day.date()) for row in rows if (day := by_text[row[_MONTH]])]


def _amount(file: str, number: int, row: Row) -> Decimal:
    try:
        value = Decimal(row["BilledCost"])
        if not value.is_finite():
            raise InvalidOperation
    except InvalidOperation as error:
        place = Place(file, number + FIRST_ROW, "BilledCost")
        values = {"column": "BilledCost", "value": row["BilledCost"]}
        raise Refused([Problem("cost-unreadable", place, values)]) from error
    return value


def _invoices(file: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the invoices: issuer, invoice, currency, month, status, lines, billed (exact text)."""
    found = dict[tuple[str, ...], list[Decimal]]()
    keys = ("InvoiceIssuerName", "InvoiceId", "BillingCurrency")
    months = _months(file, rows)
    for number, (row, month) in enumerate(zip(rows, months)):
        key = (*(row[name] for name in keys), month, row["InvoiceIssueStatus"])
        found.setdefault(key, []).append(_amount(file, number, row))
    names = ("issuer", "invoice", "currency", "month", "status")
    return [
        dict(zip(names, key)) | {"lines": len(amounts), "billed": plain(sum(amounts, Decimal(0)))}
        for key, amounts in found.items()
    ]


def _periods(file: str, rows: Sequence[Row]) -> list[Mapping[str, str]]:
    """Return the billing periods: issuer, month and status."""
    return [
        {
            "issuer": row["InvoiceIssuerName"],
            "month": month,
            "status": row["BillingPeriodStatus"],
        }
        for row, month in zip(rows, _months(file, rows))
    ]
