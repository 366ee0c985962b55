"""fenrun case"""

from __future__ import annotations

import re
from datetime import date

import click

from fenrun.base.when import Period
from fenrun.base.words import say
from fenrun.cli.findings_ import months_between
from fenrun.cli.output import (
    WORKSPACE,
    DayType,
    PeriodType,
    as_json,
    language,
    now,
    print_json,
    print_table,
    progress,
)
from fenrun.integrity.kept import ask_for_case
from fenrun.integrity.life import STATES, Decision, decide, lives
from fenrun.store.facts import Store

_ID = re.compile(r"G\d\d-\d{8}-.+")
_COLUMNS = ("case", "state", "owner", "due", "at", "actor", "reason")


@click.command(name="case")
@click.argument("workspace", type=WORKSPACE)
@click.argument("case", required=False)
@click.option("--state", type=click.Choice(STATES), help="What the case is from now on.")
@click.option("--reason", default="", help="Why, for the log.")
@click.option("--owner", default="", help="Who looks after the case.")
@click.option("--due", type=DayType(), help="The day by which more is due.")
@click.option("--from", "first", type=PeriodType(), help="The first month: 2024-01.")
@click.option("--to", "last", type=PeriodType(), help="The last month: 2024-12.")
@as_json
def command(
    workspace: Store,
    case: str | None,
    state: str | None,
    reason: str,
    owner: str,
    due: date | None,
    first: Period | None,
    last: Period | None,
    json_: bool,
) -> None:
    """Show what was decided about cases of findings, or decide about one CASE.

    A case is open until somebody explains or confirms it; one that is confirmed is sanctioned or
    closed. Each step has a reason and stands in the log. Explained and confirmed cases are counted
    beside the checks that found them. The first decision about a case names the months that it
    was found in.
    """
    if state:
        if not case or not _ID.fullmatch(case):
            raise click.BadParameter(say("case-id", language()), param_hint="CASE")
        if not reason:
            raise click.UsageError(say("case-reason", language()))
        if case not in lives(workspace):
            _must_be_found(workspace, case, first, last)
        decide(workspace, case, state, reason, now(), owner, due)
    steps = [
        step for name, of in sorted(lives(workspace).items()) if case in (None, name) for step in of
    ]
    if json_:
        print_json([{name: getattr(step, name) for name in _COLUMNS} for step in steps])
    elif not steps:
        click.echo(say("case-none", language()))
    else:
        _print(steps)


def _must_be_found(workspace: Store, case: str, first: Period | None, last: Period | None) -> None:
    """Refuse a case that nobody decided about yet and that findings of the months do not show."""
    if not (first and last):
        raise click.UsageError(say("case-months", language()))
    with progress("findings") as step:
        ask_for_case(workspace, months_between(first, last), case, step)


def _print(steps: list[Decision]) -> None:
    lang = language()
    heads = (*_COLUMNS[:-1], "reason-given")
    columns = [(say(f"case-{name}", lang), False) for name in heads]
    rows = [
        [
            say(f"case-is-{step.state}", lang) if name == "state" else getattr(step, name)
            for name in _COLUMNS
        ]
        for step in steps
    ]
    print_table("", columns, rows)
