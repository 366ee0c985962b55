"""Headings of exports that are not FOCUS: which column of FOCUS each may be, for people to agree.

`headings.yaml` has the usual ones. What they propose is shown and never assumed: money is read from
a column when somebody has said that it stands there.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import yaml

from fenrun.base.problem import Place, Problem
from fenrun.base.words import Message, visible
from fenrun.charges.rows import COSTS, ESSENTIAL, focus_columns

_UNIT = re.compile(r"[(（\[【][^()（）\[\]【】]*[)）\]】]\s*$")
_MARKS = re.compile(r"[\W_]+")


class Proposal(NamedTuple):
    """A reading of a header that is not of FOCUS."""

    columns: dict[str, str]
    """The file's heading by the column of FOCUS that it can be; all of them plainly."""
    unclear: list[tuple[tuple[str, ...], tuple[str, ...]]]
    """Headings, and the columns that they may be: several headings for one, or the reverse."""
    missing: list[str]
    """Columns without which nothing is imported, and that no heading can be."""


def name_key(name: str) -> str:
    """Return a name without capitals, blanks and marks: `billed_cost` is `BilledCost`."""
    return _MARKS.sub("", unicodedata.normalize("NFKC", name).casefold())


def heading_key(heading: str) -> str:
    """Return the same of a heading, without a unit in brackets."""
    return name_key(_UNIT.sub("", heading)) or name_key(heading)


@cache
def _usual() -> Mapping[str, tuple[str, ...]]:
    """Return the columns of FOCUS that each usual heading may be, by its key."""
    text = (resources.files("fenrun.charges") / "headings.yaml").read_text("utf-8")
    found: dict[str, tuple[str, ...]] = {}
    usual = yaml.load(text, yaml.CSafeLoader)
    for name in focus_columns():
        for key in dict.fromkeys(map(heading_key, [name, *usual.get(name, ())])):
            found[key] = (*found.get(key, ()), name)
    return found


def propose(headings: Sequence[str], there: Sequence[str], given: Sequence[str]) -> Proposal:
    """Return what the headings of a file can be, beside the columns that it has or are given.

    A heading whose other readings are taken has the one that is left, but for money.
    """
    taken, plain = {*there, *given}, dict[str, str]()
    readings = {h: _usual().get(heading_key(h), ()) for h in headings}
    readings = {h: tuple(n for n in names if n not in taken) for h, names in readings.items()}
    for left in (readings, {h: tuple({*n} - {*COSTS}) for h, n in readings.items()}):
        rest = {h: [n for n in left[h] if n not in plain] for h in left if h not in plain.values()}
        plain |= {names[0]: h for h, names in rest.items() if _is_plain(names, rest)}
    unclear = _unclear({h: n for h, n in readings.items() if h not in plain.values()}, plain)
    open_ = {name for _, names in unclear for name in names}
    missing = [n for n in ESSENTIAL if n not in taken and n not in plain and n not in open_]
    return Proposal({n: plain[n] for n in focus_columns() if n in plain}, unclear, missing)


def _is_plain(names: Sequence[str], rest: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a heading has one reading, which no other heading has alone."""
    return len(names) == 1 and [list(names)] == [list(n) for n in rest.values() if n == names]


def _unclear(
    readings: Mapping[str, Sequence[str]], plain: Mapping[str, str]
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the headings that leave open what they are, with what they may be."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for heading, names in readings.items():
        left = tuple(name for name in names if name not in plain)
        if left:
            found[left] = (*found.get(left, ()), heading)
    return [(headings, names) for names, headings in found.items()]


def proposed(file: str, called: str, found: Proposal, said_options: Sequence[str]) -> list[Problem]:
    """Return the problems by which a person is asked what the columns of a file are.

    The command that is proposed has the options by which something was said of it already.
    """
    top = Place(file, 1)
    problems = [
        Problem(
            "columns-unclear",
            top,
            {
                "headings": visible(", ".join(headings)),
                "readings": ", ".join(names),
                "set": visible(shlex.join(["--column", f"{names[0]}={headings[0]}"])),
            },
        )
        for headings, names in found.unclear
        if {*names} & {*ESSENTIAL}
    ]
    words = [*said_options]
    words += [part for n, h in found.columns.items() for part in ("--column", f"{n}={h}")]
    for name in found.missing:
        is_text = focus_columns()[name].type == "String"
        words += ["--set", f"{name}=…"] if is_text else ["--column", f"{name}=…"]
    values: dict[str, Any] = {
        "columns": visible(", ".join(f"{n} = {h}" for n, h in found.columns.items()) or "-"),
        "file": shlex.quote(visible(called)),
        "set": visible(shlex.join(words)),
    }
    if found.missing:
        said = {"missing": ", ".join(found.missing)}
        values["also_why"] = Message("columns-not-found", said)
    return [*problems, Problem("columns-proposed", top, values)]


def agreed(file: str, columns: Mapping[str, str]) -> Problem:
    """Return the note by which a file's columns are those that somebody has said."""
    said = visible(", ".join(f"{name} = {heading}" for name, heading in columns.items()))
    return Problem("columns-agreed", Place(file, 1), {"columns": said})
