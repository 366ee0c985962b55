"""Charges: rows of a FOCUS file, and the FOCUS columns of versions 1.0 to 1.4 (`columns.csv`).

A stored charge keeps every column of its source (unknown ones too) and gains `import_id` and
`row_no`, which together name it.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
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
"""The columns without which a charge cannot be credited or paid.

(InvoiceIssuerName, BillingAccountId) is the account.
"""

DAYS = (date(2000, 1, 1), date(2100, 1, 1))
"""The first day on which a charge can be billed or begin, and the one before which all end.

A date beyond is a slip of the pen or a placeholder: no plan, month or clock could hold it.
"""

ORDER = "x_OrderId"
"""The order that an operator can register for a partner: FOCUS has no column for it."""

NAMING = (
    "InvoiceIssuerName",
    "BillingAccountId",
    "BillingCurrency",
    "SubAccountId",
    "ResourceId",
    ORDER,
)
"""The columns whose text names something that people are shown."""
LONGEST_NAME = 2048
"""Characters of such a text."""

PERIODS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
"""The moments by which a charge is credited and paid."""
STARTS = ("BillingPeriodStart", "ChargePeriodStart")
"""Those that say in which month and on which day: they lie at most YEARS_AHEAD of when a file is
known. A period may end later, as that of a purchase for three years does."""
YEARS_AHEAD = 2

KEYS = {
    "order_key": ORDER,
    "resource_key": "ResourceId",
    "sub_account_key": "SubAccountId",
    "price_key": "SkuPriceId",
}
"""The keys of a stored charge, and the column whose text each stands for."""

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

_KEY_BITS = 63
_MONTH = timedelta(days=31)
_ARROW_TYPES = {"Decimal": pa.decimal128(18, 2), "Date/Time": pa.timestamp("us")}


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
    """Return all FOCUS columns by name."""
    text = resources.files("fenrun.charges").joinpath("columns.csv").read_text("utf-8")
    return {row["column"]: _column(row) for row in csv.DictReader(text.splitlines())}


def _column(row: dict[str, str]) -> Column:
    return Column(
        name=row["column"],
        type=row["type"],
        since=row["since"],
        until=row["until"],
        mandatory=row["mandatory"] == "yes",
        never_null=row["never_null"] == "yes",
    )


def is_decimal(name: str) -> bool:
    """Return whether FOCUS knows the column as one of decimals."""
    return name in focus_columns() and focus_columns()[name].type == "Decimal"


def is_moment(name: str) -> bool:
    """Return whether FOCUS knows the column as one of dates and times."""
    return name in focus_columns() and focus_columns()[name].type == "Date/Time"


def limits_of(name: str, known: datetime | None = None) -> tuple[datetime, datetime]:
    """Return the first moment that a column of dates and times can hold, and the one after all.

    `known` is from when the file is known. Other columns than those of a charge's periods may say
    `9999-12-31` for an open end.
    """
    if name not in PERIODS:
        return datetime.min, datetime.max
    first, end = (datetime.combine(day, time()) for day in DAYS)
    if known and name in STARTS:
        end = min(end, datetime(known.year + YEARS_AHEAD, known.month, 1) + _MONTH)
    return first, end


def month_billed(day: date) -> str:
    """Return the month, 2024-09, that is billed from a day on: from its last, of the next.

    A month that begins in Shanghai begins on the last day of another in UTC.
    """
    return f"{day + timedelta(days=1):%Y-%m}"


def empty_schema() -> pa.Schema:
    """Return the columns of a store without charges."""
    key = [pa.field("import_id", pa.string()), pa.field("row_no", pa.int64())]
    columns = [
        pa.field(column.name, _ARROW_TYPES.get(column.type, pa.string()))
        for column in focus_columns().values()
    ]
    return pa.schema(key + columns)


def version_of(columns: set[str]) -> str:
    """Return the FOCUS version of a set of columns: the newest that introduced one of them."""
    return max((c.since for c in focus_columns().values() if c.name in columns), default="")


def key_of(issuer: str, text: str) -> int:
    """Return the number that stands for an issuer's order, resource, sub-account or price.

    It is the same in every import and on every machine, and fits a BIGINT.
    """
    named = f"{len(issuer)}:{issuer}{text}".encode()
    found = int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big")
    return found >> (64 - _KEY_BITS)
