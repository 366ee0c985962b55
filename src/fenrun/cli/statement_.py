"""fenrun statement"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from fenrun.base.money import show
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.compare_ import show_differences
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    console,
    known_option,
    language,
    period_option,
    print_json,
    print_table,
    progress,
)
from fenrun.closing.close import settle_period
from fenrun.proof.bundle import make_bundle
from fenrun.statement.files import outcome, to_csv, to_xlsx
from fenrun.statement.rows import Statement, statement_of
from fenrun.store.facts import Store


@click.command(name="statement")
@click.argument("workspace", type=WORKSPACE)
@click.argument("payee")
@period_option
@known_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "csv", "json", "xlsx"]),
    default="text",
    help="How to write it.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; xlsx needs one."
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the closed statement, with all it rests on, as a signed file for fenrun verify.",
)
@as_json
def command(
    workspace: Store,
    payee: str,
    period: Period,
    known: datetime | None,
    kind: str,
    out: Path | None,
    bundle: Path | None,
    json_: bool,
) -> None:
    """Show the statement of PAYEE for a PERIOD, or write it as a file."""
    if bundle:
        with progress("bundle") as step:
            make_bundle(workspace, payee, period, bundle, step)
        click.echo(say("wrote", language(), path=bundle), err=True)
        return
    if kind == "xlsx" and not out:
        raise click.UsageError("--format xlsx needs --out FILE")
    with progress("settle") as step:
        run = settle_period(workspace, period, known, (), step).run
    statement, lang = statement_of(run, payee), language()
    if kind == "xlsx" and out:
        to_xlsx(statement, out, lang)
        click.echo(say("wrote", lang, path=out), err=True)
    elif kind == "csv":
        _write(to_csv(statement, lang), out, "utf-8-sig")
    elif kind == "json" or json_:
        print_json(statement.as_json())
    else:
        show_statement(statement)


def _write(text: str, out: Path | None, encoding: str) -> None:
    """To a file in the encoding that spreadsheets expect, or to standard output as it is."""
    if out:
        out.write_text(text, encoding)
        click.echo(say("wrote", language(), path=out), err=True)
    else:
        click.echo(text, nl=False)


def show_statement(statement: Statement) -> None:
    """The statement as text."""
    lang, s = language(), statement
    state = f"   {say('statement-closed', lang)}" if s.closed else ""
    console().print(
        f"[bold]{say('statement', lang)} {s.period.key}[/bold]   {say('known', lang)} {show_moment(s.as_of.known)}{state}"
    )
    click.echo(
        f"{say('payee', lang)}: {s.name}"
        + (f" ({s.payee})" if s.name != s.payee else "")
        + f"   {say('currency', lang)}: {s.currency}\n"
    )
    credits = [
        [
            c["role"] + (f" ({say('via-party', lang)})" if c["kind"] == "roll-up" else ""),
            show(c["credited"]),
            f"{c['charges']:,}",
        ]
        for c in s.credits
    ]
    print_table(
        "",
        [(say("role", lang), False), (say("credited", lang), True), (say("charges", lang), True)],
        credits,
    )
    lines = [
        [x.title[lang], x.period, show(x.measured), outcome(x, lang), show(x.earned)]
        for x in s.lines
    ]
    columns = [
        (say("component", lang), False),
        (say("period", lang), False),
        (say("measured", lang), True),
        (say("outcome", lang), False),
        (say("earned", lang), True),
    ]
    if lines:
        print_table("", columns, [*lines, [say("total", lang), "", "", "", show(s.earned)]])
    if s.not_counted:
        rows = [
            [
                s.titles.get(n["component"], {}).get(lang, n["component"]),
                say("baseline", lang) if n["rule"] == "baseline" else s.titles[n["rule"]][lang],
                show(n["amount"]),
            ]
            for n in s.not_counted
        ]
        print_table(
            say("not-counted", lang),
            [
                (say("component", lang), False),
                (say("clause", lang), False),
                (say("amount", lang), True),
            ],
            rows,
        )
    if s.payouts:
        keys = ("due", "brought", "expired", "drawn", "recovered", "balance", "paid", "carried")
        shown = [k for k in keys if k in ("due", "paid") or any(p[k] for p in s.payouts)]
        print_table(
            say("payout", lang),
            [(say("month", lang), False), *((say(k, lang), True) for k in shown)],
            [[str(p["month"])[:7], *(show(p[k]) for k in shown)] for p in s.payouts],
        )
        rows = [
            [str(p["month"])[:7], p["form"], show(p["amount"]), show(p["paid"])] for p in s.payments
        ]
        if any(p["form"] != "cash" or p["amount"] != p["paid"] for p in s.payments):
            print_table(
                "",
                [
                    (say("month", lang), False),
                    (say("form", lang), False),
                    (say("amount", lang), True),
                    (say("paid", lang), True),
                ],
                rows,
            )
    if s.differences:
        show_differences(s.differences, say("differences-of-closed", lang))
        click.echo(
            f"{say('payable', lang)}: {show(s.paid)} + {show(s.difference)} = {show(s.payable)} {s.currency}"
        )
