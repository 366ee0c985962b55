"""fenrun settle"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from fenrun.base.money import plain, show
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
    progress,
)
from fenrun.closing.close import settle_period
from fenrun.settle.runs import Settled
from fenrun.statement.rows import payees
from fenrun.store.facts import Store


@click.command(name="settle")
@click.argument("workspace", type=WORKSPACE)
@period_option
@known_option
@click.option("--plan", "plans", multiple=True, help="Only this plan; may be given more than once.")
@as_json
def command(
    workspace: Store, period: Period, known: datetime | None, plans: tuple[str, ...], json_: bool
) -> None:
    """Settle a PERIOD of WORKSPACE under the plans in force and keep the run.

    A quarter's or year's component is paid with the month in which it ends. The same facts and plans give the same run.
    """
    with progress("settle") as step:
        settled = settle_period(workspace, period, known, plans, step)
    if json_:
        print_json(summary(settled))
    else:
        show_summary(settled)
        print_problems(settled.run.problems)
    exit_code(settled.run.problems)


def summary(settled: Settled) -> dict[str, Any]:
    """What scripts rely on; amounts are exact text."""
    run = settled.run
    ledger = [r for r in run.engine.table("ledger").to_pylist() if r["plan_id"] == run.plans[0].id]
    listed = [
        {
            "payee": p["payee"],
            "role": p["role"],
            "plan": p["plan_id"],
            "credited": plain(p["credited"]),
            "earned": plain(p["earned"]),
        }
        for p in payees(run.engine)
    ]
    others = {
        r["payee"]
        for r in run.engine.query(
            "SELECT DISTINCT payee FROM payments WHERE month >= ? AND month < ?",
            [run.period.span.start, run.period.span.end],
        ).to_pylist()
    } | {d.payee for d in run.booked}
    listed += [
        {"payee": payee, "role": "", "plan": "", "credited": "0.00", "earned": "0.00"}
        for payee in sorted(others - {p["payee"] for p in listed})
    ]
    return {
        "period": run.period.key,
        "currency": run.plans[0].terms[0].currency,
        "as_of": {"effective": str(run.as_of.effective), "known": show_moment(run.as_of.known)},
        "credited": plain(sum((r["credited"] for r in ledger), Decimal(0))),
        "earned": plain(sum((Decimal(p["earned"]) for p in listed), Decimal(0))),
        "uncredited": plain(sum((r["uncredited"] for r in ledger), Decimal(0))),
        "statements": listed,
        "problems": len(run.problems),
        "run_id": settled.run_id,
        "closed": run.closed,
        "differences": plain(sum((d.amount for d in run.booked if d.what == "paid"), Decimal(0))),
    }


def show_summary(settled: Settled, most: int = 20) -> None:
    """The result as a table for people."""
    lang, said = language(), summary(settled)
    rows = [
        [p["payee"], p["role"], show(Decimal(p["credited"])), show(Decimal(p["earned"]))]
        for p in said["statements"]
    ]
    title = f"{say('period', lang)} {said['period']}   {said['currency']}   {say('known', lang)} {said['as_of']['known']}   {say('run', lang)} {said['run_id']}"
    print_table(
        title,
        [
            (say("payee", lang), False),
            (say("role", lang), False),
            (say("credited", lang), True),
            (say("earned", lang), True),
        ],
        rows[:most],
    )
    if len(rows) > most:
        click.echo(f"... +{len(rows) - most}")
    for key in ("credited", "uncredited", "earned"):
        click.echo(f"{say(key, lang)}: {show(Decimal(said[key]))} {said['currency']}")
    if run_differences := Decimal(said["differences"]):
        click.echo(
            f"{say('differences-of-closed', lang)}: {show(run_differences)} {said['currency']}"
        )
    click.echo(
        f"{say('statements', lang)}: {len(rows)}   {say('problems', lang)}: {said['problems']}"
    )
