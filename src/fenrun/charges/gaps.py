"""Columns that providers publish as left empty by their FOCUS exports, to explain a problem.

A provider's file is `profiles/PROVIDER.yaml`: its names, the page that says so, and the columns.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib import resources

import numpy as np
import yaml

from fenrun.base.problem import Problem
from fenrun.base.words import Message, visible
from fenrun.charges.coded import Codes, Truths
from fenrun.charges.staged import Staged

AS_OTHERS = "as others"
"""A column is filled with what the provider's other rows hold, where that is one value."""


@dataclass(frozen=True)
class Gap:
    """One column that a provider leaves empty."""

    empty: str
    """`all`: in every row; `some`: in some."""
    fill: str = ""
    """What stands there otherwise, or AS_OTHERS; empty: nobody can say for all rows at once."""


@dataclass(frozen=True)
class Zone:
    """The time zone in which a provider gives times, where it does not write it."""

    name: str
    source: str
    dated: date


@dataclass(frozen=True)
class Profile:
    """The columns that one provider publishes as left empty by its export."""

    provider: str
    names: tuple[str, ...]
    """What the provider's name in a file begins with, in any capitals."""
    focus: str
    """The version of FOCUS that the page is about."""
    source: str
    dated: date
    columns: dict[str, Gap]
    zone: Zone | None = None


@cache
def profiles() -> tuple[Profile, ...]:
    """Return the profiles of all providers, by file name."""
    folder = resources.files("fenrun.charges") / "profiles"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return tuple(_profile(file.read_text("utf-8")) for file in files)


def _profile(text: str) -> Profile:
    said = yaml.load(text, yaml.CSafeLoader)
    columns = {name: Gap(**gap) for name, gap in said.pop("columns").items()}
    zone = Zone(**said.pop("zone")) if "zone" in said else None
    return Profile(names=tuple(said.pop("names")), columns=columns, zone=zone, **said)


def profile_of(provider: str) -> Profile | None:
    """Return the profile of the provider that a file names so; None where there is none."""
    name = provider.casefold()
    for profile in profiles():
        if name.startswith(tuple(known.casefold() for known in profile.names)):
            return profile
    return None


def explained(
    problem: Problem, staged: Staged, where: Truths | None, provider: Codes, names: Sequence[str]
) -> Problem:
    """Return a problem of an empty column with what the provider says of it, and a way to fill it.

    `where` are the rows that show it (None: all); `provider` is each row's number in `names`. The
    way is given only where no other provider's cells would be filled too.
    """
    column = problem.place.column
    shown = provider if where is None else provider[where]
    for n in np.flatnonzero(np.bincount(shown, minlength=len(names))).tolist():
        profile = profile_of(names[n])
        if profile is None or column not in profile.columns:
            continue
        gap = profile.columns[column]
        values = {
            "provider": profile.provider,
            "focus": profile.focus,
            "column": column,
            "source": profile.source,
            "dated": str(profile.dated),
        }
        also = {"also_why": Message(f"gap-{gap.empty}", values)}
        value = _filling(staged, column, gap, provider == n)
        if value:
            command = shlex.join(["--set", f"{column}={value}"])
            file = shlex.quote(visible(staged.source.called or staged.source.origin.name))
            said = {"value": visible(value), "file": file, "set": visible(command)}
            also["also_fix"] = Message("gap-fill", said)
        return replace(problem, values={**problem.values, **also})
    return problem


def _filling(staged: Staged, column: str, gap: Gap, own: Truths) -> str:
    """Return what fills the empty cells of a provider's rows; empty where that is not known."""
    missing = staged.missing(column)
    if not gap.fill or missing is None or (missing & ~own).any():
        return ""
    if gap.fill != AS_OTHERS:
        return gap.fill
    texts = staged.texts[column]
    held = np.unique(texts.codes[own & ~missing])
    return str(texts.values[int(held[0])].as_py()) if len(held) == 1 else ""
