"""Named SQL steps, read from a stage's `steps.sql`.

A file is a list of `-- step: name` heads, each followed by comment lines that say what the step holds and one query.
A step becomes a table of its name (`-- view: name` a view). `{words}` in braces are filled with generated fragments:
column lists and conditions, made only from parsed plans and known columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Step:
    """One named query."""

    name: str
    about: str
    sql: str
    view: bool = False

    def filled(self, fragments: dict[str, str]) -> str:
        """The query with its fragments put in. Raises KeyError where one is missing."""
        return re.sub(r"\{(\w+)\}", lambda found: fragments[found[1]], self.sql)


@cache
def read_steps(package: str, name: str = "steps.sql") -> tuple[Step, ...]:
    """The steps of a stage, in order."""
    text = resources.files(package).joinpath(name).read_text("utf-8")
    steps = []
    for part in re.split(r"(?m)^-- (?=(?:step|view): )", text)[1:]:
        head, *lines = part.splitlines()
        kind, step_name = head.split(": ", 1)
        about = [line[3:] for line in lines if line.startswith("-- ")]
        sql = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
        steps.append(Step(step_name.strip(), " ".join(about), sql, kind == "view"))
    return tuple(steps)
