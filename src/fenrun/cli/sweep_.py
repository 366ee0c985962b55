"""fenrun sweep"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from fenrun.base.money import plain, show_rate
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    exit_code,
    known_option,
    language,
    period_option,
    print_json,
    print_problems,
    print_table,
    problems_as_json,
    progress,
)
from fenrun.cli.rows_shown import in_minor_units
from fenrun.lab.picture import frontier_picture
from fenrun.lab.scenario import load_scenario
from fenrun.lab.sweep import Sweep, Variant, sweep
from fenrun.lab.variants import variants_of
from fenrun.store.facts import Store

_MOST = 20
"""Variants that are shown; all of them are in the JSON."""


@click.command(name="sweep")
@click.argument("workspace", type=WORKSPACE)
@click.argument("scenario", type=click.Path(path_type=Path))
@period_option
@known_option
@click.option(
    "--strength",
    is_flag=True,
    help="Also tell what each pays of a unit that is sold more: all is settled once more.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a picture (SVG): what variants cost, and how many lose.",
)
@as_json
def command(
    workspace: Store,
    scenario: Path,
    period: Period,
    known: datetime | None,
    strength: bool,
    picture: Path | None,
    json_: bool,
) -> None:
    """Settle a PERIOD under every variant of a SCENARIO: what each costs, and who gains and loses.

    A scenario names under `vary` the values that it tries. Two lists are shown: the variants that
    no other beats, and those that cost no more than now, with the fewest who lose first. Nothing
    enters WORKSPACE; pay is that before anything is held back.
    """
    read = load_scenario(scenario)
    with progress("sweep", len(variants_of(read.text)) * (2 if strength else 1)) as step:
        found = sweep(workspace, read, period, known, lambda name: step(1), strength)
    if picture:
        for place, currency in _pictures(found, picture):
            place.write_text(frontier_picture(found, currency, language()), "utf-8")
    if json_:
        print_json(sweep_as_json(found) | problems_as_json(found.problems))
    else:
        _print(found)
        for place, _ in _pictures(found, picture) if picture else ():
            click.echo(say("wrote", language(), path=place))
        print_problems(found.problems)
    exit_code(found.problems)


def _pictures(found: Sweep, path: Path) -> list[tuple[Path, str]]:
    """Return the file of each currency's picture."""
    currencies = sorted({one.currency for one in found.variants})
    if len(currencies) < 2:
        return [(path, currency) for currency in currencies]
    return [(path.with_stem(f"{path.stem}-{currency}"), currency) for currency in currencies]


def sweep_as_json(found: Sweep) -> dict[str, Any]:
    """Return a sweep as a JSON-ready mapping: amounts are exact text, variants are numbered."""
    return {
        "period": found.period.key,
        "known": show_moment(found.known),
        "scenario": found.scenario.id,
        "earned_now": {currency: plain(amount) for currency, amount in found.now.items()},
        "variants": [_row(one) for one in found.variants],
        "frontier": [_named(one) for one in found.frontier],
        "same_cost": [_named(one) for one in found.same_cost],
    }


def _named(one: Variant) -> dict[str, Any]:
    return {"variant": one.number, "currency": one.currency}


def _row(one: Variant) -> dict[str, Any]:
    names = ("earned", "earned_more", "winners", "gained", "losers", "lost", "most_lost")
    row = _named(one) | {"values": dict(one.values)}
    row |= {name: _plain(getattr(one, name)) for name in names}
    return row if one.strength is None else row | {"strength": plain(one.strength, 4)}


def _plain(value: Decimal | int) -> str | int:
    return plain(value) if isinstance(value, Decimal) else value


def _print(found: Sweep) -> None:
    lang = language()
    count = len({one.number for one in found.variants})
    said = {"scenario": found.scenario.id, "period": found.period.key, "count": count}
    click.echo(say("sweep-title", lang, **said, known=show_moment(found.known)))
    for currency, amount in sorted(found.now.items()):
        shown = in_minor_units(amount, currency)
        click.echo(say("sweep-earned-now", lang, amount=shown, currency=currency))
    _table(say("sweep-frontier", lang), found.frontier)
    _table(say("sweep-same-cost", lang), found.same_cost)


def _table(title: str, rows: Sequence[Variant]) -> None:
    """Print variants, with the values of each."""
    lang = language()
    if not rows:
        return
    names = list(rows[0].values)
    heads = ("earned", "earned-more", "winners", "losers", "lost", "most-lost")
    columns = [(say("sweep-column-variant", lang), True), *((name, True) for name in names)]
    columns += [(say(f"sweep-column-{head}", lang), True) for head in heads]
    with_strength = rows[0].strength is not None
    columns += [(say("sweep-column-strength", lang), True)] if with_strength else []
    cells = [[str(one.number), *one.values.values(), *_amounts(one)] for one in rows[:_MOST]]
    click.echo()
    print_table(title, columns, cells)
    if len(rows) > _MOST:
        click.echo(f"... +{len(rows) - _MOST}")


def _amounts(one: Variant) -> list[str]:
    def shown(amount: Decimal) -> str:
        return in_minor_units(amount, one.currency)

    found = [shown(one.earned), shown(one.earned_more), str(one.winners), str(one.losers)]
    found += [shown(one.lost), shown(one.most_lost)]
    return found if one.strength is None else [*found, show_rate(one.strength)]
