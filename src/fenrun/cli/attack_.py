"""fenrun attack"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fenrun.base.money import plain, show_rate
from fenrun.base.problem import Place, refused
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    PeriodType,
    RateType,
    as_json,
    known_option,
    language,
    print_json,
    problems_as_json,
    progress,
)
from fenrun.cli.rows_shown import in_minor_units
from fenrun.cli.text_attack import show_text_attack
from fenrun.lab.attack import Attack, Exploit, attack
from fenrun.lab.fixes import ONE_RATE, Fix
from fenrun.lab.moves import ASSUMED, MOVES
from fenrun.lab.scenario_text import NOBODY
from fenrun.plan.read import load_plan
from fenrun.store.facts import Store


class _PlanOrWorkspace(click.ParamType[Path | Store]):
    """A plan's file, or a workspace."""

    name = "PLAN|WORKSPACE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | Store:
        path = Path(value)
        return path if path.is_file() else WORKSPACE.convert(value, param, ctx)


@click.command(name="attack")
@click.argument("what", type=_PlanOrWorkspace(), metavar="PLAN|WORKSPACE")
@click.option("--period", type=PeriodType(), help="Of a workspace: 2024-09, 2024-Q3 or 2024.")
@known_option
@click.option("--most", type=click.IntRange(1, 100), default=3, help="Show so many at most.")
@click.option(
    "--largest",
    type=click.IntRange(1, 1000),
    default=4,
    help="Try the moves with so many of the largest partners and reps.",
)
@click.option(
    "--move",
    "kinds",
    multiple=True,
    type=click.Choice(list(MOVES)),
    help="Try only moves of this kind; may be repeated.",
)
@click.option(
    "--discount", type=RateType(), help="Assume that so much of a price is handed on: 10 %."
)
@click.option(
    "--loss", type=RateType(), help="Assume that so much is lost when goods go round: 5 %."
)
@click.option("--interest", type=RateType(), help="Assume so much interest a year: 6 %.")
@click.option(
    "--shortfall", type=RateType(), help="Assume that so much of what a commit lacks is owed: 20 %."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the scenarios into this folder.",
)
@as_json
@click.pass_context
def command(
    context: click.Context,
    /,
    what: Path | Store,
    period: Period | None,
    known: datetime | None,
    most: int,
    largest: int,
    kinds: tuple[str, ...],
    out: Path | None,
    json_: bool,
    **assumed: Decimal | None,
) -> None:
    """Show how a plan can be gamed: by its text alone, or with the facts of a WORKSPACE.

    Of a PLAN's text it says whether business that is split, pooled, moved in time or relabelled can
    earn more, and whether all incentives together pay more than goods lose that go round (--loss).

    On a period of a workspace the moves of a catalogue are tried, and those shown that pay somebody
    more for nothing. Each is a scenario: settle it yourself with `fenrun whatif`. It says who
    gains, what it costs the vendor and others, by which component, and which changes of the plan
    would take the gain away, first who takes most for what it changes of the pay of all. What a
    move costs that no table says is assumed, and told. Only the moves of the catalogue are covered.
    """
    rates = {name: rate for name, rate in assumed.items() if rate is not None}
    assuming = replace(ASSUMED, **rates)
    if isinstance(what, Path):
        _refuse_of_workspace(context)
        show_text_attack(load_plan(what), Fraction(assuming.loss), json_)
        return
    if period is None:
        raise click.MissingParameter(ctx=context, param=_parameter(context, "period"))
    with progress("attack") as step:
        chosen = kinds or tuple(MOVES)
        found = attack(what, period, known, most, largest, step, chosen, assuming)
    if out:
        _write(found, out)
    if json_:
        print_json(_as_json(found) | problems_as_json([]))
        return
    lang = language()
    covered = say("list-comma", lang).join(say(f"attack-kind-{kind}", lang) for kind in found.tried)
    said = {"period": period.key, "known": show_moment(found.known), "kinds": covered}
    counts = {"tried": sum(found.tried.values()), "count": len(found.exploits)}
    click.echo(say("attack-title", lang, **said, **counts))
    shown = {name: show_rate(rate) for name, rate in asdict(found.assumed).items()}
    click.echo(say("attack-assumed", lang, **shown))
    if not found.is_bounded:
        click.echo(say("attack-unbounded", lang))
    for one in found.exploits:
        click.echo()
        _print(one, lang)
    if not found.exploits:
        click.echo(say("attack-nothing", lang))


