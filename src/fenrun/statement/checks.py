"""What must be true of statements."""

from __future__ import annotations

from fenrun.engine.port import Engine

_SUMS = "SELECT (SELECT coalesce(sum(earned), 0) FROM statements) <> (SELECT coalesce(sum(earned), 0) FROM earnings) AS differs"


def broken(engine: Engine) -> list[str]:
    """All statements sum to what is earned."""
    return ["statements do not sum to the earnings"] if engine.query(_SUMS).to_pylist()[0]["differs"] else []
