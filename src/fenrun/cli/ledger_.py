"""fenrun ledger"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

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
    progress,
)
from fenrun.closing.close import settle_period
from fenrun.ledger.entries import Entry, balances, entries
from fenrun.ledger.revenue import Revenue, revenue
from fenrun.ledger.text import to_beancount, to_hledger
from fenrun.store.facts import Store


@click.command(name="ledger")
@click.argument("workspace", type=WORKSPACE)
@period_option
@known_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json", "beancount", "hledger"]),
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
    """Write what a PERIOD means for the books: balanced entries, gross and net revenue, and revenue recognised over time.

    What is earned is accrued; clawbacks, holdbacks, draws, lapses and payouts move on from there; differences of closed periods are true-ups.
    """
    with progress("ledger") as step:
        run = settle_period(workspace, period, known, (), step).run
        made, sums = entries(run), revenue(run)
    if kind in ("beancount", "hledger"):
        text = to_beancount(made) if kind == "beancount" else to_hledger(made)
        if out:
            out.write_text(text, "utf-8")
            click.echo(say("wrote", language(), path=out), err=True)
        else:
            click.echo(text, nl=False)
    elif json_ or kind == "json":
        print_json(
            {
                "period": period.key,
                "revenue": [_plain(r) for r in sums],
                "entries": [
                    {
                        **asdict(e),
                        "day": str(e.day),
                        "postings": [
                            {"account": name, "amount": plain(amount)}
                            for name, amount in e.postings
                        ],
                    }
                    for e in made
                ],
            }
        )
    else:
        _show(period, made, sums)


def _plain(r: Revenue) -> dict[str, str]:
    return {k: v if isinstance(v, str) else plain(v) for k, v in asdict(r).items()}


def _show(period: Period, made: list[Entry], sums: list[Revenue]) -> None:
    lang = language()
    rows = [
        [r.currency, *(show(v) for v in (r.gross, r.earned, r.net, r.recognised, r.deferred))]
        for r in sums
    ]
    print_table(
        f"{say('revenue', lang)} {period.key}",
        [
            (say("currency", lang), False),
            *((say(k, lang), True) for k in ("gross", "earned", "net", "recognised", "deferred")),
        ],
        rows,
    )
    kinds: dict[tuple[str, str], tuple[int, object]] = {}
    for e in made:
        count, total = kinds.get((e.kind, e.currency), (0, 0))
        kinds[e.kind, e.currency] = (count + 1, total + e.postings[0][1])  # type: ignore[operator]
    print_table(
        say("entries", lang),
        [
            (say("kind", lang), False),
            (say("currency", lang), False),
            (say("count", lang), True),
            (say("amount", lang), True),
        ],
        [
            [say(f"entry-{kind}", lang), currency, f"{count:,}", show(total)]
            for (kind, currency), (count, total) in kinds.items()
        ],
    )  # type: ignore[arg-type]
    grouped: dict[tuple[str, str], object] = {}
    for (name, currency), amount in balances(made).items():
        key = (":".join(name.split(":")[:2]), currency)
        grouped[key] = grouped.get(key, 0) + amount  # type: ignore[operator]
    print_table(
        say("balances", lang),
        [
            (say("account", lang), False),
            (say("currency", lang), False),
            (say("balance-of", lang), True),
        ],
        [[name, currency, show(amount)] for (name, currency), amount in grouped.items()],
    )  # type: ignore[arg-type]
