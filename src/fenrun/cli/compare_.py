"""fenrun compare"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from fenrun.base.money import plain
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    MomentType,
    as_json,
    language,
    period_option,
    print_blocks,
    print_json,
    progress,
)
from fenrun.closing.differences import differences
from fenrun.settle.facts import knowledge_time
from fenrun.statement.formats.text import difference_blocks
from fenrun.statement.run import Difference, by_currency, paid_by_cause, paid_in_all
from fenrun.store.facts import Store


@click.command(name="compare")
@click.argument("workspace", type=WORKSPACE)
@click.argument("payee", required=False)
@period_option
@click.option(
    "--known",
    type=MomentType(),
    required=True,
    help="The earlier moment (UTC): what was known then.",
)
@click.option(
    "--and", "other", type=MomentType(), help="The later moment; else all that the workspace knows."
)
@as_json
def command(
    workspace: Store,
    payee: str | None,
    period: Period,
    known: datetime,
    other: datetime | None,
    json_: bool,
) -> None:
    """Say why a PERIOD's pay differs between two moments, by cause.

    Shown is each difference, of everybody or of PAYEE. The causes are taken up in the order in
    which they became known, so they sum to the whole difference exactly.
    """
    lang, later = language(), knowledge_time(workspace, other)
    if later < known:
        raise click.UsageError(say("moments-in-order", lang))
    with progress("compare") as step:
        everybody = differences(workspace, period, known, later, step)
    found = [one for one in everybody if payee in (None, one.payee)]
    moments = {"known": show_moment(known), "and": show_moment(later)}
    if json_:
        print_json(
            {
                "period": period.key,
                **moments,
                **_paid_by_currency(found),
                "differences": [one.as_json() for one in found],
            }
        )
        return
    title = say("compared", lang, period=period.key, known=moments["known"], later=moments["and"])
    print_blocks(difference_blocks(found, title, lang))


def _paid_by_currency(found: Sequence[Difference]) -> dict[str, Any]:
    """Return what differs of what is paid: in the first currency, and in each other."""
    paid = paid_in_all(found)

    def says(currency: str) -> dict[str, Any]:
        causes = paid_by_cause(found, currency).items()
        return {
            "difference": plain(paid.get(currency, Decimal(0))),
            "by_cause": {cause: plain(amount) for cause, amount in causes},
        }

    return by_currency(sorted({one.currency for one in found}) or [""], says)
