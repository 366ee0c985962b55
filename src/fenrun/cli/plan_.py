"""fenrun plan check, test, diff, doc"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.money import plain, show
from fenrun.base.problem import Problem, Refused
from fenrun.base.when import Period
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import (
    WORKSPACE,
    PeriodType,
    as_json,
    exit_code,
    language,
    print_json,
    print_problems,
    print_table,
    problems_as_json,
)
from fenrun.plan.check.findings import Proof, examine
from fenrun.plan.diff import diff
from fenrun.plan.guide import html, markdown
from fenrun.plan.read import PlanFile, load_plan
from fenrun.store.facts import Store
from fenrun.whatif.cases import Outcome, run_cases
from fenrun.whatif.compare import compare_plans

_FILES = click.argument("plans", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group(name="plan", cls=Group)
def command() -> None:
    """Check, test, compare and explain plans before they decide about money."""


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
    """Read PLANS and show every problem, with its line, and what is proven of each component.

    Split, merge, timing, transfer: can business be split, pooled, moved in time or relabelled so
    that it earns more? `proven` means never.
    """
    files, problems = _load(plans)
    examined = [(f, *examine(f.plan, f.source)) for f in files]
    problems += [p for _, found, _ in examined for p in found]
    if json_:
        listed = [{"plan": f.plan.id, **vars(p)} for f, _, proofs in examined for p in proofs]
        print_json(
            {
                "plans": [f.plan.id for f in files],
                "proofs": listed,
                **problems_as_json(problems),
            }
        )
    else:
        for file, found, proofs in examined:
            if not found:
                click.echo(say("plan-ok", language(), plan=file.plan.id))
            _print_proofs(file, proofs)
        print_problems(problems)
    exit_code(problems)


def _print_proofs(file: PlanFile, proofs: list[Proof]) -> None:
    """A row a component: what is proven of it, what refuted."""
    lang, found = language(), dict[str, dict[str, list[str]]]()
    for p in proofs:
        word = "proven" if p.proven else "refuted" if p.proven is False else "not-known"
        question, _, name = p.question.partition(" ")
        said = found.setdefault(p.component, {}).setdefault(question, [])
        text = f"{name}: {say(word, lang)}" if name else say(word, lang)
        if text not in said:
            said.append(text)
    columns = ("split", "merge", "timing", "transfer")
    rows = [
        [c, *("; ".join(answers.get(q, ["-"])) for q in columns)] for c, answers in found.items()
    ]
    if rows:
        print_table(
            file.plan.id,
            [(say("component", lang), False), *((say(f"proof-{q}", lang), False) for q in columns)],
            rows,
        )


@command.command(name="test")
@_FILES
@as_json
def test(plans: tuple[Path, ...], json_: bool) -> None:
    """Run the cases inside PLANS and compare the outcomes with what they promise."""
    files, problems = _load(plans)
    outcomes = list[Outcome]()
    for file in files:
        found, bad = run_cases(file)
        outcomes += found
        problems += bad
    if json_:
        listed = [
            {
                "case": o.case,
                "payee": o.expect.payee,
                "component": o.expect.component,
                "period": o.expect.period,
                "wanted": {k: plain(v) for k, v in o.wanted.items()},
                "found": {k: plain(v) for k, v in o.found.items()},
                "ok": o.ok,
            }
            for o in outcomes
        ]
        print_json({"outcomes": listed, **problems_as_json(problems)})
    else:
        _print(outcomes)
        print_problems(problems)
    exit_code(problems)


def _print(outcomes: list[Outcome]) -> None:
    lang = language()
    columns = [
        ("", False),
        ("case", False),
        (say("payee", lang), False),
        (say("component", lang), False),
        (say("period", lang), False),
        (say("outcome-found", lang), True),
    ]
    rows = [
        [
            say("case-ok" if o.ok else "case-bad", lang),
            o.case,
            o.expect.payee,
            o.expect.component or "*",
            o.expect.period,
            _shown(o),
        ]
        for o in outcomes
    ]
    if rows:
        print_table("", columns, rows)
        click.echo(say("cases-summary", lang, good=sum(o.ok for o in outcomes), all=len(outcomes)))


def _shown(outcome: Outcome) -> str:
    """Say what came out: the amount alone where it is what is earned, else each with its name."""
    found = {k: show(v) for k, v in outcome.found.items()}
    return ", ".join(
        v if k == "earned" else f"{k.removeprefix('forms.')} {v}" for k, v in found.items()
    )


@command.command(name="diff")
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option(
    "--workspace",
    type=WORKSPACE,
    help="Settle both over this workspace and show every payee whose pay differs.",
)
@click.option("--period", type=PeriodType(), help="The period to settle; needs --workspace.")
@as_json
def diff_(
    one: Path, other: Path, workspace: Store | None, period: Period | None, json_: bool
) -> None:
    """Say what differs between plan ONE and plan OTHER, clause by clause.

    Each difference is in money or in words only, and touches certain payees.
    """
    if (workspace is None) != (period is None):
        raise click.UsageError(say("options-together", language()))
    files, problems = _load((one, other))
    if problems:
        raise Refused(problems)
    changes = diff(files[0].plan, files[1].plan)
    payees = (
        compare_plans(workspace, (files[0].plan, files[1].plan), period)
        if workspace and period
        else None
    )
    if json_:
        listed = [{**p, "one": plain(p["one"]), "other": plain(p["other"])} for p in payees or []]
        print_json(
            {
                "one": files[0].plan.id,
                "other": files[1].plan.id,
                "changes": [vars(c) for c in changes],
                "payees": listed if payees is not None else None,
            }
        )
        return
    lang = language()
    rows = [
        [
            c.clause,
            say(f"diff-{c.what}", lang),
            say(f"effect-{c.effect}", lang) + (f": {c.example}" if c.example else "")
            if c.effect
            else "",
            c.before,
            c.after,
            c.touches,
        ]
        for c in changes
    ]
    if rows:
        keys = ("clause", "diff-what", "diff-effect", "diff-before", "diff-after", "diff-touches")
        print_table(
            f"{files[0].plan.id} -> {files[1].plan.id}", [(say(k, lang), False) for k in keys], rows
        )
    else:
        click.echo(say("diff-none", lang))
    if payees is not None and period is not None:
        shown = [
            [p["payee"], p["role"], show(p["one"]), show(p["other"]), show(p["other"] - p["one"])]
            for p in payees
        ]
        print_table(
            say("diff-payees", lang, period=period.key),
            [
                (say("payee", lang), False),
                (say("role", lang), False),
                (say("diff-before", lang), True),
                (say("diff-after", lang), True),
                (say("difference", lang), True),
            ],
            shown,
        )


@command.command(name="doc")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(["html", "md"]), default="md", help="How to write it."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; else standard output.",
)
def doc(plan: Path, kind: str, out: Path | None) -> None:
    """Write PLAN as the programme guide that a partner gets.

    Its cases, computed by the engine, are the worked examples.
    """
    file = load_plan(plan)
    outcomes, problems = run_cases(file)
    says = {
        c.case: (
            c.says or "",
            [", ".join(f"{k} {v}" for k, v in row.items()) for row in c.given.charges],
        )
        for c in file.text.cases
    }
    told = [
        {
            "case": o.case,
            "says": says[o.case][0],
            "given": says[o.case][1],
            "payee": o.expect.payee,
            "component": o.expect.component or "*",
            "period": o.expect.period,
            "found": _shown(o),
        }
        for o in outcomes
    ]
    text = (html if kind == "html" else markdown)(file, language(), told)
    if out:
        out.write_text(text, "utf-8")
        click.echo(say("wrote", language(), path=out), err=True)
    else:
        click.echo(text, nl=False)
    print_problems(problems)
    exit_code(problems)
