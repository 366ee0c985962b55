"""fenrun database"""

from __future__ import annotations

import os

import click

from fenrun.base.problem import Place, refused
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import language


@click.group(name="database", cls=Group)
def command() -> None:
    """Prepare PostgreSQL for the portal."""


@command.command(name="init")
@click.option("--run", is_flag=True, help="Run the statements in place of printing them.")
@click.option(
    "--admin",
    default="",
    help="Address of an administrator of the database, for --run; by default DATABASE_URL.",
)
def init(run: bool, admin: str) -> None:
    """Print the SQL that makes the portal's reader, for an administrator to run once.

    The portal reads by this role whatever it shows. DATABASE_URL is the address of the database
    and its owner; FENRUN_READER_URL that of the reader, else the same with the name fenrun_reader.
    """
    from fenrun.portal.access import reader

    owner = os.environ.get("DATABASE_URL", "")
    if not owner.startswith(("postgres://", "postgresql://")):
        raise refused("database-missing", Place("DATABASE_URL"))
    own = os.environ.get("FENRUN_READER_URL", "")
    if not run:
        for statement in reader.sql(owner, own):
            click.echo(f"{statement};")
        return
    reader.run(owner, own, admin)
    click.echo(say("database-ready", language()))
