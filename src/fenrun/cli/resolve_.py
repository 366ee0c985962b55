"""fenrun resolve"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from fenrun.base.ids import short
from fenrun.base.problem import Place, refused
from fenrun.base.words import say
from fenrun.charges.read import import_named
from fenrun.cli.output import (
    WORKSPACE,
    MomentType,
    as_json,
    exit_code,
    language,
    now,
    print_json,
    print_problems,
    problems_as_json,
)
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.mend_files import MOST_ROWS, write_rows
from fenrun.settle.mending import rows_to_mend
from fenrun.store.facts import Store


@click.command(name="resolve")
@click.argument("workspace", type=WORKSPACE)
@click.argument("delivery")
@click.option("--replaces", default="", help="It takes the place of this import.")
@click.option("--adds", default="", help="It counts beside this import, equal charges included.")
@click.option(
    "--leave-out",
    is_flag=True,
    help="Its rows that were kept aside, or not read, count for nothing.",
)
@click.option("--void", is_flag=True, help="It is taken back: nothing takes its place.")
@click.option(
    "--rows",
    type=click.Path(path_type=Path),
    help="Write its rows that are kept aside to this file (.xlsx, .csv), to correct and import.",
)
@click.option("--known", type=MomentType(), help="From when this is known (UTC); else now.")
@click.option("--reason", default="", help="Why, for the log.")
@as_json
def command(
    workspace: Store,
    delivery: str,
    replaces: str,
    adds: str,
    leave_out: bool,
    void: bool,
    rows: Path | None,
    known: datetime | None,
    reason: str,
    json_: bool,
) -> None:
    """Decide about a DELIVERY: an import of charges, by id or file name.

    Say exactly one of --replaces, --adds, --leave-out and --void. The decision stands in the log;
    settlements as known before it stay as they were. What is still open is shown.

    Or have its rows that are kept aside written to a file: corrected there, they are imported as
    any other file (fenrun import), and count from then on.
    """
    if sum(map(bool, (replaces, adds, leave_out, void, rows))) != 1:
        raise click.UsageError(say("resolve-one", language()))
    workspace.reason = reason
    moment = known or workspace.moment(now())
    if rows:
        return _write_rows(workspace, delivery, moment, rows)
    decision = Decision(replaces, adds, leave_out, void)
    before = undecided(workspace, moment)
    done = decide(workspace, delivery, decision, moment)
    problems = undecided(workspace, moment)
    settled = [problem for problem in before if problem not in problems]
    if json_:
        said = {"id": done.id, "new": done.new, **done.facts}
        settles = [problem.as_json(language()) for problem in settled]
        print_json({**said, "settles": settles, **problems_as_json(problems)})
        return exit_code(problems)
    key = "resolved" if done.new else "already"
    click.echo(say(key, language(), source=done.source, id=short(done.facts["of"])))
    for problem in settled:
        click.echo(say("resolved-settles", language(), what=problem.words("what", language())))
    print_problems(problems)
    exit_code(problems)


def _write_rows(store: Store, name: str, known: datetime, path: Path) -> None:
    """Write the rows of an import that may be mended. Raises Refused where the file is there."""
    item = import_named(store.imports("charges", known), Place(str(store.path)), name)
    found = rows_to_mend(store, item, known)
    if path.exists():
        raise refused("target-exists", Place(str(path)), path=path)
    path.write_bytes(write_rows(item, found, path.suffix.lower()))
    written = min(len(found), MOST_ROWS)
    click.echo(say("rows-written", language(), count=written, all=len(found), path=path))
