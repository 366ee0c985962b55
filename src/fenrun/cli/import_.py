"""fenrun import"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from fenrun.base.problem import Problem
from fenrun.base.words import say
from fenrun.charges.read import Imported
from fenrun.cli.output import (
    MomentType,
    actor,
    as_json,
    exit_code,
    language,
    now,
    print_json,
    print_problems,
    print_table,
    progress,
)
from fenrun.settle.imports import files_in, import_files
from fenrun.store.facts import Store


@click.command(name="import")
@click.argument("workspace", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--known", type=MomentType(), help="From when these facts are known (UTC); else now.")
@click.option(
    "--replaces",
    multiple=True,
    help="File name or id of an earlier import of charges that these charges take the place of (the replacement style of corrections).",
)
@click.option("--reason", default="", help="Why, for the log.")
@as_json
def command(
    workspace: Path,
    files: tuple[Path, ...],
    known: datetime | None,
    replaces: tuple[str, ...],
    reason: str,
    json_: bool,
) -> None:
    """Import FILES (or folders of them) into WORKSPACE, which is made if it is not there.

    What a file is (FOCUS charges, book, plan) is told from what it holds. The same content twice changes nothing.
    A file that cannot be taken is refused whole; the others are imported.
    """
    store, moment, done, problems = (
        Store(workspace, actor(), now(), reason),
        known or now(),
        list[Imported](),
        list[Problem](),
    )
    paths = [file for path in files for file in files_in(path)]
    size = sum(p.stat().st_size for p in paths if p.exists())
    with progress("import", size) as step:
        for found in import_files(store, paths, moment, step, replaces):
            problems += found.problems
            if isinstance(found, Imported):
                done.append(found)
    if json_:
        listed = [{"file": d.source, "id": d.id, "new": d.new, **d.facts} for d in done]
        print_json({"imported": listed, "problems": [p.as_json(language()) for p in problems]})
    else:
        _print(done)
        print_problems(problems)
    exit_code(problems)


def _print(done: list[Imported]) -> None:
    lang, rows = language(), []
    for d in done:
        what = ", ".join(
            f"{key} {value}"
            for key, value in d.facts.items()
            if key
            not in (
                "billed",
                "billed_quarantined",
                "quarantined",
                "first_billed",
                "last_billed",
                "replaces",
            )
            and value
        )
        billed = "  ".join(
            f"{amount} {currency}" for currency, amount in d.facts.get("billed", {}).items()
        )
        note = say("imported", lang) if d.new else say("already", lang)
        if d.facts.get("quarantined"):
            note += "; " + say("quarantined", lang, count=d.facts["quarantined"])
        rows.append([d.source, what, billed, note])
    if rows:
        print_table(
            "",
            [
                (say("file", lang), False),
                (say("rows", lang), False),
                (say("billed", lang), True),
                ("", False),
            ],
            rows,
        )
