"""fenrun statement"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from fenrun.base.when import Period
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    known_option,
    language,
    period_option,
    print_blocks,
    print_text,
    progress,
)
from fenrun.closing.close import settle_period
from fenrun.proof.bundle import make_bundle
from fenrun.settle.line_terms import statement_naming_terms
from fenrun.statement.formats import FORMATS
from fenrun.statement.formats.text import statement_blocks
from fenrun.statement.rows import Statement
from fenrun.store.facts import Store


@click.command(name="statement")
@click.argument("workspace", type=WORKSPACE)
@click.argument("payee")
@period_option
@known_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="text",
    help="How to write it.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; xlsx needs one."
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the closed statement, with all it rests on, as a signed file for fenrun verify.",
)
@as_json
def command(
    workspace: Store,
    payee: str,
    period: Period,
    known: datetime | None,
    kind: str,
    out: Path | None,
    bundle: Path | None,
    json_: bool,
) -> None:
    """Show the statement of PAYEE for a PERIOD, or write it as a file."""
    if bundle:
        with progress("bundle") as step:
            make_bundle(workspace, payee, period, bundle, step)
        click.echo(say("wrote", language(), path=bundle), err=True)
        return
    chosen = FORMATS["json" if json_ and kind == "text" else kind]
    if not chosen.is_text and not out:
        raise click.UsageError(say("format-needs-out", language(), format=kind))
    with progress("settle") as step:
        run = settle_period(workspace, period, known, (), step).run
    statement = statement_naming_terms(run, payee)
    if out:
        out.write_bytes(chosen.write(statement, language()))
        click.echo(say("wrote", language(), path=out), err=True)
    elif chosen.name == "text":
        show_statement(statement)
    else:
        print_text(chosen.write(statement, language()).decode("utf-8-sig"))


def show_statement(statement: Statement) -> None:
    """Show the statement on the terminal."""
    print_blocks(statement_blocks(statement, language()))
