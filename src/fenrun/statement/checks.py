"""Checks that must hold of statements."""

from __future__ import annotations

from fenrun.engine.runner import Runner

_STATED_AND_EARNED = """
SELECT (SELECT coalesce(sum(earned), 0) FROM statements)
    <> (SELECT coalesce(sum(earned), 0) FROM earnings
        WHERE last_month IN (SELECT DISTINCT month FROM statements))"""


def broken(runner: Runner) -> list[str]:
    """Return what is broken: all statements sum to what is earned."""
    differ = runner.rows(_STATED_AND_EARNED)[0][0]
    return ["statements do not sum to the earnings"] if differ else []
