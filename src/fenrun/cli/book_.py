"""fenrun book"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import click

from fenrun.base.money import show_rate
from fenrun.base.when import if_bound
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
    print_table,
)
from fenrun.settle.book_in_force import book_in_force
from fenrun.store.facts import Store

_SHOWN: dict[str, dict[str, Callable[[dict[str, Any]], str]]] = {
    "links": {
        "subject": lambda row: " ".join(filter(None, (row["of_kind"], row["subject"]))),
        "issuer": lambda row: row["issuer"],
        "role": lambda row: row["role"],
        "party": lambda row: row["party"],
        "share": lambda row: "" if row["share"] == 1 else show_rate(row["share"]),
        "type": lambda row: row["type"],
    },
    "labels": {
        "party": lambda row: row["party"],
        "label": lambda row: row["label"],
        "value": lambda row: row["value"],
    },
    "identities": {
        "party": lambda row: row["party"],
        "kind": lambda row: row["kind"],
        "value": lambda row: row["value"],
    },
}
"""The columns of each table that is shown, by the key of their title."""


@click.group(name="book", cls=Group)
def command() -> None:
    """Show the book: who owns whom, since when, and who said so."""


@command.command(name="show")
@click.argument("workspace", type=WORKSPACE)
@click.option("--on", type=DayType(), help="The day on which they hold; else today.")
@click.option("--about", default="", help="Only what names this party, account, order or resource.")
@known_option
@as_json
def show_(
    workspace: Store, on: date | None, about: str, known: datetime | None, json_: bool
) -> None:
    """List the links, labels and identities of WORKSPACE in force on a day, with who brought them.

    To end a link, import its row again with its `to`.
    """
    day = on or now().date()
    found = book_in_force(workspace, day, known, about)
    if json_:
        print_json({"on": str(day), **found})
        return
    for table, rows in found.items():
        if table == "identities" and not rows:
            continue
        title = say(f"in-force-{table}", language(), day=day, count=len(rows))
        _show(title, _SHOWN[table], rows)


def _show(
    title: str,
    columns: dict[str, Callable[[dict[str, Any]], str]],
    rows: Sequence[dict[str, Any]],
) -> None:
    lang = language()
    keys = (*columns, "first-day", "end-day", "place", "brought-by")
    shown = [
        [
            *(of(row) for of in columns.values()),
            *(str(if_bound(row[name]) or "") for name in ("valid_from", "valid_to")),
            f"{row['source']}:{row['row_no']}",
            f"{row['brought']['by']}, {row['brought']['at']}",
        ]
        for row in sorted(rows, key=lambda row: [of(row) for of in columns.values()])
    ]
    print_table(title, [(say(key, lang), False) for key in keys], shown)
    click.echo()
