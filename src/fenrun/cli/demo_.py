"""fenrun demo"""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from fenrun.base.money import plain, show
from fenrun.base.problem import Place, refused
from fenrun.base.when import parse_period
from fenrun.base.words import say
from fenrun.cli.explain_ import show_explanation
from fenrun.cli.output import actor, as_json, language, now, print_json, print_table, progress
from fenrun.cli.settle_ import summary
from fenrun.cli.statement_ import show_statement
from fenrun.settle.explain import explain
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.rows import Statement, payees, statement_of
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from fenrun.world.people import YEAR

SHOWN = "2024-09"
"""The month whose statement is shown: a quarter ends in it."""
_MARKER = "demo.json"
_DEFAULT = Path("demo-workspace")
_SUMS = ("credited", "uncredited", "earned")


@click.command(name="demo")
@click.argument("workspace", type=click.Path(path_type=Path), default=_DEFAULT)
@click.option(
    "--rows",
    type=click.IntRange(1_000, 100_000_000),
    default=120_000,
    show_default=True,
    help="How many charges.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same world."
)
@click.option("--force", is_flag=True, help="Replace a demo workspace that is there.")
@as_json
def command(workspace: Path, rows: int, seed: int, force: bool, json_: bool) -> None:
    """Build an invented vendor in WORKSPACE, settle its twelve months and show the result.

    Shown are the months, one statement and the explanation of one of its lines.
    """
    _clear(workspace, force)
    store = Store(workspace, actor(), now(), clock=now)
    _fill(store, rows, seed)
    summaries, shown = _settle_year(store)
    if json_:
        print_json(summaries)
    else:
        _show(workspace, summaries, shown)


def _clear(workspace: Path, force: bool) -> None:
    """Make room for the demo. Raises Refused for a folder that is not a demo's."""
    if not workspace.exists() or not any(workspace.iterdir()):
        return
    if not (force and (workspace / _MARKER).is_file()):
        raise refused("target-exists", Place(str(workspace)), path=workspace)
    shutil.rmtree(workspace)


def _fill(store: Store, rows: int, seed: int) -> None:
    """Make the world and import its files, each when it became known."""
    with tempfile.TemporaryDirectory(prefix="fenrun-demo-") as scratch:
        with progress("world", rows) as step:
            world = make_world(Path(scratch), rows, seed, step, late=True, terms=True)
        with progress("import", len(world.files)) as step:
            for path, day in world.files:
                import_file(store, path, datetime.combine(day, time()))
                step(1)
    marker = {"rows": rows, "seed": seed, "note": "Invented by fenrun demo."}
    (store.path / _MARKER).write_text(json.dumps(marker) + "\n", "utf-8")


def _settle_year(store: Store) -> tuple[list[dict[str, Any]], Run]:
    """Settle the months. Return their summaries, and the run of the month that is shown.

    Only that run is kept: each holds its tables in memory.
    """
    months = parse_period(str(YEAR)).months
    summaries: list[dict[str, Any]] = []
    shown: list[Run] = []
    with progress("settle", len(months)) as step:
        for month in months:
            settled = settle_workspace(store, parse_period(month))
            summaries.append(summary(settled))
            if month == SHOWN:
                shown.append(settled.run)
            step(1)
    return summaries, shown[0]


def _show(workspace: Path, summaries: list[dict[str, Any]], run: Run) -> None:
    click.echo(say("demo-synthetic", language()) + "\n")
    _show_months(summaries)
    statement = _showcase(run)
    show_statement(statement)
    line = max(statement.lines, key=lambda line: (line.reason == "band", line.earned))
    show_explanation(explain(run, line.line_id, 4), 4)
    _show_next(workspace, statement.payee, line.line_id)


def _show_months(summaries: list[dict[str, Any]]) -> None:
    lang = language()
    columns = [
        (say("month", lang), False),
        *((say(key, lang), True) for key in (*_SUMS, "statements", "problems")),
    ]
    rows = [
        [
            one["period"],
            *(show(Decimal(one[key])) for key in _SUMS),
            str(len(one["statements"])),
            str(one["problem_count"]),
        ]
        for one in summaries
    ]
    totals = [sum((Decimal(one[key]) for one in summaries), Decimal(0)) for key in _SUMS]
    rows.append([say("total", lang), *map(show, totals), "", ""])
    print_table(f"{YEAR}, {summaries[0]['currency']}", columns, rows)


def _show_next(workspace: Path, payee: str, line: str) -> None:
    """Show commands to go on with."""
    click.echo(f"\n{say('demo-next', language())}")
    commands = [
        "make serve" if workspace == _DEFAULT else f"fenrun serve {workspace}",
        f"fenrun statement {workspace} {payee} --period {SHOWN} --format xlsx --out statement.xlsx",
        f"fenrun explain {workspace} {line} --period {SHOWN}",
        f"fenrun settle {workspace} --period {SHOWN} --json",
        f"fenrun compare {workspace} --period 2024-06 --known 2024-07-05",
    ]
    for command_line in commands:
        click.echo(f"  {command_line}")


def _showcase(run: Run) -> Statement:
    """Return a partner's statement with something to show.

    In it some lines earn and some do not, and something is not counted.
    """
    partners = [row["payee"] for row in payees(run.engine)[:60] if row["role"] == "partner"]

    def variety(statement: Statement) -> tuple[int, int, str]:
        reasons = {line.reason for line in statement.lines}
        earning = {line.earned > 0 for line in statement.lines}
        uncounted = min(6, len(statement.not_counted))
        return len(reasons) + len(earning), uncounted, plain(statement.earned).zfill(30)

    return max((statement_of(run, payee) for payee in partners), key=variety)
