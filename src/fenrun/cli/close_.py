"""fenrun close"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from fenrun.base.ids import short
from fenrun.base.money import show_sums
from fenrun.base.problem import WARNING
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.key_ import key_line
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    known_option,
    language,
    period_option,
    print_json,
    print_problems,
    progress,
)
from fenrun.closing.anchors import anchor_closes
from fenrun.closing.close import close, closed_run
from fenrun.closing.keys import known_keys
from fenrun.statement.run import show_each
from fenrun.store.facts import Store


@click.command(name="close")
@click.argument("workspace", type=WORKSPACE)
@period_option
@known_option
@click.option("--reason", default="", help="Why, for the log.")
@click.option("--first", is_flag=True, help="Earlier periods are settled elsewhere, for good.")
@click.option("--without-charges", is_flag=True, help="There was no business in the period.")
@as_json
def command(
    workspace: Store,
    period: Period,
    known: datetime | None,
    reason: str,
    first: bool,
    without_charges: bool,
    json_: bool,
) -> None:
    """Close a PERIOD for good.

    Its statements are frozen and signed off, with the differences of the periods closed before.
    Facts that arrive later are booked as differences in the period that follows the last closed
    one. Nothing opens a closed period again. What the settlement warns of is said once more.
    """
    workspace.reason = reason
    with progress("close") as step:
        done = close(workspace, period, known, step, first=first, without_charges=without_charges)
    warnings = [p for p in closed_run(workspace, done).run.problems if p.severity == WARNING]
    print_problems([*anchor_closes(workspace), *warnings])
    item = workspace.find("closes", done.id)
    facts = item.facts if item else {}
    event, key = workspace.log.events("closes", done.id)[0], known_keys(workspace)[-1]
    if json_:
        print_json(
            {
                "period": period.key,
                "known": show_moment(done.known),
                **facts,
                "log": {"seq": event.seq, "hash": event.hash, "at": event.at},
                "key": {"name": key.name, "fingerprint": key.fingerprint},
            }
        )
        return
    lang = language()
    click.echo(
        say(
            "closed-period",
            lang,
            period=period.key,
            at=event.at,
            known=show_moment(done.known),
            run=short(done.run),
        )
    )
    click.echo(
        say(
            "closed-sums",
            lang,
            statements=facts["statements"],
            paid=show_each(facts, "paid"),
            differences=show_each(facts, "differences"),
            payable=_payable(facts),
        )
    )
    click.echo(say("closed-root", lang, root=done.root))
    click.echo(key_line(key))
    click.echo(say("log-head-is", lang, seq=event.seq, head=event.hash))


def _payable(facts: dict[str, Any]) -> str:
    """Return what is to be paid in all, in each currency: of the period, and differences."""
    sections = (facts, *facts.get("other_currencies", ()))
    sums = {one["currency"]: Decimal(one["paid"]) + Decimal(one["differences"]) for one in sections}
    return show_sums(sums)
