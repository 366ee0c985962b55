"""fenrun bench"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from bench import change, guard, job, month, plans, portal, work
from bench.peers import PEERS, measure
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import WORKSPACE, as_json, language, print_json, print_table, progress
from fenrun.store.facts import Store

_GUARD_ROWS, _GUARD_REPEATS = 200_000, 3


@click.group(name="bench", cls=Group)
def command() -> None:
    """Measure fenrun on known jobs."""


def _print(said: dict[str, Any], json_: bool) -> None:
    """What was measured: as JSON, or a line a figure."""
    if json_:
        print_json(said)
    else:
        for key, value in said.items():
            click.echo(f"{key}: {value}")


@command.command(name="job")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write earnings.csv.",
)
@as_json
def bench_job(folder: Path, out: Path, json_: bool) -> None:
    """Settle one channel-incentive year from FOLDER and write its earnings.

    docs/reference/bench.md describes the files in FOLDER.
    """
    with progress("job", 5) as step:
        said = job.run(folder, out, step)
    _print(said, json_)


@command.command(name="peers")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--only",
    type=click.Choice(list(PEERS)),
    multiple=True,
    help="This peer only; may be given more than once.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How often each is measured; the median counts.",
)
@as_json
def bench_peers(folder: Path, only: tuple[str, ...], repeats: int, json_: bool) -> None:
    """Settle FOLDER as `bench job` does, and as one would without fenrun.

    By hand with DuckDB, Polars, pandas and OpenFisca, one after the other; every earnings.csv is
    compared with fenrun's.
    """
    with progress("peers", repeats * (1 + len(only or PEERS))) as step:
        rows = measure.run(folder, only, repeats, step)
    if json_:
        print_json(rows)
        return
    columns = [
        ("", False),
        ("seconds", True),
        ("lines a second", True),
        ("peak MB", True),
        ("exact", False),
        ("fenrun is faster, times", True),
    ]
    print_table("", columns, [_peer(row) for row in rows])
    for row in rows:
        if not row["installed"]:
            click.echo(f"{row['name']} is not installed: {row['install']}")


@command.command(name="portal")
@click.argument("workspace", type=WORKSPACE)
@click.option(
    "--readers",
    type=click.IntRange(1, portal.MOST_READERS),
    default=50,
    show_default=True,
    help="How many partners read at once.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1, portal.MOST_SECONDS),
    default=20,
    show_default=True,
    help="For how many seconds.",
)
@as_json
def bench_portal(workspace: Store, readers: int, seconds: int, json_: bool) -> None:
    """Measure how long a page of the portal takes while many partners read.

    A demo WORKSPACE (fenrun demo) is served on this machine, and its largest partners read their
    statements, all at once.
    """
    from fenrun.portal import serve

    if not (workspace.path / "demo.json").is_file():
        raise Refused([Problem("bench-not-demo", Place(str(workspace.path)))])
    password = secrets.token_urlsafe(12)
    with progress("portal", readers + len(serve.months(workspace.path))) as step:
        serve.prepare(workspace.path, step)
        who = [
            portal.Reader(name, password, pages)
            for name, pages in serve.reader_accounts(readers, password)
        ]
        with subprocess.Popen(
            [sys.executable, "-m", "fenrun", "serve", str(workspace.path), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "FENRUN_LANG": "en"},
        ) as server:
            try:
                address = next(
                    found.group()
                    for line in server.stdout or ()
                    if (found := re.search(r"http://[\w.:]+", line))
                )
                said = portal.run(address, who, seconds, step)
            finally:
                server.terminate()
    _print(said, json_)


def _peer(row: dict[str, Any]) -> list[str]:
    if not row["installed"]:
        return [row["name"], "not installed", "", "", "", ""]
    return [
        row["name"],
        f"{row['seconds']:.2f}",
        f"{row['lines_per_s']:,}",
        str(row["peak_mb"]),
        "yes" if row["exact"] else "no",
        f"{row['fenrun_times_faster']:.3f}",
    ]


@command.command(name="plans")
@click.option(
    "--rows",
    type=click.IntRange(min=1000),
    default=100_000,
    show_default=True,
    help="How many charges the world has.",
)
@click.option(
    "--variants",
    type=click.IntRange(min=3),
    default=100,
    show_default=True,
    help="How many variants of its plan.",
)
@as_json
def bench_plans(rows: int, variants: int, json_: bool) -> None:
    """Settle many variants of a plan over the same facts in one pass.

    Some of them are settled one by one as well, for comparison.
    """
    with progress("plans", 5) as step:
        said = plans.run(rows, variants, step)
    _print(said, json_)


@command.command(name="change")
@click.option(
    "--rows",
    type=click.IntRange(min=1000),
    default=1_000_000,
    show_default=True,
    help="How many charges the world has.",
)
@click.option(
    "--changes",
    type=click.IntRange(min=2),
    default=100,
    show_default=True,
    help="How many customers change their partner, one at a time.",
)
@as_json
def bench_change(rows: int, changes: int, json_: bool) -> None:
    """Settle a month, then again only what a change touches.

    The change is a new association or a late file; everything is settled anew as well, for
    comparison.
    """
    with progress("change", 4) as step:
        said = change.run(rows, changes, step)
    _print(said, json_)


@command.command(name="month")
@click.option(
    "--rows",
    type=click.IntRange(min=1000),
    default=1_000_000,
    show_default=True,
    help="How many charges the month has.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How often each is measured; the median counts.",
)
@as_json
def bench_month(rows: int, repeats: int, json_: bool) -> None:
    """Settle one month, beside the floor.

    The floor is one grouped sum over the same columns of the same files.
    """
    with progress("month", repeats + 2) as step:
        said = month.run(rows, repeats, step)
    _print(said, json_)


@command.command(name="guard")
@click.option("--record", is_flag=True, help="Expect from now on what is found.")
@as_json
@click.pass_context
def bench_guard(context: click.Context, record: bool, json_: bool) -> None:
    """Compare what each job asks of the engine with what is expected.

    Over a month of 200,000 charges: statements, rows and bytes read, and the month's ratio to the
    floor. The exit code is 1 where something takes more.
    """
    with progress("guard", _GUARD_REPEATS + 3) as step:
        found = guard.run(_GUARD_ROWS, _GUARD_REPEATS, step)
    if record:
        work.record(found)
    wanted = work.expected()
    worse = work.worse(found, wanted)
    if json_:
        print_json({"found": found, "expected": wanted, "worse": worse})
    else:
        rows = [
            [job, name, f"{value:,}", f"{wanted.get(job, {}).get(name, 0):,}"]
            for job, measures in found.items()
            for name, value in measures.items()
            if name != "rows"
        ]
        print_table(
            "",
            [
                ("", False),
                ("", False),
                (say("found", language()), True),
                (say("expected", language()), True),
            ],
            rows,
        )
        for said in worse:
            click.echo(said, err=True)
    context.exit(1 if worse else 0)
