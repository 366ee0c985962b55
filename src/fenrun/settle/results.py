"""The tables that a settlement leaves, which a run keeps: their columns, and how each is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

ENGINE_VERSION = "15"
"""Part of every run's id: raised whenever the same facts and plans could settle otherwise, or a run
keeps other tables."""
TEXT, DAY, MONTH, COUNT, AS_IT_IS = "text", "day", "month", "count", "as it is"
"""How a column is read: a code as its text, a number as a day, month or count, or as it is.

Any other word is that of the amounts that it holds: see Scales.
"""


@dataclass(frozen=True)
class ResultTable:
    """One table of a settlement, named as the step that makes it."""

    name: str
    columns: Mapping[str, str]
    """By column how it is read."""


def _columns(text: str) -> dict[str, str]:
    """Return columns written `name other: how they are read; ...`."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        names, how = part.split(":")
        found |= dict.fromkeys(names.split(), how.strip())
    return found


RESULT_TABLES = (
    ResultTable("parties", _columns("party: text; kind name: as it is")),
    ResultTable(
        "credited",
        _columns(
            "plan: text; month: month; payee role: text; kind: as it is; customer: text;"
            "via: as it is; link: text; amount: credit; charges: count"
        ),
    ),
    ResultTable("team_credits", _columns("payee member role plan: text; amount: credit")),
    ResultTable(
        "held_spend",
        _columns(
            "currency payee role customer party: text; via: as it is; link: text; amount: credit;"
            "charges: count"
        ),
    ),
    ResultTable("not_counted", _columns("plan component payee rule: text; amount: measure")),
    ResultTable(
        "uncredited",
        _columns(
            "plan: text; month: month; account: text; reason: as it is; amount: credit;"
            "charges: count"
        ),
    ),
    ResultTable(
        "tier_earnings",
        _columns(
            "plan component payee unit period: text; table_from: day; column_no: count;"
            "kind: as it is; band_no: count; words: text; rate: rate; flat: flat; part: part;"
            "slope: slope; divisor: divisor; pays: pays"
        ),
    ),
    ResultTable(
        "earnings",
        _columns(
            "plan component: text; rank: count; role payee unit: text; per: as it is;"
            "period: text; period_from period_to: day; last_month: month; currency: text;"
            "step_no: count; reason: as it is; detail: text; others: as it is; bound: limit;"
            "amount target compared: measure; base: base; measure reference: measure;"
            "pays_on reads_by: as it is; portion: portion; table_id: text; table_from: day;"
            "uncapped: uncapped; divisor: divisor; cap: limit; earned: money"
        ),
    ),
    ResultTable("waiting", _columns("plan payee component unit: text; amount: money")),
    ResultTable("held_back", _columns("plan payee: text; month: month; amount: money")),
    ResultTable(
        "payouts",
        _columns(
            "plan payee: text; month: month;"
            "due brought expired drawn recovered balance paid carried: money"
        ),
    ),
    ResultTable(
        "payments", _columns("plan payee: text; month: month; form: text; amount paid: money")
    ),
    ResultTable(
        "exchanges",
        _columns(
            "plan payee: text; month: month; form currency: text; rate: conversion; given_by: text;"
            "amount: money; paid: exchanged"
        ),
    ),
    ResultTable(
        "funds",
        _columns(
            "plan payee: text; month: month; form: text;"
            "brought accrued over claimed granted lapsed balance: money"
        ),
    ),
    ResultTable(
        "statement_lines",
        _columns(
            "month: month; payee role currency plan component: text; rank: count; per: as it is;"
            "period: text; measured: measure; earned: money; reason: as it is; detail: text;"
            "others: as it is; bound: limit"
        ),
    ),
    ResultTable(
        "statement_credits",
        _columns(
            "plan: text; month: month; payee role: text; kind: as it is; credited: credit;"
            "charges: count"
        ),
    ),
    ResultTable(
        "statements",
        _columns(
            "plan: text; month: month; payee role: text; credited: credit; earned: money;"
            "lines: count"
        ),
    ),
    ResultTable(
        "ledger",
        _columns("plan: text; month: month; total credited uncredited: credit; charges: count"),
    ),
)
"""The result tables, in the order in which the stages make them."""

LINE_CUSTOMERS = ResultTable(
    "line_customers",
    _columns(
        "plan component payee period customer excluded_by baseline_period: text;"
        "baseline credited counted: measure; charges: count"
    ),
)
"""What the lines of a period measure by customer: kept of what is closed alone."""

EARNED_SUMS = ResultTable(
    "earned_sums", _columns("plan component payee currency: text; earned: money")
)
"""What is asked of many plans at once: their lines are not made."""
ON_REQUEST = (LINE_CUSTOMERS, EARNED_SUMS)
"""The tables that a settlement leaves only where they are asked for."""

_MONEY = pa.decimal128(38, 2)
ADDED = {
    "exchanges": pa.schema(
        [
            *((name, pa.string()) for name in ("plan_id", "payee", "form", "currency", "given_by")),
            ("month", pa.date32()),
            *((name, _MONEY) for name in ("rate", "amount", "paid")),
        ]
    )
}
"""The tables that runs of earlier versions do not have, since there was nothing of their kind."""

KEPT = tuple(table.name for table in RESULT_TABLES)
"""The names of the tables that a run keeps."""
