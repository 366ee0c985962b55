"""fenrun settle"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from fenrun.base.money import plain, show, sums_of
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    exit_code,
    known_option,
    labelled,
    language,
    period_option,
    print_json,
    print_problems,
    print_table,
    print_text,
    problems_as_json,
    progress,
)
from fenrun.closing.close import settle_period
from fenrun.engine.recorder import Made
from fenrun.settle.deliveries import amounts, quarantine_totals
from fenrun.settle.inspection import Inspection
from fenrun.settle.runs import Settled
from fenrun.settle.script import script
from fenrun.statement.rows import payees
from fenrun.statement.run import Run, by_currency, paid_in_all, show_each
from fenrun.statement.sentences import roles_words
from fenrun.store.facts import Store

_PAID_IN = "SELECT DISTINCT payee, plan_id FROM payments WHERE month >= ? AND month < ?"


@click.command(name="settle")
@click.argument("workspace", type=WORKSPACE)
@period_option
@known_option
@click.option("--plan", "plans", multiple=True, help="Only this plan; may be given more than once.")
@click.option("--show-sql", is_flag=True, help="Print only the SQL that this settlement runs.")
@click.option(
    "--keep-tables",
    type=click.Path(path_type=Path),
    help="Write each step's table, and what steps read, to a DuckDB file.",
)
@click.option("--why-slow", is_flag=True, help="Show the seconds and rows of each step.")
@click.option("--without-charges", is_flag=True, help="There was no business in the period.")
@as_json
def command(
    workspace: Store,
    period: Period,
    known: datetime | None,
    plans: tuple[str, ...],
    show_sql: bool,
    keep_tables: Path | None,
    why_slow: bool,
    without_charges: bool,
    json_: bool,
) -> None:
    """Settle a PERIOD of WORKSPACE under the plans in force, and keep the run.

    A quarter's or year's component is paid with the month in which it ends. The same facts and
    plans give the same run.

    To show SQL or seconds, or to keep tables, it is settled anew, on this machine and from charges,
    not from sums of months that are kept. The run is the same, and kept as ever.
    """
    if show_sql and (json_ or why_slow):
        raise click.UsageError(say("sql-alone", language()))
    clock = perf_counter if why_slow else None
    is_asked = show_sql or why_slow or keep_tables
    inspection = Inspection(show_sql, clock, keep_tables) if is_asked else None
    start = perf_counter()
    with progress("settle") as step:
        settled = settle_period(
            workspace,
            period,
            known,
            plans,
            step,
            inspection=inspection,
            without_charges=without_charges,
        )
    seconds = perf_counter() - start
    if keep_tables:
        click.echo(say("wrote", language(), path=keep_tables), err=True)
    steps = inspection.recorder.steps if inspection and why_slow else []
    if inspection and show_sql:
        print_text(f"{script(inspection.recorder.made, inspection.readings, language())}\n")
    elif json_:
        slow = {"why_slow": seconds_by_step(steps, seconds)} if why_slow else {}
        print_json(summary(settled) | slow)
    else:
        show_summary(settled)
        if why_slow:
            show_seconds(seconds_by_step(steps, seconds))
    if not json_:
        print_problems(settled.run.problems)
    exit_code(settled.run.problems)


def seconds_by_step(steps: Sequence[Made], seconds: float) -> dict[str, Any]:
    """Return what each of the steps of a settlement took, slowest first, ready for JSON.

    `seconds` is what the whole settlement took; the share of a step is one of that.
    """
    slowest = sorted(steps, key=lambda one: -one.seconds)
    return {
        "seconds": round(seconds, 6),
        "outside_steps": round(seconds - sum(one.seconds for one in steps), 6),
        "steps": [
            {
                "step": one.name,
                "seconds": round(one.seconds, 6),
                "rows": one.rows,
                "share": round(one.seconds / seconds, 4),
            }
            for one in slowest
        ],
    }


def show_seconds(said: dict[str, Any]) -> None:
    """Show the seconds of steps as a table."""
    lang, total = language(), said["seconds"]
    columns = [(say(key, lang), key != "step") for key in ("step", "seconds", "rows", "share")]
    outside = {"step": say("outside-steps", lang), "seconds": said["outside_steps"]}
    whole = {"step": say("total", lang), "seconds": total}
    rows = [
        [
            one["step"],
            f"{one['seconds']:.3f}",
            "" if one.get("rows") is None else f"{one['rows']:,}",
            f"{one['seconds'] / total:.1%}",
        ]
        for one in (*said["steps"], outside, whole)
    ]
    click.echo()
    print_table(say("seconds-by-step", lang), columns, rows)


def summary(settled: Settled) -> dict[str, Any]:
    """Return what scripts rely on, ready for JSON; amounts are exact text."""
    run = settled.run
    ledger = run.engine.table("ledger").to_pylist()
    statements, booked = _statements(run), paid_in_all(run.booked)
    earned = sums_of((one["currency"], Decimal(one["earned"])) for one in statements)

    def says(currency: str) -> dict[str, Any]:
        # Of the ledger that of one plan: others credit the same charges, or a part of them.
        first = next((plan.id for plan in run.plans if plan.currency == currency), "")
        billed = [row for row in ledger if row["plan_id"] == first]
        return {
            "credited": _total(row["credited"] for row in billed),
            "earned": plain(earned.get(currency, Decimal(0))),
            "uncredited": _total(row["uncredited"] for row in billed),
            "differences": plain(booked.get(currency, Decimal(0))),
        }

    return {
        "period": run.period.key,
        **by_currency(run.currencies, says),
        "as_of": {"effective": str(run.as_of.effective), "known": show_moment(run.as_of.known)},
        "kept_aside": quarantine_totals(run.charges.imports, run.period),
        "statements": statements,
        **problems_as_json(run.problems),
        "run_id": settled.run_id,
        "closed": run.closed,
        "closed_at": show_moment(run.closed_at) if run.closed_at else None,
    }


def _statements(run: Run) -> list[dict[str, str]]:
    """Return a row a payee: those credited under a plan, then those who are only paid."""
    credited = payees(run.engine)
    listed = [
        {
            "payee": row["payee"],
            "role": row["role"],
            "plan": row["plan_id"],
            "currency": run.currency_of[row["plan_id"]],
            "credited": plain(row["credited"]),
            "earned": plain(row["earned"]),
        }
        for row in credited
    ]
    span = run.period.span
    listed.sort(key=lambda row: row["currency"])  # those of each in their order
    found = run.engine.rows(_PAID_IN, [span.start, span.end])
    paid = {(row["payee"], run.currency_of[row["plan_id"]]) for row in found}
    paid |= {(difference.payee, difference.currency) for difference in run.booked}
    only_paid = sorted(paid - {(row["payee"], row["currency"]) for row in listed})
    nothing = {"credited": "0.00", "earned": "0.00"}
    return listed + [
        {"payee": payee, "role": "", "plan": "", "currency": currency, **nothing}
        for payee, currency in only_paid
    ]


def _total(amounts: Iterable[Decimal]) -> str:
    return plain(sum(amounts, Decimal(0)))


def show_summary(settled: Settled, most: int = 20) -> None:
    """Show the outcome as a table, with at most so many payees."""
    lang, said = language(), summary(settled)
    sums = [said, *said.get("other_currencies", ())]
    several = len(sums) > 1
    columns = [
        (say("payee", lang), False),
        (say("role", lang), False),
        *([(say("currency", lang), False)] if several else []),
        (say("credited", lang), True),
        (say("earned", lang), True),
    ]
    rows = [
        [
            *(one["payee"], roles_words(one["role"], lang)),
            *([one["currency"]] if several else []),
            *(show(Decimal(one[key])) for key in ("credited", "earned")),
        ]
        for one in said["statements"]
    ]
    title = [
        f"{say('period', lang)} {said['period']}",
        ", ".join(one["currency"] for one in sums),
        f"{say('known', lang)} {said['as_of']['known']}",
        f"{say('run', lang)} {said['run_id']}",
    ]
    if settled.run.closed_at:
        title.append(say("statement-closed", lang, at=said["closed_at"]))
    print_table("   ".join(title), columns, rows[:most])
    if len(rows) > most:
        click.echo(f"... +{len(rows) - most}")
    for key in ("credited", "uncredited", "earned"):
        click.echo(labelled(key, show_each(said, key), lang))
    aside = said["kept_aside"]
    if aside["rows"]:
        amount = amounts(aside["billed"])
        value = say("kept-aside-rows", lang, amount=amount, rows=aside["rows"])
        click.echo(labelled("kept-aside", value, lang))
    if any(Decimal(one["differences"]) for one in sums):
        click.echo(labelled("differences-of-closed", show_each(said, "differences"), lang))
    counts = {"statements": len(rows), "problems": said["problem_count"]}
    click.echo("   ".join(labelled(key, str(count), lang) for key, count in counts.items()))
