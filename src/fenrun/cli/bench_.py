"""fenrun bench"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.bench import change, job, month, plans
from fenrun.cli.output import as_json, print_json, progress


@click.group(name="bench")
def command() -> None:
    """Measure fenrun on known jobs."""


@command.command(name="job")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to write earnings.csv.")
@as_json
def bench_job(folder: Path, out: Path, json_: bool) -> None:
    """Settle one channel-incentive year from FOLDER (see docs/bench.md) and write its earnings."""
    with progress("job", 5) as step:
        said = job.run(folder, out, step)
    if json_:
        print_json(said)
    else:
        for key, value in said.items():
            click.echo(f"{key}: {value}")


@command.command(name="plans")
@click.option("--rows", type=click.IntRange(min=1000), default=100_000, show_default=True, help="How many charges the world has.")
@click.option("--variants", type=click.IntRange(min=3), default=100, show_default=True, help="How many variants of its plan.")
@as_json
def bench_plans(rows: int, variants: int, json_: bool) -> None:
    """Settle many variants of a plan over the same facts in one pass, and some of them one by one."""
    with progress("plans", 5) as step:
        said = plans.run(rows, variants, step)
    if json_:
        print_json(said)
    else:
        for key, value in said.items():
            click.echo(f"{key}: {value}")


@command.command(name="change")
@click.option("--rows", type=click.IntRange(min=1000), default=1_000_000, show_default=True, help="How many charges the world has.")
@click.option("--changes", type=click.IntRange(min=2), default=100, show_default=True, help="How many customers change their partner, one at a time.")
@as_json
def bench_change(rows: int, changes: int, json_: bool) -> None:
    """Settle a month, then again what an association that changes, or a late file, touches; and everything anew, for comparison."""
    with progress("change", 4) as step:
        said = change.run(rows, changes, step)
    if json_:
        print_json(said)
    else:
        for key, value in said.items():
            click.echo(f"{key}: {value}")


@command.command(name="month")
@click.option("--rows", type=click.IntRange(min=1000), default=1_000_000, show_default=True, help="How many charges the month has.")
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="How often each is measured; the median counts.")
@as_json
def bench_month(rows: int, repeats: int, json_: bool) -> None:
    """Settle one month, beside the floor: one grouped sum over the same columns of the same files."""
    with progress("month", repeats + 1) as step:
        said = month.run(rows, repeats, step)
    if json_:
        print_json(said)
    else:
        for key, value in said.items():
            click.echo(f"{key}: {value}")
