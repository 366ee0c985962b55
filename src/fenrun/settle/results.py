"""The tables that a settlement leaves: which a run keeps, and by which key rows are replaced."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResultTable:
    """One table of a settlement."""

    name: str
    """As the step that makes it is called."""
    key: str = ""
    """The column by which a change of the facts replaces its rows: `customer` or `payee`.

    Empty where a change does not replace rows by a key.
    """
    kept: bool = True
    """Whether a run keeps it in the workspace; the others are needed for a change only."""


RESULT_TABLES = (
    ResultTable("parties"),
    ResultTable("registered"),
    ResultTable("extent"),
    ResultTable("corrected"),
    ResultTable("spans"),
    ResultTable("groups"),
    ResultTable("customers"),
    ResultTable("customer_since", "customer", kept=False),
    ResultTable("credits", "customer"),
    ResultTable("uncredited"),
    ResultTable("performance_measures", "customer", kept=False),
    ResultTable("qualifying_amounts"),
    ResultTable("tier_earnings", "payee"),
    ResultTable("earnings", "payee"),
    ResultTable("payables", "payee", kept=False),
    ResultTable("held_back", "payee"),
    ResultTable("payouts", "payee"),
    ResultTable("payments", "payee"),
    ResultTable("statement_lines", "payee"),
    ResultTable("statement_credits", "payee"),
    ResultTable("statements", "payee"),
    ResultTable("ledger"),
)
"""The result tables, in the order in which the stages make them."""

KEPT = tuple(table.name for table in RESULT_TABLES if table.kept)
"""The names of the tables that a run keeps."""


def keyed_by(key: str) -> tuple[str, ...]:
    """Return the names of the tables whose rows are replaced by a key."""
    return tuple(table.name for table in RESULT_TABLES if table.key == key)
