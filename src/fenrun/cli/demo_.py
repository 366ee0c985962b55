"""fenrun demo"""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

import click

from fenrun.base.money import plain, show
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.base.words import say
from fenrun.cli.explain_ import show_explanation
from fenrun.cli.output import actor, as_json, language, now, print_json, print_table, progress
from fenrun.cli.settle_ import summary
from fenrun.cli.statement_ import show_statement
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.explain import explain
from fenrun.statement.rows import Statement, payees, statement_of
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from fenrun.world.people import YEAR

SHOWN = "2024-09"
"""The month whose statement is shown: a quarter ends in it."""


@click.command(name="demo")
@click.argument("workspace", type=click.Path(path_type=Path), default=Path("demo-workspace"))
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
    """Build an invented vendor in WORKSPACE, settle its twelve months, show the result, one statement and its explanation."""
    _clear(workspace, force)
    store = Store(workspace, actor(), now())
    with tempfile.TemporaryDirectory(prefix="fenrun-demo-") as aside:
        with progress("world", rows) as step:
            world = make_world(Path(aside), rows, seed, step, late=True)
        with progress("import", len(world.files)) as step:
            for path, day in world.files:
                import_file(store, path, datetime.combine(day, time()))
                step(1)
        (workspace / "demo.json").write_text(
            json.dumps({"rows": rows, "seed": seed, "note": "Invented by fenrun demo."}) + "\n",
            "utf-8",
        )
    months, shown = parse_period(str(YEAR)).months, None
    said = []
    with progress("settle", len(months)) as step:
        for month in months:
            settled = settle_workspace(store, parse_period(month))
            shown = (
                settled.run if month == SHOWN else shown
            )  # one run is kept: each holds its tables in memory
            said.append(summary(settled))
            step(1)
    if json_ or not shown:
        print_json(said)
        return
    _show(workspace, said, shown)


def _clear(workspace: Path, force: bool) -> None:
    """Only a demo workspace is ever replaced."""
    if workspace.exists() and any(workspace.iterdir()):
        if not (force and (workspace / "demo.json").is_file()):
            raise Refused([Problem("target-exists", Place(str(workspace)), {"path": workspace})])
        shutil.rmtree(workspace)


def _show(workspace: Path, said: list[dict[str, object]], run: Run) -> None:
    lang = language()
    click.echo(say("demo-synthetic", lang) + "\n")
    columns = [
        ("month", False),
        ("credited", True),
        ("uncredited", True),
        ("earned", True),
        ("statements", True),
        ("problems", True),
    ]
    rows = [
        [
            str(s["period"]),
            *(show(Decimal(str(s[k]))) for k in ("credited", "uncredited", "earned")),
            str(len(s["statements"])),
            str(s["problems"]),
        ]
        for s in said
    ]  # type: ignore[arg-type]
    total = [
        "",
        *(
            show(sum((Decimal(str(s[k])) for s in said), Decimal(0)))
            for k in ("credited", "uncredited", "earned")
        ),
        "",
        "",
    ]
    print_table(
        f"{YEAR}, {said[0]['currency']}",
        [(say(k, lang), n) for k, n in columns],
        [*rows, [say("total", lang), *total[1:]]],
    )
    statement = _telling(run)
    show_statement(statement)
    line = max(statement.lines, key=lambda x: (x.reason == "band", x.earned))
    show_explanation(explain(run, line.line_id, 4), 4)
    click.echo(f"\n{say('demo-next', lang)}")
    click.echo(
        "  make serve" if str(workspace) == "demo-workspace" else f"  fenrun serve {workspace}"
    )
    click.echo(
        f"  fenrun statement {workspace} {statement.payee} --period {SHOWN} --format xlsx --out statement.xlsx"
    )
    click.echo(f"  fenrun explain {workspace} {line.line_id} --period {SHOWN}")
    click.echo(f"  fenrun settle {workspace} --period {SHOWN} --json")
    click.echo(f"  fenrun compare {workspace} --period 2024-06 --known 2024-07-05")


def _telling(run: Run) -> Statement:
    """A partner's statement that has something to show: some lines earn, some do not, something is not counted."""
    found = [
        statement_of(run, p["payee"]) for p in payees(run.engine)[:60] if p["role"] == "partner"
    ]

    def worth(s: Statement) -> tuple[int, int, str]:
        return (
            len({x.reason for x in s.lines}) + len({x.earned > 0 for x in s.lines}),
            min(6, len(s.not_counted)),
            plain(s.earned).zfill(30),
        )

    return max(found, key=worth)
