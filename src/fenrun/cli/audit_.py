"""fenrun audit"""

from __future__ import annotations

from dataclasses import asdict

import click

from fenrun.base.ids import short
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    exit_code,
    language,
    print_json,
    print_problems,
    print_table,
)
from fenrun.store.facts import Store


@click.group(name="audit")
def command() -> None:
    """Show and verify the log of all acts."""


@command.command(name="show")
@click.argument("workspace", type=WORKSPACE)
@as_json
def show(workspace: Store, json_: bool) -> None:
    """Show every act that changed WORKSPACE: when, by whom, what, why."""
    acts = workspace.log.events()
    if json_:
        print_json([asdict(a) for a in acts])
        return
    lang = language()
    columns = [
        ("row", True),
        ("at", False),
        ("actor", False),
        ("act", False),
        ("source", False),
        ("known", False),
        ("reason", False),
        ("hash", False),
    ]
    rows = [
        [
            str(a.seq),
            a.at,
            a.actor,
            f"{a.act} {a.kind}",
            a.facts()["source"],
            a.facts()["known"],
            a.reason,
            short(a.hash),
        ]
        for a in acts
    ]
    print_table("", [(say(k, lang), n) for k, n in columns], rows)


@command.command(name="verify")
@click.argument("workspace", type=WORKSPACE)
@click.option(
    "--head", default="", help="A hash that the log had at its head before: it must still hold it."
)
@as_json
def verify(workspace: Store, head: str, json_: bool) -> None:
    """Find any row of the log, and any stored file, that was edited, removed, put in or re-ordered."""
    problems, acts = workspace.broken(head), workspace.log.events()
    last = acts[-1].hash if acts else ""
    if json_:
        print_json(
            {"acts": len(acts), "head": last, "problems": [p.as_json(language()) for p in problems]}
        )
    elif problems:
        print_problems(problems)
    else:
        click.echo(say("log-sound", language(), acts=len(acts)))
        click.echo(say("log-head-is", language(), seq=len(acts), head=last))
    exit_code(problems)
