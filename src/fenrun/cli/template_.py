"""fenrun template"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from fenrun.base.problem import Place, refused
from fenrun.base.words import say
from fenrun.book.to_xlsx import rows_of, write_workbook
from fenrun.cli.output import WORKSPACE, known_option, language
from fenrun.settle.facts import known_book
from fenrun.store.facts import Store


@click.command(name="template")
@click.argument("workspace", type=WORKSPACE, required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The workbook to write (.xlsx)."
)
@known_option
def command(workspace: Store | None, out: Path, known: datetime | None) -> None:
    """Write the book of WORKSPACE as a workbook for Excel, to be edited and imported again.

    Each table is a sheet with drop-downs and the current rows. Without WORKSPACE it is empty.
    """
    if out.exists():
        raise refused("target-exists", Place(str(out)), path=out)
    rows = rows_of(known_book(workspace, known)) if workspace else {}
    write_workbook(out, rows, language())
    click.echo(say("wrote", language(), path=out))
