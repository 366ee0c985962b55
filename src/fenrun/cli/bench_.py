"""fenrun bench"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.bench import job
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
