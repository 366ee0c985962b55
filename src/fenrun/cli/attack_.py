"""fenrun attack"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from fenrun.base.money import plain, show_rate
from fenrun.base.problem import Place, refused
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    known_option,
    language,
    period_option,
    print_json,
    problems_as_json,
    progress,
)
from fenrun.cli.rows_shown import in_minor_units
from fenrun.lab.attack import MOVES, Attack, Exploit, attack
from fenrun.store.facts import Store


@click.command(name="attack")
@click.argument("workspace", type=WORKSPACE)
@period_option
@known_option
@click.option("--most", type=click.IntRange(1, 100), default=3, help="Show so many at most.")
@click.option(
    "--largest",
    type=click.IntRange(1, 1000),
    default=4,
    help="Try the moves with so many of the largest partners and reps.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the scenarios into this folder.",
)
@as_json
def command(
    workspace: Store,
    period: Period,
    known: datetime | None,
    most: int,
    largest: int,
    out: Path | None,
    json_: bool,
) -> None:
    """Try the moves of a catalogue on a PERIOD, and show those that pay somebody more for nothing.

    Each is a scenario: settle it yourself with `fenrun whatif`. It says who gains, what it costs
    the vendor and others, by which component, and what would be left to gain at one rate for all
    sizes. Only the moves of the catalogue are covered; what a plan's text alone allows, `fenrun
    plan check` says.
    """
    with progress("attack") as step:
        found = attack(workspace, period, known, most, largest, step)
    if out:
        _write(found, out)
    if json_:
        print_json(_as_json(found) | problems_as_json([]))
        return
    lang = language()
    kinds = say("list-comma", lang).join(say(f"attack-kind-{kind}", lang) for kind in MOVES)
    said = {"period": period.key, "known": show_moment(found.known), "kinds": kinds}
    counts = {"tried": sum(found.tried.values()), "count": len(found.exploits)}
    click.echo(say("attack-title", lang, **said, **counts))
    for one in found.exploits:
        click.echo()
        _print(one, lang)
    if not found.exploits:
        click.echo(say("attack-nothing", lang))


def _write(found: Attack, folder: Path) -> None:
    """Write the scenarios. Raises Refused where a file is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in found.exploits:
        path = folder / one.scenario.written.name
        if path.exists():
            raise refused("target-exists", Place(str(path)), path=path)
        path.write_text(one.scenario.content, "utf-8")


def _move(one: Exploit, lang: str) -> str:
    """Return what a move is, in words."""
    partner, *others = one.move.coalition
    values: dict[str, Any] = {"partner": partner, "other": "".join(others), "rep": "".join(others)}
    for patch in one.move.patch.get("labels", ()):
        values |= {**patch, "count": len(patch["parties"])}
    for patch in one.move.patch.get("shifts", ()):
        values |= {"month": patch["in"], "months": int(patch["months"])}
    for patch in one.move.patch.get("usage", ()):
        cost = in_minor_units(one.move.cost, one.currency)
        values |= {"by": patch["by"], "day": patch["from"], "cost": f"{cost} {one.currency}"}
    return say(f"attack-{one.move.kind}", lang, **values)


def _print(one: Exploit, lang: str) -> None:
    amounts = {name: getattr(one, name) for name in ("gain", "vendor", "others")}
    said = {name: in_minor_units(value, one.currency) for name, value in amounts.items()}
    said |= {"by": in_minor_units(one.by_component, one.currency), "currency": one.currency}
    click.echo(f"{one.scenario.id}: {_move(one, lang)}")
    named = {"component": one.component, "plan": one.plan_id}
    click.echo(f"  {say('attack-gain', lang, **said, **named)}")
    if one.flat is not None and one.left is not None:
        left = in_minor_units(one.left, one.currency)
        rate = show_rate(one.flat)
        click.echo(f"  {say('attack-flat', lang, component=one.component, rate=rate, left=left)}")


def _as_json(found: Attack) -> dict[str, Any]:
    return {
        "period": found.period.key,
        "known": show_moment(found.known),
        "tried": found.tried,
        "exploits": [
            {
                "scenario": one.scenario.id,
                "move": one.move.kind,
                "coalition": list(one.move.coalition),
                "needs": one.move.with_,
                "currency": one.currency,
                "gain": plain(one.gain),
                "cost": plain(one.move.cost),
                "vendor": plain(one.vendor),
                "others": plain(one.others),
                "plan": one.plan_id,
                "component": one.component,
                "gain_by_component": plain(one.by_component),
                "flat_rate": None if one.flat is None else plain(one.flat),
                "left_at_flat_rate": None if one.left is None else plain(one.left),
                "text": one.scenario.content,
            }
            for one in found.exploits
        ],
    }
