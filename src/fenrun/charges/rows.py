"""What a charge is: one row of a FOCUS file, and the FOCUS columns of versions 1.0 to 1.4 (`columns.csv`).

A stored charge keeps every column of its source (unknown ones too) and gains `import_id` and `row_no`, which together name it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pyarrow as pa

COSTS = ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")
"""The money columns; exact decimals in the currency of `BillingCurrency`."""

ESSENTIAL = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "InvoiceIssuerName",
)
"""Without these columns a charge cannot be credited or paid. (InvoiceIssuerName, BillingAccountId) is the account."""

ORDER = "x_OrderId"
"""FOCUS has no order; this column carries the order that an operator can register for a partner."""

SHARED = ("InvoiceIssuerName", "BillingCurrency", "BillingPeriodStart")
"""Columns in which the rows of a file are often all the same."""

VALUES = {
    "ChargeCategory": ("Adjustment", "Credit", "Purchase", "Tax", "Usage"),
    "ChargeClass": ("Correction",),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"),
    "PricingCategory": ("Committed", "Dynamic", "Other", "Standard"),
    "CommitmentDiscountCategory": ("Spend", "Usage"),
    "CommitmentDiscountStatus": ("Unused", "Used"),
}
"""Columns whose values FOCUS closes, with those values."""


@dataclass(frozen=True)
class Column:
    """One FOCUS column."""

    name: str
    type: str
    """String, Decimal, Date/Time or JSON."""
    since: str
    """First FOCUS version that has it (`0.5` and the like count as 1.0)."""
    until: str
    """Last FOCUS version that has it."""
    mandatory: bool
    never_null: bool


@cache
def focus_columns() -> dict[str, Column]:
    """All FOCUS columns by name."""
    with (
        resources.files("fenrun.charges")
        .joinpath("columns.csv")
        .open("r", encoding="utf-8") as file
    ):
        rows = [
            Column(
                r["column"],
                r["type"],
                r["since"],
                r["until"],
                r["mandatory"] == "yes",
                r["never_null"] == "yes",
            )
            for r in csv.DictReader(file)
        ]
    return {row.name: row for row in rows}


def empty_schema() -> pa.Schema:
    """The columns of a store without charges."""
    types = {"Decimal": pa.decimal128(18, 2), "Date/Time": pa.timestamp("us")}
    fields = [pa.field(c.name, types.get(c.type, pa.string())) for c in focus_columns().values()]
    return pa.schema([pa.field("import_id", pa.string()), pa.field("row_no", pa.int64()), *fields])


def version_of(columns: set[str]) -> str:
    """The FOCUS version that a set of columns looks like: the newest one that introduced any of them."""
    return max((c.since for c in focus_columns().values() if c.name in columns), default="")
