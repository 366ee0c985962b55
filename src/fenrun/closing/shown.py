"""Questions to a period as it was shown: its run stays open until others are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, Problem, refused
from fenrun.base.when import parse_period
from fenrun.closing.close import settle_period
from fenrun.closing.differences import differences
from fenrun.credit.stored_charges import billed_in
from fenrun.earn.calendar import charged
from fenrun.settle.explain import explain
from fenrun.settle.line_charges import line_charges
from fenrun.settle.line_terms import statement_naming_terms
from fenrun.statement.formats import FORMATS
from fenrun.statement.run import Difference, Run
from fenrun.store.facts import Store, verified

_OPEN = 4
"""Runs that stay open."""
_EXPLAINED = 200
"""Lines of which the explanation is kept: who reads one opens it again, or the page around it."""
_BLOCK, _BLOCKS = 1000, 8
"""Charges of a line that are found at once, and how often so many are kept."""


@dataclass(frozen=True)
class Shown:
    """A period of a workspace, as it was shown."""

    workspace: Path
    period: str
    known: datetime
    """What was known then (UTC)."""
    run: str
    booked: str
    """What `digest_of` gives for the differences that it books."""


@dataclass(frozen=True)
class RunSummary:
    """Facts that a run states besides its statements."""

    problems: tuple[Problem, ...]
    booked: tuple[Difference, ...]
    currency_of: dict[str, str]
    """The currency of each plan."""
    rows: list[list[dict[str, Any]]]
    """Of each query, in their order."""


def digest_of(booked: Sequence[Difference]) -> str:
    """Return a short name of the differences that a period books."""
    return short(digest("posted", [repr(difference) for difference in booked]))


@lru_cache(maxsize=_OPEN)
def changed_since(shown: Shown, before: datetime) -> list[Difference]:
    """Return what a period's pay differs by from what was known before, by payee and cause.

    Raises Refused.
    """
    period = parse_period(shown.period)
    return differences(Store.open(shown.workspace), period, before, shown.known)


@lru_cache(maxsize=_OPEN)
def run_of(shown: Shown) -> Run:
    """Return the run that a period was shown by.

    Raises Refused where the workspace gives another by now.
    """
    period = parse_period(shown.period)
    found = settle_period(Store.open(shown.workspace), period, upto=shown.known)
    if (found.run_id, digest_of(found.run.booked)) != (shown.run, shown.booked):
        raise refused("shown-changed", Place(shown.period), run=shown.run)
    return found.run


def explained(shown: Shown, line: str, charges: int) -> dict[str, Any]:
    """Return the explanation of a line, as `fenrun explain --json` prints it.

    Raises Refused, also where a file that it rests on was edited since it was explained before.
    """
    run = run_of(shown)
    verified(billed_in(run.charges.imports, charged(run.plans, run.period)))
    run.book()
    return _explained(shown, line, charges)


@lru_cache(maxsize=_EXPLAINED)
def _explained(shown: Shown, line: str, charges: int) -> dict[str, Any]:
    return explain(run_of(shown), line, charges)


def charges_behind(
    shown: Shown, line: str, start: int, most: int, sought: str = ""
) -> dict[str, Any]:
    """Return the charges behind a line from a place on, each with whether it counts.

    Which these are is found by the steps of crediting, for many pages at once: who goes on to the
    next page waits for none.

    Raises Refused, also where a file that they rest on was edited since.
    """
    run = run_of(shown)
    verified(billed_in(run.charges.imports, charged(run.plans, run.period)))
    block = start // _BLOCK
    if most > _BLOCK or start % _BLOCK + most > _BLOCK:
        return line_charges(run, line, start, most, sought)
    found = _charges(shown, line, block, sought)
    first = start - block * _BLOCK
    return {**found, "start": start, "rows": found["rows"][first : first + most]}


@lru_cache(maxsize=_BLOCKS)
def _charges(shown: Shown, line: str, block: int, sought: str) -> dict[str, Any]:
    return line_charges(run_of(shown), line, block * _BLOCK, _BLOCK, sought)


def written(shown: Shown, payee: str, form: str, lang: str) -> bytes:
    """Return a payee's statement in one of FORMATS, in a language. Raises Refused."""
    return FORMATS[form].write(statement_naming_terms(run_of(shown), payee), lang)


def summary_of(shown: Shown, queries: Sequence[str]) -> RunSummary:
    """Return what the run says, and the rows of some queries over its tables. Raises Refused."""
    run = run_of(shown)
    rows = [run.engine.rows(query) for query in queries]
    return RunSummary(tuple(run.problems), tuple(run.booked), run.currency_of, rows)
