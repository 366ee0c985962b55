"""fenrun events"""

from __future__ import annotations

from datetime import datetime

import click

from fenrun.base.when import Period
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    exit_code,
    known_option,
    language,
    period_option,
    print_json,
    print_problems,
    problems_as_json,
)
from fenrun.cli.rows_shown import print_rows
from fenrun.events.read import COLUMNS
from fenrun.settle.terms_in_force import events_between
from fenrun.store.facts import Store
from fenrun.tables.written import rows_as_json


@click.group(name="events", cls=Group)
def command() -> None:
    """Show what people did, who paid, and what was traded."""


@command.command(name="show")
@click.argument("workspace", type=WORKSPACE)
@period_option
@click.option("--about", default="", help="Only what names this id or party.")
@known_option
@as_json
def show_(
    workspace: Store, period: Period, about: str, known: datetime | None, json_: bool
) -> None:
    """List the events, payments and trades of WORKSPACE in a period, with who brought them."""
    span = period.span
    found, problems = events_between(workspace, span.start, span.end, known, about)
    if json_:
        said = {table: rows_as_json(rows, [*COLUMNS[table]]) for table, rows in found.items()}
        print_json({"period": period.key, **said, **problems_as_json(problems)})
    else:
        for table, rows in found.items():
            title = say(f"in-period-{table}", language(), period=period.key, count=len(rows))
            print_rows(title, rows, [*COLUMNS[table]])
        print_problems(problems)
    exit_code(problems)
