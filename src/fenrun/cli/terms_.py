"""fenrun terms"""

from __future__ import annotations

from datetime import date, datetime

import click

from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import (
    WORKSPACE,
    DayType,
    as_json,
    known_option,
    language,
    now,
    print_json,
)
from fenrun.cli.rows_shown import print_rows
from fenrun.settle.terms_in_force import terms_in_force
from fenrun.store.facts import Store
from fenrun.terms.read import COLUMNS
from fenrun.terms.written import terms_as_json


@click.group(name="terms", cls=Group)
def command() -> None:
    """Show the terms: agreements, floors, approvals, coupons and list prices."""


@command.command(name="show")
@click.argument("workspace", type=WORKSPACE)
@click.option("--on", type=DayType(), help="The day on which they hold; else today.")
@click.option("--about", default="", help="Only what names this id, party or sku.")
@known_option
@as_json
def show_(
    workspace: Store, on: date | None, about: str, known: datetime | None, json_: bool
) -> None:
    """List the terms of WORKSPACE that hold on a day, with who brought them.

    To end a row, import it again with its `to`.
    """
    day = on or now().date()
    found = terms_in_force(workspace, day, known, about)
    if json_:
        print_json(terms_as_json(found, day))
        return
    for table, rows in found.items():
        title = say(f"in-force-{table}", language(), day=day, count=len(rows))
        print_rows(title, rows, [*COLUMNS[table]])
