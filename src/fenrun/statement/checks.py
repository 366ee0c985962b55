"""Checks that must hold of statements."""

from __future__ import annotations

from collections.abc import Sequence

from fenrun.engine.port import Engine
from fenrun.plan.rows import Plan

_STATED_AND_EARNED = """
SELECT (SELECT coalesce(sum(earned), 0) FROM statements) AS stated,
       (SELECT coalesce(sum(earned), 0) FROM earnings
        WHERE paid_month IN (SELECT DISTINCT month FROM statements)) AS earned"""


def broken(engine: Engine, plans: Sequence[Plan]) -> list[str]:
    """Return what is broken: all statements sum to what is earned."""
    (sums,) = engine.query(_STATED_AND_EARNED).to_pylist()
    return [] if sums["stated"] == sums["earned"] else ["statements do not sum to the earnings"]
