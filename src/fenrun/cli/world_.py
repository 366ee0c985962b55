"""fenrun world"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.problem import Place, refused
from fenrun.base.words import say
from fenrun.cli.output import as_json, language, print_json, progress
from fenrun.world.make import make_world
from fenrun.world.market import Market
from fenrun.world.schemes import SCHEMES, make_market, write_market


def _print_market(folder: Path, seed: int, market: Market, json_: bool) -> None:
    if not json_:
        click.echo(say("wrote", language(), path=folder))
        return
    schemes = sorted({row["scheme"] for row in market.truth})
    parties = {"customers": len(market.customers), "partners": len(market.partners)}
    print_json({"folder": str(folder), "seed": seed, **parties, "schemes": schemes})


_FEWEST, _ROWS = 30, 250
"""The partners of a market at least, and the charges for each of them."""


def _schemes(text: str) -> list[str]:
    """Return the schemes of a text. Raises BadParameter."""
    if text in ("all", "none"):
        return list(SCHEMES) if text == "all" else []
    found = text.split(",")
    unknown = sorted(set(found) - set(SCHEMES))
    if unknown:
        known = ", ".join(("all", "none", *SCHEMES))
        words = say("scheme-unknown", language(), names=", ".join(unknown), known=known)
        raise click.BadParameter(words, param_hint="--cheats")
    return found


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
@click.option(
    "--cheats",
    metavar="SCHEMES",
    help="A market for `fenrun findings` instead: all, none, or schemes such as G03,G07.",
)
@click.option(
    "--level",
    type=click.IntRange(0, 3),
    default=0,
    show_default=True,
    help="How well the schemes are concealed.",
)
@as_json
def command(
    folder: Path,
    rows: int,
    seed: int,
    late: bool,
    cheats: str | None,
    level: int,
    json_: bool,
) -> None:
    """Write an invented vendor to FOLDER.

    Twelve months of FOCUS 1.2 charges (Parquet), a book (CSV), terms, a policy and a plan. With
    --cheats: a market in which some people cheat, all as CSV, and truth.json that says who.
    """
    if folder.exists() and any(folder.iterdir()):
        raise refused("target-exists", Place(str(folder)), path=folder)
    folder.mkdir(parents=True, exist_ok=True)
    if cheats is not None:
        market = make_market(max(_FEWEST, rows // _ROWS), seed, level, _schemes(cheats))
        write_market(folder, market)
        _print_market(folder, seed, market, json_)
        return
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
