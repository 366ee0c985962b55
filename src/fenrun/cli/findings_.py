"""fenrun findings"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from fenrun.base.when import Period, parse_period
from fenrun.base.words import Unreadable, say
from fenrun.cli.output import (
    WORKSPACE,
    PeriodType,
    as_json,
    known_option,
    language,
    print_json,
    print_table,
    print_text,
    progress,
)
from fenrun.cli.rows_shown import in_minor_units
from fenrun.integrity.findings import Case, Checked, Findings
from fenrun.integrity.kept import findings_of, queue_of
from fenrun.integrity.life import OPEN
from fenrun.integrity.sheets import findings_as_csv, findings_as_xlsx
from fenrun.integrity.written import contradiction, findings_as_json, skipped
from fenrun.lab.moves import SCHEMES
from fenrun.store.facts import Store


@click.command(name="findings")
@click.argument("workspace", type=WORKSPACE)
@click.option("--from", "first", type=PeriodType(), help="The first month: 2024-01.")
@click.option("--to", "last", type=PeriodType(), help="The last month: 2024-12.")
@known_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "csv", "xlsx"]),
    default="text",
    help="How to write it.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; xlsx needs one."
)
@as_json
def command(
    workspace: Store,
    first: Period | None,
    last: Period | None,
    known: datetime | None,
    kind: str,
    out: Path | None,
    json_: bool,
) -> None:
    """Show where somebody may be paid for what is not so, with the evidence.

    Each case says what is unusual, what it earned more, which rows say so, and the best innocent
    explanation. People decide. A check that could not run says what it lacks. What is found is kept
    in WORKSPACE; without months, the cases that are kept are shown.
    """
    if kind == "xlsx" and not out:
        raise click.UsageError(say("format-needs-out", language(), format=kind))
    found = _found(workspace, first, last, known)
    if json_:
        print_json(findings_as_json(found, language()))
    elif kind != "text":
        write = findings_as_csv if kind == "csv" else findings_as_xlsx
        _write(write(found, language()), out)
    else:
        _print(found)


def _found(
    workspace: Store, first: Period | None, last: Period | None, known: datetime | None
) -> Findings:
    """Return what is found in some months, or else what is kept."""
    if first and last:
        with progress("findings") as step:
            return findings_of(workspace, months_between(first, last), known, step)
    kept = None if first or last or known else queue_of(workspace)
    if kept is None:
        raise click.UsageError(say("findings-months", language()))
    return kept


def _write(written: bytes, out: Path | None) -> None:
    if out:
        out.write_bytes(written)
        click.echo(say("wrote", language(), path=out), err=True)
    else:
        print_text(written.decode("utf-8-sig"))


def months_between(first: Period, last: Period) -> Period:
    """Return the months from one period to another, which is said to be wrong if it ends before."""
    one, other = first.months[0], last.months[-1]
    try:
        return parse_period(one if one == other else f"{one}/{other}")
    except Unreadable as error:
        raise click.BadParameter(error.message.words(language()), param_hint="--to") from error


def _print(found: Findings) -> None:
    lang = language()
    for case in found.cases:
        _print_case(case)
    if not found.cases:
        click.echo(say("findings-none", lang))
    for one in found.contradicted:
        click.echo(contradiction(one).words(lang))
    columns = [(say(key, lang), key in _NUMBERS) for key in _CHECK_COLUMNS]
    rows = [_check_cells(one, lang) for one in found.checks]
    print_table(say("findings-checks", lang), columns, rows)


def _check_cells(one: Checked, lang: str) -> list[str]:
    decided = f"{one.confirmed}/{one.decided}" if one.decided else ""
    why = skipped(one).words(lang) if one.skipped else ""
    seconds = "" if one.skipped else f"{one.seconds:.2f}"
    return [one.check, one.scheme, str(one.tried), seconds, decided, why]


_NUMBERS = ("finding-tried", "finding-seconds", "finding-decided")
_CHECK_COLUMNS = ("finding-check", "finding-scheme", *_NUMBERS, "finding-skipped")


def _print_case(case: Case) -> None:
    """Print a case: who, how much, what is unusual, the evidence, what may explain it."""
    lang = language()
    who = ", ".join((*case.parties, *case.customers))
    amount = (
        f"{in_minor_units(case.amount, case.currency)} {case.currency}" if case.currency else ""
    )
    click.echo(f"{case.check} ({case.scheme})  {case.start} - {case.end}  {amount}")
    state = case.decision.state if case.decision else OPEN
    click.echo(f"  {case.id}  {say(f'case-is-{state}', lang)}")
    click.echo(f"  {who}")
    click.echo(f"  {say(f'unusual-{case.check}', lang)}")
    if case.q is not None:
        click.echo("  " + say("finding-chance", lang, p=f"{case.p:.2g}", q=f"{case.q:.2g}"))
    for row in case.evidence[:8]:
        click.echo(f"    {row.table} {row.key}: {say(f'evidence-{row.what}', lang)}")
    if len(case.evidence) > 8:
        click.echo("    " + say("finding-more", lang, count=len(case.evidence) - 8))
    click.echo("  " + say("finding-innocent", lang, text=say(f"innocent-{case.check}", lang)))
    click.echo("  " + say("finding-confirm", lang, text=say(f"confirm-{case.check}", lang)))
    if case.clause:
        click.echo("  " + say("finding-clause", lang, clause=case.clause))
    click.echo("  " + say("finding-prevent", lang, text=say(f"prevent-{case.check}", lang)))
    if case.scheme in SCHEMES and case.clause:
        kind = say(f"attack-kind-{SCHEMES[case.scheme]}", lang)
        click.echo("  " + say("finding-attack", lang, kind=kind, month=f"{case.start:%Y-%m}"))
    click.echo()
