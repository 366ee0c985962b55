"""Questions asked of the rows of charges, which can be answered part by part.

DuckDB answers them over all files at once; Spark has each task answer them over the rows that it
reads, by the same text, and puts the answers together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROWS = "charge_rows"
"""The view of rows that questions read."""
_READ = re.compile(r"\b(?:(?<!DISTINCT )FROM|JOIN) (\w+)")


@dataclass(frozen=True)
class Part:
    """The rows of one import: the query that makes `charge_rows` of its files."""

    sql: str
    rows: Path
    """The file that has a row a charge; the query calls it `c`."""
    beside: Mapping[str, Path]
    """The small files that rows are joined with, by what the query calls them."""


@dataclass(frozen=True)
class Question:
    """A query over `charge_rows` and small tables, into a table of its name.

    An answer has a row a key, and totals. Those of parts, totalled again, are that of the whole.
    """

    name: str
    sql: str
    keys: Sequence[str]
    totals: Mapping[str, str] = field(default_factory=dict)
    """The function that makes one of several, for each column that is no key: sum, min or max."""
    views: Mapping[str, str] = field(default_factory=dict)
    """The views of the rows that it reads, by name."""
    about: str = ""
    """What its table holds, in a sentence."""

    @property
    def text(self) -> str:
        """All that it says of the rows."""
        return "\n".join([*self.views.values(), self.sql])

    @property
    def tables(self) -> list[str]:
        """The small tables that it reads."""
        return sorted(set(_READ.findall(self.text)) - {ROWS, *self.views})

    def together(self, answers: str) -> str:
        """Return the query that makes one answer of a table of answers."""
        totals = [f"{function}({name}) AS {name}" for name, function in self.totals.items()]
        found = ", ".join([*self.keys, *totals])
        return f"SELECT {found} FROM {answers} GROUP BY {', '.join(self.keys)}"


Parts = Callable[[Question], Sequence[Part]]
"""Whatever gives the parts of the rows, with the columns that a question reads."""
