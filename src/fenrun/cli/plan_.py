"""Commands on plans: fenrun plan check, test, diff, doc, new."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    print_text,
    problems_as_json,
)
from fenrun.cli.plan_new_ import command as new
from fenrun.plan.check.findings import Proof, examine
from fenrun.plan.diff import Change, diff
from fenrun.plan.guide import html, markdown
from fenrun.plan.read import PlanFile, load_plan
from fenrun.statement.sentences import roles_words
from fenrun.store.facts import Store
from fenrun.whatif.cases import Outcome, run_cases, said_amounts, unreadable_cases
from fenrun.whatif.compare import compare_plans

_FILES = click.argument("plans", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group(name="plan", cls=Group)
def command() -> None:
    """Check, test, compare and explain plans before they decide about money."""


def _load(paths: tuple[Path, ...]) -> tuple[list[PlanFile], list[Problem]]:
    """Read plans. Return those that can be read, and the problems of the others."""
    files: list[PlanFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files.append(load_plan(path))
        except Refused as refused:
            problems += refused.problems
    return files, problems


command.add_command(new)


@command.command(name="check")
@_FILES
@click.option(
    "--watch", is_flag=True, help="Check again whenever a file is saved, until it is stopped."
)
@as_json
def check(plans: tuple[Path, ...], watch: bool, json_: bool) -> None:
    """Read PLANS and show every problem, with its line, and what is proven of each component.

    Split, merge, timing, transfer: can business be split, pooled, moved in time or relabelled so
    that it earns more? `proven` means never, all else being equal; `not examined` says why.
    """
    seen = [_stamp(path) for path in plans]  # before they are read: what is saved meanwhile counts
    problems = _check(plans, json_)
    while watch:
        seen = _wait_for_change(plans, seen)
        click.clear()
        problems = _check(plans, json_)
    exit_code(problems)


_Stamp = tuple[int, int] | None
_PAUSE = 0.3
"""Seconds between two looks at the files that are watched."""


def _wait_for_change(paths: Sequence[Path], before: list[_Stamp]) -> list[_Stamp]:
    """Return the stamps of files, once one is another than it was, or has come or gone."""
    while (now := [_stamp(path) for path in paths]) == before:
        time.sleep(_PAUSE)
    return now


def _stamp(path: Path) -> _Stamp:
    """Return when a file was written and its size; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _check(plans: tuple[Path, ...], json_: bool) -> list[Problem]:
    """Print what is found in plans and what is proven of them. Returns the problems."""
    files, problems = _load(plans)
    examined = []
    for file in files:
        found, proofs = examine(file.plan, file.source)
        examined.append((file, found + unreadable_cases(file), proofs))
    problems += [problem for _, found, _ in examined for problem in found]
    if json_:
        print_json(
            {
                "plans": [file.plan.id for file in files],
                "proofs": [
                    proof_as_json(file, proof) for file, _, proofs in examined for proof in proofs
                ],
                **problems_as_json(problems),
            }
        )
    else:
        for file, found, proofs in examined:
            if not found:
                click.echo(say("plan-ok", language(), plan=file.plan.id))
            print_proofs(file, proofs)
        print_problems(problems)
    return problems


def proof_as_json(file: PlanFile, proof: Proof) -> dict[str, Any]:
    """Return a verdict on a plan's component as plain data."""
    return {"plan": file.plan.id, **vars(proof), "why": why_unexamined(proof)}


_QUESTIONS = ("split", "merge", "timing", "transfer")


def print_proofs(file: PlanFile, proofs: list[Proof]) -> None:
    """Print a row for each component: what is proven of it, what refuted."""
    lang = language()
    answers: dict[str, dict[str, list[str]]] = {}
    for proof in proofs:
        question, _, name = proof.question.partition(" ")
        said = answers.setdefault(proof.component, {}).setdefault(question, [])
        verdict = (
            say(_VERDICTS[proof.proven], lang)
            if proof.proven is not None
            else why_unexamined(proof)
        )
        text = f"{name}: {verdict}" if name else verdict
        if text not in said:
            said.append(text)
    keys = ["component", *(f"proof-{question}" for question in _QUESTIONS)]
    rows = [
        [component, *("; ".join(said.get(question, ["-"])) for question in _QUESTIONS)]
        for component, said in answers.items()
    ]
    if rows:
        print_table(file.plan.id, [(say(key, lang), False) for key in keys], rows)


_VERDICTS = {True: "proven", False: "refuted"}


def why_unexamined(proof: Proof) -> str:
    """Return that a question is not examined, and why; nothing where it has an answer."""
    if proof.why is None:
        return ""
    return say("not-examined", language(), why=proof.why)


