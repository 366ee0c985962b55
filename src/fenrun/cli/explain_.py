"""fenrun explain"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import Period
from fenrun.base.words import say
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
from fenrun.statement.explain import explain, in_words, show_text
from fenrun.store.facts import Store


@click.command(name="explain")
@click.argument("workspace", type=WORKSPACE)
@click.argument("line")
@period_option
@known_option
@click.option(
    "--charges",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many charges to list, largest first.",
)
@as_json
def command(
    workspace: Store, line: str, period: Period, known: datetime | None, charges: int, json_: bool
) -> None:
    """Explain a statement LINE (PLAN/COMPONENT/PERIOD/PAYEE, or a payee: all its lines), down to charges and clauses."""
    with progress("settle") as step:
        run = settle_period(workspace, period, known, (), step).run
    lines = [line]
    if "/" not in line:
        lines = [
            r["line_id"]
            for r in run.engine.query(
                "SELECT line_id FROM statement_lines WHERE payee = ? ORDER BY plan_id, rank, period",
                [line],
            ).to_pylist()
        ]
        if not lines:
            raise Refused(
                [Problem("payee-unknown", Place(line), {"payee": line, "period": period.key})]
            )
    found = [explain(run, one, charges) for one in lines]
    if json_:
        print_json(
            [{**e, "words": in_words(e, language())} for e in found]
            if "/" not in line
            else {**found[0], "words": in_words(found[0], language())}
        )
        return
    for e in found:
        show_explanation(e, charges if "/" in line else 0)


def show_explanation(e: dict[str, Any], charges: int) -> None:
    """The explanation as text."""
    lang = language()
    head, *rest = in_words(e, lang)
    console().print(f"\n[bold]{head}[/bold]")
    for sentence in rest:
        console().print(f"  {sentence}", markup=False)
    if not charges:
        return
    columns = [
        ("customer", False),
        ("credited", True),
        ("measured", True),
        ("charges", True),
        ("clause", False),
    ]
    rows = [
        [
            c["customer"] or "-",
            show_text(c["credited"]),
            show_text(c["counted"]),
            f"{c['charges']:,}",
            c["excluded_by"] or "",
        ]
        for c in e["customers"][:charges]
    ]
    print_table("", [(say(k, lang), n) for k, n in columns], rows)
    columns = [
        ("place", False),
        ("day", False),
        ("service", False),
        ("customer", False),
        ("amount", True),
        ("share", True),
        ("credited", True),
        ("clause", False),
        ("via", False),
    ]
    rows = [
        [
            f"{c['file']}:{c['row_no']}",
            c["day"],
            c["service"] or "",
            c["customer"] or "-",
            show_text(c["amount"]),
            c["share"],
            show_text(c["credited"]),
            c["clause"],
            say(f"via-{c['via']}", lang),
        ]
        for c in e["charges"]
    ]
    print_table(
        say("charges-shown", lang, shown=len(rows), all=e["charges_total"]),
        [(say(k, lang), n) for k, n in columns],
        rows,
    )
