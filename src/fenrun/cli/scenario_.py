"""fenrun scenario"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.problem import Problem, Refused
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import (
    as_json,
    exit_code,
    language,
    print_json,
    print_problems,
    print_table,
    problems_as_json,
)
from fenrun.lab.scenario import Scenario, load_scenario


@click.group(name="scenario", cls=Group)
def command() -> None:
    """Check a scenario: facts and plans otherwise than they are."""


@command.command(name="check")
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
def check(scenarios: tuple[Path, ...], json_: bool) -> None:
    """Read SCENARIOS and show every problem, with its line, and each patch.

    Whether parties, plans and places in plans are there is asked by `fenrun whatif`, of a
    workspace.
    """
    found: list[Scenario] = []
    problems: list[Problem] = []
    for path in scenarios:
        try:
            found.append(load_scenario(path))
        except Refused as refused:
            problems += refused.problems
    if json_:
        print_json({"scenarios": [one.id for one in found], **problems_as_json(problems)})
    else:
        for one in found:
            _print(one)
        print_problems(problems)
    exit_code(problems)


def _print(one: Scenario) -> None:
    lang = language()
    columns = [(say("line", lang), True), (say("scenario-patch", lang), False)]
    columns += [(say("scenario-says", lang), False)]
    rows = [
        [str(one.place(path).row), say(f"patch-{path[0]}", lang), one.words(path)]
        for path in one.paths
    ]
    print_table(say("scenario-patches", lang, scenario=one.id, count=len(rows)), columns, rows)