@command.command(name="test")
@_FILES
@as_json
def test(plans: tuple[Path, ...], json_: bool) -> None:
    """Run the cases inside PLANS and compare the outcomes with what they promise."""
    files, problems = _load(plans)
    outcomes: list[Outcome] = []
    for file in files:
        found, bad = run_cases(file)
        outcomes += found
        problems += bad
    if json_:
        listed = [_outcome_json(outcome) for outcome in outcomes]
        print_json({"outcomes": listed, **problems_as_json(problems)})
    else:
        _print_outcomes(outcomes)
        print_problems(problems)
    exit_code(problems)


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "case": outcome.case,
        "payee": outcome.expect.payee,
        "component": outcome.expect.component,
        "period": outcome.expect.period,
        "wanted": {key: plain(amount) for key, amount in outcome.wanted.items()},
        "found": {key: plain(amount) for key, amount in outcome.found.items()},
        "ok": outcome.ok,
    }


def _print_outcomes(outcomes: list[Outcome]) -> None:
    lang = language()
    columns = [("", False)]
    columns += [(say(key, lang), False) for key in ("case-name", "payee", "component", "period")]
    columns.append((say("outcome-found", lang), True))
    rows = [
        [
            say("case-ok" if outcome.ok else "case-bad", lang),
            outcome.case,
            outcome.expect.payee,
            outcome.expect.component or "*",
            outcome.expect.period,
            _shown(outcome, lang),
        ]
        for outcome in outcomes
    ]
    if rows:
        print_table("", columns, rows)
        good = sum(outcome.ok for outcome in outcomes)
        click.echo(say("cases-summary", lang, good=good, all=len(outcomes)))


def _shown(outcome: Outcome, lang: str) -> str:
    """Return what came out: the amount alone where it is all that is earned, else in words."""
    if list(outcome.found) == ["earned"]:
        return show(outcome.found["earned"])
    return said_amounts(outcome.found).words(lang)


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
    plans = files[0].plan, files[1].plan
    changes = diff(*plans)
    payees = compare_plans(workspace, plans, period) if workspace and period else None
    if json_:
        print_json(
            {
                "one": plans[0].id,
                "other": plans[1].id,
                "changes": [vars(change) for change in changes],
                "payees": None if payees is None else [_payee_json(row) for row in payees],
            }
        )
        return
    if changes:
        _print_changes(f"{plans[0].id} -> {plans[1].id}", changes)
    else:
        click.echo(say("diff-none", language()))
    if payees is not None and period is not None:
        _print_payees(period, payees)


def _payee_json(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "one": plain(row["one"]), "other": plain(row["other"])}


def _print_changes(title: str, changes: list[Change]) -> None:
    lang = language()
    keys = ("clause", "diff-what", "diff-effect", "diff-before", "diff-after", "diff-touches")
    rows = [
        [
            change.clause,
            say(f"diff-{change.what}", lang),
            _effect(change, lang),
            change.before,
            change.after,
            change.touches,
        ]
        for change in changes
    ]
    print_table(title, [(say(key, lang), False) for key in keys], rows)


def _effect(change: Change, lang: str) -> str:
    if not change.effect:
        return ""
    effect = say(f"effect-{change.effect}", lang)
    return f"{effect}: {change.example}" if change.example else effect


def _print_payees(period: Period, payees: list[dict[str, Any]]) -> None:
    lang = language()
    columns = [(say(key, lang), False) for key in ("payee", "role", "currency")]
    columns += [(say(key, lang), True) for key in ("diff-before", "diff-after", "difference")]
    rows = [
        [
            row["payee"],
            roles_words(row["role"], lang),
            row["currency"],
            *map(show, (row["one"], row["other"], row["other"] - row["one"])),
        ]
        for row in payees
    ]
    print_table(say("diff-payees", lang, period=period.key), columns, rows)


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
    text, problems = guide_text(load_plan(plan), language(), kind)
    if out:
        out.write_text(text, "utf-8")
        click.echo(say("wrote", language(), path=out), err=True)
    else:
        print_text(text)
    print_problems(problems)
    exit_code(problems)


def guide_text(file: PlanFile, lang: str, kind: str = "md") -> tuple[str, list[Problem]]:
    """Return a plan's guide with its cases as examples, and the problems of the cases."""
    outcomes, problems = run_cases(file)
    write = html if kind == "html" else markdown
    return write(file, lang, [_example(outcome, lang) for outcome in outcomes]), problems


def _example(outcome: Outcome, lang: str) -> dict[str, Any]:
    """Return an outcome as the guide takes it."""
    expect = outcome.expect
    return {
        "case": outcome.case,
        "payee": expect.payee,
        "component": expect.component or "",
        "period": expect.period,
        "known": expect.known,
        "since": expect.since,
        "found": _shown(outcome, lang),
    }
