"""fenrun plan check, fenrun plan test"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.money import plain, show
from fenrun.base.problem import Problem, Refused
from fenrun.base.words import say
from fenrun.cases import Outcome, run_cases
from fenrun.cli.output import as_json, exit_code, language, print_json, print_problems, print_table
from fenrun.plan.read import PlanFile, load_plan

_FILES = click.argument("plans", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group(name="plan")
def command() -> None:
    """Check and test plans before they decide about money."""


def _load(paths: tuple[Path, ...]) -> tuple[list[PlanFile], list[Problem]]:
    files, problems = [], []
    for path in paths:
        try:
            files.append(load_plan(path))
        except Refused as refused:
            problems += refused.problems
    return files, problems


@command.command(name="check")
@_FILES
@as_json
def check(plans: tuple[Path, ...], json_: bool) -> None:
    """Read PLANS and show every problem, with its line."""
    files, problems = _load(plans)
    if json_:
        print_json({"plans": [f.plan.id for f in files], "problems": [p.as_json(language()) for p in problems]})
    else:
        for file in files:
            click.echo(say("plan-ok", language(), plan=file.plan.id))
        print_problems(problems)
    exit_code(problems)


@command.command(name="test")
@_FILES
@as_json
def test(plans: tuple[Path, ...], json_: bool) -> None:
    """Run the cases inside PLANS through the engine and compare what comes out with what they promise."""
    files, problems = _load(plans)
    outcomes = list[Outcome]()
    for file in files:
        found, bad = run_cases(file)
        outcomes += found
        problems += bad
    if json_:
        listed = [{"case": o.case, "payee": o.expect.payee, "component": o.expect.component, "period": o.expect.period,
                   "wanted": {k: plain(v) for k, v in o.wanted.items()}, "found": {k: plain(v) for k, v in o.found.items()}, "ok": o.ok} for o in outcomes]
        print_json({"outcomes": listed, "problems": [p.as_json(language()) for p in problems]})
    else:
        _print(outcomes)
        print_problems(problems)
    exit_code(problems)


def _print(outcomes: list[Outcome]) -> None:
    lang = language()
    columns = [("", False), ("case", False), (say("payee", lang), False), (say("component", lang), False), (say("period", lang), False), (say("outcome-found", lang), True)]
    rows = [[say("case-ok" if o.ok else "case-bad", lang), o.case, o.expect.payee, o.expect.component or "*", o.expect.period, _shown(o)] for o in outcomes]
    if rows:
        print_table("", columns, rows)
        click.echo(say("cases-summary", lang, good=sum(o.ok for o in outcomes), all=len(outcomes)))


def _shown(outcome: Outcome) -> str:
    """What came out: the amount alone where it is what is earned, else each with its name."""
    found = {k: show(v) for k, v in outcome.found.items()}
    return ", ".join(v if k == "earned" else f"{k.removeprefix('forms.')} {v}" for k, v in found.items())
