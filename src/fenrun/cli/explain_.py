"""fenrun explain"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from shlex import quote
from typing import Any

import click
from rich.padding import Padding
from rich.text import Text

from fenrun.base.money import show
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    console,
    known_option,
    language,
    period_option,
    print_blocks,
    print_json,
    print_table,
    progress,
)
from fenrun.closing.close import settle_period
from fenrun.settle.explain import explain
from fenrun.settle.line_terms import statement_naming_terms
from fenrun.statement.run import Run
from fenrun.statement.sentences import charged_text, day_text, in_words, show_text
from fenrun.store.facts import Store

Columns = tuple[tuple[str, bool], ...]
"""Columns by the key of their title, and whether they hold numbers."""
_CHARGES = 10
_LINES = "SELECT line_id FROM statement_lines WHERE payee = ? ORDER BY plan_id, rank, period"
_CUSTOMER_COLUMNS: Columns = (
    ("customer", False),
    ("credited", True),
    ("measured", True),
    ("charges", True),
    ("clause", False),
)
_CHARGE_COLUMNS: Columns = (
    ("place", False),
    ("day", False),
    ("service", False),
    ("customer", False),
    ("amount", True),
    ("share", True),
    ("credited", True),
    ("clause", False),
    ("via", False),
)


@click.command(name="explain")
@click.argument("workspace", type=WORKSPACE)
@click.argument("line")
@period_option
@known_option
@click.option(
    "--charges",
    type=click.IntRange(min=0),
    help="How many charges to list, largest first; else 10 of a line, none of a payee's lines.",
)
@as_json
def command(
    workspace: Store,
    line: str,
    period: Period,
    known: datetime | None,
    charges: int | None,
    json_: bool,
) -> None:
    """Explain a statement LINE, down to charges and clauses.

    A LINE is PLAN/COMPONENT/PERIOD/PAYEE; a payee alone means all its lines.
    """
    with progress("settle") as step:
        run = settle_period(workspace, period, known, (), step).run
    of_payee = "/" not in line
    lines = _lines_of(run, line) if of_payee else [line]
    most = _CHARGES if charges is None else charges
    found = [explain(run, one, most) for one in lines]
    if json_:
        worded = [{**one, "words": in_words(one, language())} for one in found]
        print_json(worded if of_payee else worded[0])
        return
    for one in found:
        show_explanation(one, 0 if of_payee and charges is None else most)
    if of_payee:
        console().print()
        for sentence in _going_on(run, line, lines, charges is None):
            click.echo(sentence)


def _going_on(run: Run, payee: str, lines: Sequence[str], is_short: bool) -> Iterator[str]:
    """Say how to see a line's charges, and what explains differences of closed periods."""
    lang = language()
    if lines and is_short:
        yield say("explain-line", lang, line=quote(lines[0]), period=run.period.key)
    statement = statement_naming_terms(run, payee)
    for one in (statement, *statement.others):
        if not one.differences:
            continue
        amount = {"amount": show(one.difference), "currency": one.currency}
        yield say("explain-differences", lang, payee=quote(payee), period=run.period.key, **amount)
        earned = [found for found in one.differences if found.what == "earned"]
        for found in earned[:1]:
            line = quote(f"{found.plan_id}/{found.component}/{found.period}/{payee}")
            known = show_moment(run.as_of.known)
            yield say("explain-closed", lang, line=line, period=found.month, known=known)


def _lines_of(run: Run, payee: str) -> list[str]:
    """Return the ids of a payee's lines. Raises Refused where it has no statement."""
    rows = run.engine.rows(_LINES, [payee])
    if not rows:
        statement_naming_terms(run, payee)
    return [row["line_id"] for row in rows]


def show_explanation(explained: dict[str, Any], charges: int) -> None:
    """Show an explanation on the terminal: sentences, and tables with at most so many rows."""
    headline, *sentences = in_words(explained, language())
    console().print()
    console().print(Text(headline, "bold"))
    print_blocks(Padding(Text(sentence), (0, 0, 0, 2), expand=False) for sentence in sentences)
    if charges:
        _show_customers(explained["customers"], charges)
        _show_charges(explained)


def _show_customers(customers: list[dict[str, Any]], most: int) -> None:
    """Show what each customer brings, the largest first; say how many are left out."""
    rows = [
        [
            customer["customer"] or "-",
            show_text(customer["credited"]),
            show_text(customer["counted"]),
            f"{customer['charges']:,}",
            customer["excluded_by"] or "",
        ]
        for customer in customers[:most]
    ]
    print_table("", _titled(_CUSTOMER_COLUMNS), rows)
    if len(customers) > most:
        click.echo(f"... +{len(customers) - most}")


def _show_charges(explained: dict[str, Any]) -> None:
    lang = language()
    rows = [
        [
            f"{charge['file']}:{charge['row_no']}",
            day_text(charge),
            charge["service"] or "",
            charge["customer"] or "-",
            charged_text(charge),
            charge["share"],
            show_text(charge["credited"]),
            charge["clause"],
            say(f"via-{charge['via']}", lang),
        ]
        for charge in explained["charges"]
    ]
    title = say("charges-shown", lang, shown=len(rows), all=explained["charges_total"])
    columns = _titled(_CHARGE_COLUMNS)
    if any(charge.get("terms") for charge in explained["charges"]):
        columns.append((say("by-terms", lang), False))
        for row, charge in zip(rows, explained["charges"]):
            row.append(", ".join(_term(one) for one in charge.get("terms", ())))
    print_table(title, columns, rows)


def _term(one: dict[str, str]) -> str:
    """Return a row of the terms by its id, with what it grants, demands or is."""
    return f"{one['id']} ({one['says']})" if one["says"] else one["id"]


def _titled(columns: Columns) -> list[tuple[str, bool]]:
    return [(say(key, language()), is_number) for key, is_number in columns]
