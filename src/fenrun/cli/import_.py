"""fenrun import"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from fenrun.base.problem import Problem
from fenrun.base.words import say
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
    problems_as_json,
    progress,
)
from fenrun.settle.imports import content_of, files_in, import_files
from fenrun.store.facts import Imported, Store


@click.command(name="import")
@click.argument("workspace", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--known", type=MomentType(), help="From when these facts are known (UTC); else now.")
@click.option(
    "--replaces",
    multiple=True,
    help="File name or id of an earlier import that these charges replace, as corrections do.",
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
    """Import FILES, or folders of them, into WORKSPACE, which is made if it is not there.

    Whether a file holds FOCUS charges, a book or a plan is seen from its content. The same content
    twice changes nothing. A file that cannot be read is refused whole; the others are imported.
    """
    store = Store(workspace, actor(), now(), reason)
    paths = [file for path in files for file in files_in(path)]
    size = sum(path.stat().st_size for path in paths if path.exists())
    done: list[Imported] = []
    problems: list[Problem] = []
    with progress("import", size) as step:
        for outcome in import_files(store, paths, known or now(), step, replaces):
            problems += outcome.problems
            if isinstance(outcome, Imported):
                done.append(outcome)
    if json_:
        listed = [{"file": one.source, "id": one.id, "new": one.new, **one.facts} for one in done]
        print_json({"imported": listed, **problems_as_json(problems)})
    else:
        _print(done)
        print_problems(problems)
    exit_code(problems)


def _print(done: list[Imported]) -> None:
    if not done:
        return
    lang = language()
    columns = [
        (say("file", lang), False),
        (say("content", lang), False),
        (say("billed", lang), True),
        ("", False),
    ]
    rows = [
        [one.source, content_of(one.facts, lang), _billed(one.facts), _outcome(one, lang)]
        for one in done
    ]
    print_table("", columns, rows)


def _billed(facts: dict[str, Any]) -> str:
    totals = facts.get("billed", {})
    return "  ".join(f"{amount} {currency}" for currency, amount in totals.items())


def _outcome(one: Imported, lang: str) -> str:
    outcome = say("imported" if one.new else "already", lang)
    if one.facts.get("quarantined"):
        outcome += say("list-comma", lang)
        outcome += say("quarantined", lang, count=one.facts["quarantined"])
    return outcome
