"""Named SQL steps, read from a stage's `steps.sql`.

A file is a list of `-- step: name` heads, each followed by comment lines that say what the step
holds, and one query. A step becomes a table of its name (`-- view: name` a view). Words in braces
are filled with generated fragments: column lists and conditions, made only from parsed plans and
known columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_HEAD = re.compile(r"(?m)^-- (?=(?:step|view): )")
_FRAGMENT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Step:
    """One named query."""

    name: str
    about: str
    """What its table holds, as the comment below its head says."""
    sql: str
    view: bool = False

    def filled(self, fragments: Mapping[str, str]) -> str:
        """Return the query with its fragments put in. Raises KeyError where one is missing."""
        return _FRAGMENT.sub(lambda found: fragments[found[1]], self.sql)


@cache
def read_steps(package: str, name: str = "steps.sql") -> tuple[Step, ...]:
    """Read the steps of a stage, in order."""
    text = resources.files(package).joinpath(name).read_text("utf-8")
    return tuple(_step(part) for part in _HEAD.split(text)[1:])


def _step(part: str) -> Step:
    """Read one step: its head, the comment, the query."""
    head, *lines = part.splitlines()
    kind, name = head.split(": ", 1)
    about = " ".join(line[3:] for line in lines if line.startswith("-- "))
    sql = "\n".join(line for line in lines if not line.startswith("--"))
    return Step(name.strip(), about, sql.strip().rstrip(";"), kind == "view")
