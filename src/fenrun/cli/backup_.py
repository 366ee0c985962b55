"""fenrun backup"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from fenrun.base.problem import Place, Problem
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    exit_code,
    language,
    now,
    print_json,
    print_problems,
    problems_as_json,
    progress,
)
from fenrun.store.backup import Backup, back_up
from fenrun.store.facts import KINDS, Store


@click.command(name="backup")
@click.argument("workspace", type=WORKSPACE)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write, or a folder that is there: the file is then named by the moment.",
)
@as_json
def command(workspace: Store, target: Path, json_: bool) -> None:
    """Write WORKSPACE to a file, as it is at one moment, while commands and the portal go on.

    With it go the signing key, the portal's secret and its rows, where they are in SQLite: keep the
    file as you keep those. Caches are left out. Every file is verified at the end.
    """
    moment = now()
    if target.is_dir():
        target /= f"{workspace.path.resolve().name}-{moment:%Y%m%dT%H%M%SZ}.zip"
    with progress("backup") as step:
        made, problems = back_up(workspace, target, moment, step)
    if os.environ.get("DATABASE_URL"):
        values = {"taken": made.taken, "events": made.events}
        problems.append(Problem("backup-without-portal", Place(str(target)), values))
    if json_:
        said = {"file": str(target), **backup_as_json(made), **problems_as_json(problems)}
        print_json(said)
    else:
        size = f"{target.stat().st_size / 1_000_000:.1f} MB"
        click.echo(say("backup-written", language(), path=target, size=size))
        show_backup(made)
        print_problems(problems)
    exit_code(problems)


def _counts(made: Backup) -> dict[str, int]:
    return {kind: made.count(kind) for kind in KINDS}


def backup_as_json(made: Backup) -> dict[str, Any]:
    """Return what a backup holds as JSON-ready data, without its list of files."""
    log = {"seq": made.events, "hash": made.head}
    holds = {**_counts(made), "portal": made.has_portal, "files": len(made.files)}
    return {"taken": made.taken, "log": log, "holds": holds}


def show_backup(made: Backup) -> None:
    """Print of which moment a backup is, and what it holds."""
    lang = language()
    values = {"taken": made.taken, "events": made.events, "head": made.head}
    click.echo(say("backup-of", lang, **values))
    click.echo(say("backup-holds", lang, **_counts(made)))
    click.echo(say("backup-portal" if made.has_portal else "backup-no-portal", lang))
