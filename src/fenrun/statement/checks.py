"""What must be true of statements."""

from __future__ import annotations

from collections.abc import Sequence

from fenrun.engine.port import Engine
from fenrun.plan.rows import Plan

_SUMS = "SELECT (SELECT coalesce(sum(earned), 0) FROM statements) <> (SELECT coalesce(sum(earned), 0) FROM earnings WHERE paid_month IN (SELECT DISTINCT month FROM statements)) AS differs"


def broken(engine: Engine, plans: Sequence[Plan]) -> list[str]:
    """All statements sum to what is earned."""
    return (
        ["statements do not sum to the earnings"]
        if engine.query(_SUMS).to_pylist()[0]["differs"]
        else []
    )
