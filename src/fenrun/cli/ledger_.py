"""fenrun ledger"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from fenrun.base.money import plain, show
from fenrun.base.when import Period
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    known_option,
    language,
    period_option,
    print_json,
    print_table,
    print_text,
    progress,
)
from fenrun.closing.close import settle_period
from fenrun.ledger.entries import Entry, balances, entries
from fenrun.ledger.revenue import Revenue, revenue
from fenrun.ledger.shortfalls import shortfalls
from fenrun.ledger.shown import LEDGERS
from fenrun.store.facts import Store


@click.command(name="ledger")
@click.argument("workspace", type=WORKSPACE)
@period_option
@known_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json", *LEDGERS]),
    default="text",
    help="How to write it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; else standard output.",
)
@as_json
def command(
    workspace: Store,
    period: Period,
    known: datetime | None,
    kind: str,
    out: Path | None,
    json_: bool,
) -> None:
    """Write what a PERIOD means for the books: entries, and revenue gross, net and recognised.

    Entries are balanced. Earnings are accrued; clawbacks, holdbacks, draws, breakage and payouts
    move on from there; differences of closed periods are true-ups. What customers owe of commits is
    a shortfall, in which no payee has a part.
    """
    with progress("ledger") as step:
        run = settle_period(workspace, period, known, (), step).run
        made, sums = entries(run), revenue(run)
        made += shortfalls(workspace, period, run.as_of.known)
    if kind in LEDGERS:
        text = LEDGERS[kind](made)
        if out:
            out.write_text(text, "utf-8")
            click.echo(say("wrote", language(), path=out), err=True)
        else:
            print_text(text)
    elif json_ or kind == "json":
        print_json(
            {
                "period": period.key,
                "revenue": [_revenue_json(each) for each in sums],
                "entries": [_entry_json(entry) for entry in made],
            }
        )
    else:
        _show_revenue(period, sums)
        _show_entries(made)
        _show_balances(made)


def _revenue_json(found: Revenue) -> dict[str, str]:
    values = asdict(found)
    return {name: v if isinstance(v, str) else plain(v) for name, v in values.items()}


def _entry_json(entry: Entry) -> dict[str, Any]:
    postings = [{"account": name, "amount": plain(amount)} for name, amount in entry.postings]
    return {**asdict(entry), "day": str(entry.day), "postings": postings}


def _titled(*columns: tuple[str, bool]) -> list[tuple[str, bool]]:
    """Return columns with their titles, by key and whether they hold numbers."""
    return [(say(key, language()), is_number) for key, is_number in columns]


def _show_revenue(period: Period, sums: list[Revenue]) -> None:
    names = ("gross", "earned", "net", "recognised", "deferred")
    columns = _titled(("currency", False), *((name, True) for name in names))
    rows = [[each.currency, *(show(getattr(each, name)) for name in names)] for each in sums]
    print_table(f"{say('revenue', language())} {period.key}", columns, rows)


def _show_entries(made: list[Entry]) -> None:
    """Show how many entries of each kind there are, and how much they move on which account.

    A true-up is on one what is earned otherwise, on another what of it is paid.
    """
    amounts: dict[tuple[str, str, str], list[Decimal]] = {}
    for entry in made:
        name, moved = entry.postings[0]
        amounts.setdefault((entry.kind, _group(name), entry.currency), []).append(moved)
    texts = ("kind", "account", "currency")
    columns = _titled(*((key, False) for key in texts), ("count", True), ("amount", True))
    rows = [
        [
            say(f"entry-{kind}", language()),
            group,
            currency,
            f"{len(moved):,}",
            show(sum(moved, Decimal(0))),
        ]
        for (kind, group, currency), moved in amounts.items()
    ]
    print_table(say("entries", language()), columns, rows)


def _group(account: str) -> str:
    """Return the first two parts of an account's name."""
    return ":".join(account.split(":")[:2])


def _show_balances(made: list[Entry]) -> None:
    """Show the balances of the accounts, summed by the first two parts of their names."""
    groups: dict[tuple[str, str], Decimal] = {}
    for (name, currency), amount in balances(made).items():
        group = _group(name), currency
        groups[group] = groups.get(group, Decimal(0)) + amount
    columns = _titled(("account", False), ("currency", False), ("balance-of", True))
    rows = [[group, currency, show(amount)] for (group, currency), amount in groups.items()]
    print_table(say("balances", language()), columns, rows)
