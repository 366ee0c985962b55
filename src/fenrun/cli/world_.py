"""fenrun world"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.problem import Place, refused
from fenrun.base.words import say
from fenrun.cli.output import as_json, language, print_json, progress
from fenrun.world.make import make_world


@click.command(name="world")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    type=click.IntRange(1_000, 1_000_000_000),
    default=200_000,
    show_default=True,
    help="How many charges in the twelve months.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Same seed and size, same world.",
)
@click.option(
    "--late",
    is_flag=True,
    help="Also what becomes known of June in August; import it as known then, as world.json says.",
)
@as_json
def command(folder: Path, rows: int, seed: int, late: bool, json_: bool) -> None:
    """Write an invented vendor to FOLDER.

    Twelve months of FOCUS 1.2 charges (Parquet), a book (CSV), terms, a policy and a plan.
    """
    if folder.exists() and any(folder.iterdir()):
        raise refused("target-exists", Place(str(folder)), path=folder)
    folder.mkdir(parents=True, exist_ok=True)
    with progress("world", rows) as step:
        world = make_world(folder, rows, seed, step, late, terms=True)
    if not json_:
        click.echo(say("wrote", language(), path=folder))
        return
    print_json(
        {
            "folder": str(folder),
            "rows": rows,
            "seed": seed,
            "customers": world.size.customers,
            "partners": world.size.partners,
            "files": len(world.files),
        }
    )
