"""fenrun bench"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from bench import (
    case,
    change,
    explain,
    guard,
    imports,
    job,
    late,
    month,
    portal,
    portal_start,
    rate_variants,
    signin,
    sweep,
    work,
    worlds,
)
from bench.peers import PEERS, measure
from bench.timing import Step
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import WORKSPACE, as_json, language, print_json, print_table, progress
from fenrun.store.facts import Store

_GUARD_ROWS, _GUARD_REPEATS = 200_000, 3
_FOLDER = click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
Found = TypeVar("Found")
Command = Callable[..., None]


@click.group(name="bench", cls=Group)
def command() -> None:
    """Measure fenrun on known jobs."""


def _many(name: str, default: int, text: str, least: int = 1) -> Callable[[Command], Command]:
    """Return an option that is a number from `least` on."""
    kind = click.IntRange(min=least)
    return click.option(name, type=kind, default=default, show_default=True, help=text)


def _of_month(default: int, least: int = 1000) -> Callable[[Command], Command]:
    return _many("--rows", default, "How many charges the month has.", least)


def _of_world(default: int) -> Callable[[Command], Command]:
    return _many("--rows", default, "How many charges the world has.", 1000)


def _repeats(default: int) -> Callable[[Command], Command]:
    return _many("--repeats", default, "How often each is measured; the median counts.")


def _measured(steps: int, work: Callable[[Step], Found]) -> Found:
    """Do a job of so many steps, with a progress bar. Return its figures."""
    with progress("bench", steps) as step:
        return work(step)


def _show(steps: int, json_: bool, work: Callable[[Step], dict[str, Any]]) -> None:
    """Do a job of so many steps and print its figures: as JSON, or a line each."""
    found = _measured(steps, work)
    if json_:
        print_json(found)
    else:
        for name, value in found.items():
            click.echo(f"{name}: {value}")


@command.command(name="job")
@_FOLDER
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
    _show(5, json_, lambda step: job.run(folder, out, step))


@command.command(name="peers")
@_FOLDER
@click.option(
    "--only",
    type=click.Choice(list(PEERS)),
    multiple=True,
    help="This peer only; may be given more than once.",
)
@_repeats(3)
@as_json
def bench_peers(folder: Path, only: tuple[str, ...], repeats: int, json_: bool) -> None:
    """Settle FOLDER as `bench job` does, and as one would without fenrun.

    By hand with DuckDB, Polars, pandas and OpenFisca, one after the other; every earnings.csv is
    compared with fenrun's.
    """
    steps = repeats * (1 + len(only or PEERS))
    rows = _measured(steps, lambda step: measure.run(folder, only, repeats, step))
    if json_:
        print_json(rows)
        return
    texts = ("", "exact")
    numbers = ("seconds", "lines a second", "peak MB", "fenrun is faster, times", "settling alone")
    columns = [*((name, False) for name in texts), *((name, True) for name in numbers)]
    print_table("", columns, map(_peer, rows))
    for row in rows:
        if not row["installed"]:
            click.echo(f"{row['name']} is not installed: {row['install']}")


def _peer(row: dict[str, Any]) -> list[str]:
    if not row["installed"]:
        return [row["name"], "not installed", *[""] * 5]
    return [
        row["name"],
        "yes" if row["exact"] else "no",
        f"{row['seconds']:.2f}",
        f"{row['lines_per_s']:,}",
        str(row["peak_mb"]),
        f"{row['fenrun_times_faster']:.3f}",
        f"{row['fenrun_settle_times_faster']:.3f}",
    ]


@command.command(name="month")
@_of_month(1_000_000)
@_repeats(3)
@as_json
def bench_month(rows: int, repeats: int, json_: bool) -> None:
    """Settle one month, beside the floor.

    The floor is one grouped sum over the same columns of the same files.
    """
    _show(repeats + 2, json_, lambda step: month.run(rows, repeats, step))


@command.command(name="change")
@_of_month(200_000, worlds.FEWEST)
@_many("--changes", 10, "How many customers change their partner, one at a time.")
@_many("--repeats", 3, "How many of the settlements are made anew as well, for comparison.")
@as_json
def bench_change(rows: int, changes: int, repeats: int, json_: bool) -> None:
    """Settle a month again after one customer changed its partner.

    Every row is compared with settling the month anew.
    """
    _show(changes + 1, json_, lambda step: change.run(rows, changes, repeats, step))


@command.command(name="late")
@_of_month(200_000, worlds.FEWEST)
@_many("--late-rows", 10_000, "How many charges a late file has.")
@_repeats(3)
@as_json
def bench_late(rows: int, late_rows: int, repeats: int, json_: bool) -> None:
    """Settle a month again after a late file came, its import included.

    Every row is compared with settling the month anew.
    """
    _show(repeats + 1, json_, lambda step: late.run(rows, late_rows, repeats, step))


@command.command(name="variants")
@_of_world(100_000)
@_many("--variants", 100, "How many variants of its plan.", 3)
@_repeats(1)
@as_json
def bench_variants(rows: int, variants: int, repeats: int, json_: bool) -> None:
    """Settle a year under many variants of a plan's rates in one pass, all lines kept.

    Some of them are settled one by one as well, for comparison.
    """
    _show(repeats + 1, json_, lambda step: rate_variants.run(rows, variants, repeats, step))


@command.command(name="sweep")
@_of_month(200_000)
@_many("--variants", 400, "How many variants of its plan.", 3)
@_repeats(1)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take the month that this folder has, or import it there, for the next time.",
)
@as_json
def bench_sweep(rows: int, variants: int, repeats: int, folder: Path | None, json_: bool) -> None:
    """Sweep a month over many rates, as `fenrun sweep` does: plans are read, lines are not made.

    What is said of each variant must be the same each time.
    """
    _show(repeats, json_, lambda step: sweep.run(rows, variants, repeats, step, folder))


@command.command(name="explain")
@_of_month(200_000)
@_many("--lines", 20, "How many lines are explained.")
@as_json
def bench_explain(rows: int, lines: int, json_: bool) -> None:
    """Explain lines of a settled month as `fenrun explain` does, and the largest payee's.

    The floor is a query by hand for the largest charges of the line's customers.
    """
    _show(lines + 2, json_, lambda step: explain.run(rows, lines, step))


@command.command(name="case")
@_repeats(3)
@as_json
def bench_case(repeats: int, json_: bool) -> None:
    """Run the cases of all plans in programmes/.

    The floor is reading the plans.
    """
    _show(repeats, json_, lambda step: case.run(repeats, step))


@command.command(name="import")
@_of_month(200_000)
@_repeats(3)
@as_json
def bench_import(rows: int, repeats: int, json_: bool) -> None:
    """Import a file of charges, as Parquet and as CSV.

    The floor is pyarrow that reads the same file and writes it as Parquet.
    """
    _show(2 * repeats + 1, json_, lambda step: imports.run(rows, repeats, step))


@command.command(name="portal-start")
@_of_world(10_000)
@click.option(
    "--months",
    type=click.IntRange(1, 12),
    default=12,
    show_default=True,
    help="How many of its twelve months are there.",
)
@_repeats(1)
@as_json
def bench_portal_start(rows: int, months: int, repeats: int, json_: bool) -> None:
    """Start the portal for the first time on the months of a world, and once more.

    The floor settles the same months without a portal.
    """
    _show(repeats + 1, json_, lambda step: portal_start.run(rows, months, repeats, step))


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
    steps = readers + 12
    _show(steps, json_, partial(portal.run_on, workspace.path, readers, seconds))


@command.command(name="signin")
@click.argument("workspace", type=WORKSPACE)
@click.option(
    "--askers",
    type=click.IntRange(1, signin.MOST_ASKERS),
    default=signin.MOST_ASKERS,
    show_default=True,
    help="How many partners estimate at once.",
)
@click.option(
    "--idle",
    type=click.IntRange(0, signin.MOST_IDLE),
    default=signin.MOST_IDLE,
    show_default=True,
    help="How many connections ask for nothing.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1, signin.MOST_SECONDS),
    default=20,
    show_default=True,
    help="For how many seconds.",
)
@click.option(
    "--charges",
    type=click.IntRange(0, signin.MOST_CHARGES),
    default=0,
    show_default=True,
    help="How many charges operations import, and settle, again and again.",
)
@as_json
def bench_signin(
    workspace: Store, askers: int, idle: int, seconds: int, charges: int, json_: bool
) -> None:
    """Measure how long signing in takes while partners estimate additional sales.

    A demo WORKSPACE (fenrun demo) is served on this machine. The floor is signing in while nobody
    else asks.
    """
    work = partial(signin.run_on, workspace.path, askers, idle, seconds, charges)
    _show(14, json_, lambda step: work(step=step))


@command.command(name="guard")
@click.option("--record", is_flag=True, help="Expect from now on what is found.")
@as_json
@click.pass_context
def bench_guard(context: click.Context, record: bool, json_: bool) -> None:
    """Compare what each job asks of the engine with what is expected.

    Over a month of 200,000 charges: statements, rows and bytes read, and the month's ratio to the
    floor. The exit code is 1 where something takes more.
    """
    found = _measured(_GUARD_REPEATS + 3, lambda step: guard.run(_GUARD_ROWS, _GUARD_REPEATS, step))
    if record:
        work.record(found)
    wanted = work.expected()
    worse = work.worse(found, wanted)
    if json_:
        print_json({"found": found, "expected": wanted, "worse": worse})
    else:
        rows = [
            [name, measure_, f"{value:,}", f"{wanted.get(name, {}).get(measure_, 0):,}"]
            for name, measures in found.items()
            for measure_, value in measures.items()
            if measure_ != "rows"
        ]
        titles = [(say(key, language()), True) for key in ("found", "expected")]
        print_table("", [("", False), ("", False), *titles], rows)
        for text in worse:
            click.echo(text, err=True)
    context.exit(1 if worse else 0)
