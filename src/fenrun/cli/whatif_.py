"""fenrun whatif"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from fenrun.base.money import show_rate
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
from fenrun.lab.answers import Rows, concentration
from fenrun.lab.run import Outcome, WhatIf, settlements, whatif
from fenrun.lab.scenario import load_scenario
from fenrun.lab.written import whatif_as_json
from fenrun.plan.bands import band_words
from fenrun.plan.draft import titles
from fenrun.statement.sentences import roles_words
from fenrun.store.facts import Store

_FIRSTS = (1, 10, 20)
_WHEN = ("before", "after", "more")
_MOST = 20
"""Payees, lines and labels that are shown; all of them are in the JSON."""


def _read_firsts(ctx: click.Context, param: click.Parameter, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) for part in parts):
        raise click.BadParameter(say("whatif-first-form", language(), text=text))
    return [int(part) for part in parts]


@click.command(name="whatif")
@click.argument("workspace", type=WORKSPACE)
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@period_option
@known_option
@click.option("--causes", is_flag=True, help="Tell what each patch adds, beside those before it.")
@click.option(
    "--first",
    "firsts",
    default=",".join(map(str, _FIRSTS)),
    callback=_read_firsts,
    help="Which share so many largest customers have: 13 or 1,10,20.",
)
@click.option(
    "--drafts",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write what the scenarios say of book and plans into this folder, to be imported.",
)
@as_json
def command(
    workspace: Store,
    scenarios: tuple[Path, ...],
    period: Period,
    known: datetime | None,
    causes: bool,
    firsts: list[int],
    drafts: Path | None,
    json_: bool,
) -> None:
    """Settle a PERIOD as it is, and as it would be under SCENARIOS: sales, pay, and who gains.

    Nothing of a scenario enters WORKSPACE. Answers are exact, and rest on the usage that was: how
    people would react is in them only where a scenario says so.
    """
    read = [load_scenario(path) for path in scenarios]
    with progress("whatif", settlements(read, causes)) as step:
        found = whatif(workspace, read, period, known, lambda name: step(1), causes, drafts)
    problems = [problem for one in found.outcomes for problem in one.problems]
    if json_:
        print_json(whatif_as_json(found, firsts) | problems_as_json(problems))
    else:
        _print_all(found, firsts)
    exit_code(problems)


def _print_all(found: WhatIf, firsts: Sequence[int]) -> None:
    lang = language()
    click.echo(say("whatif-title", lang, period=found.period.key, known=show_moment(found.known)))
    for one in found.outcomes:
        _print(one, concentration(found.spent, firsts), concentration(one.spent, firsts))


def _print(one: Outcome, before: Rows, after: Rows) -> None:
    lang, answer = language(), one.answer
    click.echo()
    name = say("whatif-scenario", lang, scenario=one.scenario.id)
    english, chinese = titles(one.scenario.text.title, "")
    title = chinese if lang == "zh-CN" else english
    click.echo(say("labelled", lang, label=name, value=title) if title else name)
    for assumed in one.scenario.assumes:
        click.echo(say("whatif-assumes", lang, elasticity=assumed))
    _plans(answer.plans)
    for row in answer.spread:
        said = {name: in_minor_units(row[name], row["currency"]) for name in ("gained", "lost")}
        said["role"] = roles_words(row["role"], lang)
        click.echo(say("whatif-spread", lang, **{**row, **said}))
    changed = [row for row in answer.payees if row["credited_more"] or row["earned_more"]]
    _amounts("whatif-payees", changed, ["payee", "role", "currency"], ["credited", "earned"])
    crossing = [row for row in answer.lines if row["crosses"]]
    _tiers(crossing)
    labels = [row for row in answer.labels if row["credited_more"] or row["earned_more"]]
    names = ["label", "value", "role", "currency"]
    _amounts("whatif-labels", labels, names, ["credited", "earned"])
    for old, new in zip(before, after):
        shares = {"before": show_rate(old["share"]), "after": show_rate(new["share"])}
        click.echo(say("whatif-first", lang, count=old["first"], **shares))
    _causes(one.causes)
    for path in one.drafts:
        click.echo(say("wrote", lang, path=path))
    print_problems(one.problems)


def _amounts(title: str, rows: Rows, names: Sequence[str], amounts: Sequence[str]) -> None:
    """Print rows with amounts before, after and more."""
    lang = language()
    if not rows:
        return
    columns = [(say(f"whatif-column-{name.replace('_', '-')}", lang), False) for name in names]
    for name in amounts:
        of = say(f"whatif-column-{name}", lang)
        columns += [(say(f"whatif-{when}", lang, of=of), True) for when in _WHEN]
    cells = [
        [roles_words(row[name], lang) if name == "role" else str(row[name]) for name in names]
        + [
            in_minor_units(row[f"{name}_{when}"], row["currency"])
            for name in amounts
            for when in _WHEN
        ]
        for row in rows[:_MOST]
    ]
    click.echo()
    print_table(say(title, lang, count=len(rows)), columns, cells)
    _more(rows)


def _plans(rows: Rows) -> None:
    """Print what plans credit and pay in all, an amount a row."""
    lang = language()
    columns = [(say(f"whatif-column-{name}", lang), False) for name in ("plan-id", "amount")]
    columns += [(say(f"whatif-{when}", lang, of="").strip(), True) for when in _WHEN]
    cells = [
        [
            f"{row['plan_id']} ({row['currency']})",
            say(f"whatif-column-{name}", lang),
            *(in_minor_units(row[f"{name}_{when}"], row["currency"]) for when in _WHEN),
        ]
        for row in rows
        for name in ("charged", "credited", "earned", "net")
    ]
    print_table(say("whatif-plans", lang), columns, cells)


def _tiers(rows: Rows) -> None:
    lang = language()
    if not rows:
        return
    names = ("payee", "component", "period", "band-before", "band-after")
    columns = [(say(f"whatif-column-{name}", lang), False) for name in names]
    cells = [
        [row[name] for name in names[:3]]
        + [band_words(row[name], lang) for name in ("band_before", "band_after")]
        for row in rows[:_MOST]
    ]
    click.echo()
    print_table(say("whatif-tiers", lang, count=len(rows)), columns, cells)
    _more(rows)


def _causes(rows: Rows) -> None:
    lang = language()
    if not rows:
        return
    columns = [(say("line", lang), True), (say("scenario-patch", lang), False)]
    columns += [(say("currency", lang), False), (say("whatif-column-earned-more", lang), True)]
    cells = [
        [
            str(row["line"]),
            say(f"patch-{row['patch']}", lang),
            row["currency"],
            in_minor_units(row["earned_more"], row["currency"]),
        ]
        for row in rows
    ]
    click.echo()
    print_table(say("whatif-causes", lang), columns, cells)


def _more(rows: Rows) -> None:
    if len(rows) > _MOST:
        click.echo(f"... +{len(rows) - _MOST}")
