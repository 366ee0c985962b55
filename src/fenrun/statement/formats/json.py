"""A statement as JSON: amounts are exact text, names do not depend on the language."""

from __future__ import annotations

import json

from fenrun.statement.rows import Statement


def to_json(statement: Statement, lang: str) -> bytes:
    """Return the statement as JSON."""
    return (json.dumps(statement.as_json(), ensure_ascii=False, indent=2) + "\n").encode()
