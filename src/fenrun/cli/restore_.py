"""fenrun restore"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.words import say
from fenrun.cli.backup_ import backup_as_json, show_backup
from fenrun.cli.output import (
    as_json,
    exit_code,
    language,
    print_json,
    print_problems,
    problems_as_json,
    progress,
)
from fenrun.store.backup import restore


@click.command(name="restore")
@click.argument("backup", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make; it may be there, empty.",
)
@as_json
def command(backup: Path, target: Path, json_: bool) -> None:
    """Make a workspace from BACKUP, whole or not at all.

    Every file is verified, and the log with them. It is never written over anything.
    """
    with progress("restore") as step:
        made, problems = restore(backup, target, step)
    if json_:
        print_json({"workspace": str(target), **backup_as_json(made), **problems_as_json(problems)})
    else:
        click.echo(say("restored", language(), path=target))
        show_backup(made)
        print_problems(problems)
    exit_code(problems)
