"""Meaning: which parts of a plan's rows decide about money, and which are only said.

The digests of a plan and `plan diff` both ask here, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fenrun.base.ids import digest
from fenrun.plan.rows import ROW_TYPES, Plan

_PLACED = {"plan_id", "line"}
"""Which plan a row is of, and where it is written: no difference between two plans."""
_SAID = {"title_en", "title_zh", "source", "words", "mixed", "lowers"}
"""Columns that are only said."""
_SAID_OF_TERMS = {"published"}
"""Columns of the terms that are only said; every table version has its own day."""
_MADE = {"money", "words"}
"""Columns of the terms that are made here."""


def is_said(table: str, column: str) -> bool:
    """Return whether a column is only said. All of a rule is: what it decides is in other rows."""
    return table == "rules" or column in _SAID or (table == "terms" and column in _SAID_OF_TERMS)


def is_placed(table: str, column: str) -> bool:
    """Return whether a column says where a row stands, or was made from the others."""
    return column in _PLACED or (table == "terms" and column in _MADE)


def meanings(plan: Plan) -> Iterator[tuple[str, Any, dict[str, str], dict[str, str]]]:
    """Yield every row with its table, what of it decides about money, and what is only said."""
    for table in ROW_TYPES:
        for row in getattr(plan, table):
            money: dict[str, str] = {}
            said: dict[str, str] = {}
            for column, value in vars(row).items():
                if not is_placed(table, column):
                    (said if is_said(table, column) else money)[column] = str(value)
            yield table, row, money, said


def with_digests(plan: Plan) -> Plan:
    """Return a plan whose terms have the digests of its rows."""
    money, words = digests(plan)
    return replace(plan, terms=(replace(plan.terms[0], money=money, words=words),))


def digests(plan: Plan) -> tuple[str, str]:
    """Return one digest of all that decides about money, and one of all that is only said.

    Rewording a clause leaves the first as it is. The second knows the lines too, which are shown.
    """
    money, said = [], []
    for table, row, decides, words in meanings(plan):
        if decides:
            money.append([table, decides])
        said.append([table, words, row.plan_id, getattr(row, "line", 0)])
    return digest(money), digest(said)