_OF_TEXT = ("what", "loss", "json_")
"""What can be said where a plan's text alone is asked."""


def _refuse_of_workspace(context: click.Context) -> None:
    """Refuse options that mean nothing without a workspace."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in _OF_TEXT
        and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(say("attack-of-workspace", language(), options=", ".join(given)))


def _parameter(context: click.Context, name: str) -> click.Parameter:
    return next(one for one in context.command.params if one.name == name)


def _write(found: Attack, folder: Path) -> None:
    """Write the scenarios. Raises Refused where a file is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    scenarios = [scenario for one in found.exploits for _, scenario in one.tried.scenarios]
    for one in scenarios:
        path = folder / one.written.name
        if path.exists():
            raise refused("target-exists", Place(str(path)), path=path)
        path.write_text(one.content, "utf-8")


def _move(one: Exploit, lang: str) -> str:
    """Return what a move is, in words."""
    partner, *others = one.move.coalition
    listed = say("list-comma", lang).join(others) or "–"
    values: dict[str, Any] = {"partner": partner, "other": listed, "rep": listed}
    values |= one.move.said
    for name in ("cost", "amount"):
        amount = one.move.cost if name == "cost" else values.get("amount")
        if amount is not None:
            values[name] = f"{in_minor_units(amount, one.currency)} {one.currency}"
    if values["other"] == NOBODY:
        values["other"] = say("attack-nobody", lang)
    return say(f"attack-{one.move.kind}", lang, **values)


def _print(one: Exploit, lang: str) -> None:
    amounts = {name: getattr(one, name) for name in ("gain", "vendor", "others")}
    said = {name: in_minor_units(value, one.currency) for name, value in amounts.items()}
    said |= {"by": in_minor_units(one.by_component, one.currency), "currency": one.currency}
    click.echo(f"{one.scenario.id}: {_move(one, lang)}")
    named = {"component": one.component, "plan": one.plan_id}
    click.echo(f"  {say('attack-gain', lang, **said, **named)}")
    if one.move.most is not None:
        ends = {"most": one.move.most, "gap": max(one.move.most - one.gain, Decimal(0))}
        shown = {name: in_minor_units(value, one.currency) for name, value in ends.items()}
        click.echo(f"  {say('attack-most', lang, **shown)}")
    for fix in one.fixes:
        _print_fix(one, fix, lang)


def _print_fix(one: Exploit, fix: Fix, lang: str) -> None:
    """Print what a change of the plan would leave of the gain."""
    said = {n: in_minor_units(getattr(fix, n), one.currency) for n in ("left", "honest")}
    if fix.kind == ONE_RATE:
        said["says"] = show_rate(Decimal(fix.says))
    elif fix.says:
        said["says"] = f"{in_minor_units(Decimal(fix.says), one.currency)} {one.currency}"
    click.echo(f"  {say(f'attack-fix-{fix.kind}', lang, component=one.component, **said)}")


def _as_json(found: Attack) -> dict[str, Any]:
    return {
        "period": found.period.key,
        "known": show_moment(found.known),
        "assumed": {name: plain(rate) for name, rate in asdict(found.assumed).items()},
        "tried": found.tried,
        "dealings_bounded": found.is_bounded,
        "exploits": [
            {
                "scenario": one.scenario.id,
                "move": one.move.kind,
                "coalition": list(one.move.coalition),
                "needs": one.move.with_,
                "currency": one.currency,
                "gain": plain(one.gain),
                "cost": plain(one.move.cost),
                "at_most": None if one.move.most is None else plain(one.move.most),
                "vendor": plain(one.vendor),
                "others": plain(one.others),
                "plan": one.plan_id,
                "component": one.component,
                "gain_by_component": plain(one.by_component),
                "flat_rate": flat.says if flat else None,
                "left_at_flat_rate": plain(flat.left) if flat else None,
                "fixes": [_fix_as_json(fix) for fix in one.fixes],
                "text": one.scenario.content,
                "following": [
                    {"periods": times, "text": scenario.content}
                    for times, scenario in one.tried.scenarios[1:]
                ],
            }
            for one in found.exploits
            for flat in [next((fix for fix in one.fixes if fix.kind == ONE_RATE), None)]
        ],
    }


def _fix_as_json(fix: Fix) -> dict[str, Any]:
    amounts = {name: plain(getattr(fix, name)) for name in ("removed", "left", "honest")}
    return {"fix": fix.kind, "set": fix.change, **amounts}
