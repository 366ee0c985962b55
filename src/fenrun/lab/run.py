"""Scenarios settled beside what is: the same period, the same steps, other facts and plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from fenrun.base.problem import Problem, refused
from fenrun.base.when import Period
from fenrun.lab.answers import Answer, Rows, answer, earned_in_all
from fenrun.lab.drafts import write_drafts
from fenrun.lab.patched import Lab
from fenrun.lab.scenario import Scenario, load_scenario
from fenrun.lab.variants import place_of_vary
from fenrun.statement.run import Run
from fenrun.store.facts import Store

_NOTHING = Decimal(0)


@dataclass(frozen=True)
class Outcome:
    """A scenario settled beside what is."""

    scenario: Scenario
    run: Run
    answer: Answer
    problems: tuple[Problem, ...]
    """Patches that change nothing, and what the settlement finds that is not found without."""
    spent: tuple[Decimal, ...]
    """What is charged to each customer, largest first."""
    causes: Rows = field(default_factory=list)
    """What each patch adds to what is earned, where that was asked for. Grain: patch, currency."""
    drafts: tuple[Path, ...] = ()
    """The files that were written of it."""


@dataclass(frozen=True)
class WhatIf:
    """A period as it is, and as it would be under some scenarios."""

    period: Period
    known: datetime
    before: Run
    spent: tuple[Decimal, ...]
    """What is charged to each customer, largest first."""
    outcomes: tuple[Outcome, ...]


def whatif(
    store: Store | Path | str,
    scenarios: Sequence[Scenario | Path | str],
    period: Period,
    known: datetime | None = None,
    progress: Callable[[str], None] = lambda name: None,
    with_causes: bool = False,
    drafts: Path | None = None,
) -> WhatIf:
    """Settle a period as it is, and as it would be under each scenario. Raises Refused.

    Facts are those known at a moment, by default all. `progress` is told the name of a scenario
    before each of its `settlements`.
    `with_causes`, each patch is told apart from those before it: one settlement more for each. What
    scenarios say of book and plans is written as `drafts` into a folder. Nothing is kept.
    """
    store = store if isinstance(store, Store) else Store(Path(store))
    read = [one if isinstance(one, Scenario) else load_scenario(one) for one in scenarios]
    for one in read:
        if one.text.vary:
            raise refused("scenario-varies", place_of_vary(one.written))
    lab = Lab(store, period, known)
    before = lab.settle(lab.facts)
    outcomes = []
    for scenario in read:
        tell = partial(progress, scenario.id)
        outcomes.append(_outcome(lab, before, scenario, with_causes, drafts, tell))
    return WhatIf(period, lab.known, before, lab.spent(lab.facts), tuple(outcomes))


def settlements(scenarios: Sequence[Scenario], with_causes: bool) -> int:
    """Return how often a period is settled for some scenarios, beside as it is."""
    return sum(max(len(one.paths), 1) if with_causes else 1 for one in scenarios)


def _outcome(
    lab: Lab,
    before: Run,
    scenario: Scenario,
    with_causes: bool,
    drafts: Path | None,
    tell: Callable[[], None],
) -> Outcome:
    """Return a scenario settled beside what is."""
    tell()
    with lab.patched(scenario) as patched:
        run = lab.settle(patched.facts)
        spent = lab.spent(patched.facts)
        written = write_drafts(patched, scenario, drafts) if drafts else []
    found = answer(lab.chooser.book, before, patched.book, run)
    new = [problem for problem in run.problems if problem not in before.problems]
    causes = list(_causes(lab, before, scenario, run, tell)) if with_causes else []
    problems = (*patched.problems, *new)
    return Outcome(scenario, run, found, problems, spent, causes, tuple(written))


def _causes(
    lab: Lab, before: Run, scenario: Scenario, after: Run, tell: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Yield what each patch adds to what is earned, beside those before it; they sum to all."""
    paths, last = scenario.paths, earned_in_all(before)
    for number, path in enumerate(paths, 1):
        if number == len(paths):
            now = earned_in_all(after)
        else:
            tell()
            with lab.patched(scenario, paths[:number]) as patched:
                now = earned_in_all(lab.settle(patched.facts))
        for currency in sorted({*last, *now}):
            more = now.get(currency, _NOTHING) - last.get(currency, _NOTHING)
            place = scenario.place(path)
            yield {"patch": path[0], "line": place.row, "currency": currency, "earned_more": more}
        last = now
