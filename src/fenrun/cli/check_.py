"""fenrun check"""

from __future__ import annotations

from datetime import datetime

import click

from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    exit_code,
    known_option,
    language,
    print_json,
    print_problems,
    problems_as_json,
)
from fenrun.settle.facts import check_workspace
from fenrun.store.facts import Store


@click.command(name="check")
@click.argument("workspace", type=WORKSPACE)
@known_option
@as_json
def command(workspace: Store, known: datetime | None, json_: bool) -> None:
    """Show every problem of the charges, book and plans in WORKSPACE, sorted by place."""
    problems = check_workspace(workspace, known)
    if json_:
        print_json(problems_as_json(problems))
    elif not problems:
        click.echo(say("check-ok", language()))
    else:
        print_problems(problems, most=1000)
    exit_code(problems)
