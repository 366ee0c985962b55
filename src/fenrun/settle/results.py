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


READ_BY_PEOPLE = (
    ResultTable("parties"),
    ResultTable("credited", "payee"),
    ResultTable("team_credits"),
    ResultTable("held_spend"),
    ResultTable("not_counted", "payee"),
    ResultTable("uncredited"),
    ResultTable("tier_earnings", "payee"),
    ResultTable("earnings", "payee"),
    ResultTable("held_back", "payee"),
    ResultTable("payouts", "payee"),
    ResultTable("payments", "payee"),
    ResultTable("statement_lines", "payee"),
    ResultTable("statement_credits", "payee"),
    ResultTable("statements", "payee"),
    ResultTable("ledger"),
)
"""The tables that statements, the portal, closes and the ledger are read from."""

_DOWN_TO_CHARGES = (
    ResultTable("registered"),
    ResultTable("extent"),
    ResultTable("corrected"),
    ResultTable("spans"),
    ResultTable("groups"),
    ResultTable("credits", "customer"),
    ResultTable("qualifying_amounts"),
)
"""The tables by which a line is explained down to its charges."""

_FOR_A_CHANGE = (
    ResultTable("customer_since", "customer", kept=False),
    ResultTable("performance_measures", "customer", kept=False),
    ResultTable("payables", "payee", kept=False),
)
"""The tables that a change of the facts needs besides these."""

RESULT_TABLES = (*READ_BY_PEOPLE, *_DOWN_TO_CHARGES, *_FOR_A_CHANGE)

KEPT = tuple(table.name for table in RESULT_TABLES if table.kept)
"""The names of the tables that a run keeps."""


def keyed_by(key: str) -> tuple[str, ...]:
    """Return the names of the tables whose rows are replaced by a key."""
    return tuple(table.name for table in RESULT_TABLES if table.key == key)
