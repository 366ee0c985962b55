"""Outcomes as scripts get them: amounts are exact text, shares are of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.when import show_moment
from fenrun.lab.answers import Answer, Rows, concentration
from fenrun.lab.run import Outcome, WhatIf


def whatif_as_json(found: WhatIf, firsts: Sequence[int]) -> dict[str, Any]:
    """Return a period under some scenarios as a JSON-ready mapping.

    `firsts` are the numbers of largest customers whose share is said. Both clocks are named: the
    period, and up to which moment the facts were known.
    """
    return {
        "period": found.period.key,
        "known": show_moment(found.known),
        "concentration": rows_as_json(concentration(found.spent, firsts)),
        "scenarios": [outcome_as_json(one, firsts) for one in found.outcomes],
    }


def outcome_as_json(one: Outcome, firsts: Sequence[int]) -> dict[str, Any]:
    """Return one scenario's outcome: every table of the answer, and what it rests on."""
    tables = {field.name: getattr(one.answer, field.name) for field in fields(Answer)}
    return {
        "scenario": one.scenario.id,
        "assumed_elasticities": one.scenario.assumes,
        **{name: rows_as_json(rows) for name, rows in tables.items()},
        "concentration": rows_as_json(concentration(one.spent, firsts)),
        "causes": rows_as_json(one.causes),
        "drafts": [str(path) for path in one.drafts],
    }


def rows_as_json(rows: Rows) -> Rows:
    """Return rows with their amounts as exact text."""
    return [
        {name: plain(v) if isinstance(v, Decimal) else v for name, v in row.items()} for row in rows
    ]
