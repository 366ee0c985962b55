"""fenrun compare"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import click

from fenrun.base.money import plain, show
from fenrun.base.when import Period, show_moment
from fenrun.base.words import say
from fenrun.cli.output import (
    WORKSPACE,
    MomentType,
    as_json,
    language,
    period_option,
    print_json,
    print_table,
    progress,
)
from fenrun.closing.differences import differences
from fenrun.settle.facts import knowledge_time
from fenrun.statement.run import Difference
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
    """Say why a PERIOD's pay, as known at two moments, differs: each difference with its cause, of everybody or of PAYEE.

    The causes are taken up in the order in which they became known, so they sum to the whole difference exactly.
    """
    later = knowledge_time(workspace, other)
    if later < known:
        raise click.UsageError("--known is the earlier moment, --and the later one")
    with progress("compare") as step:
        found = [
            d
            for d in differences(workspace, period, known, later, step)
            if payee in (None, d.payee)
        ]
    if json_:
        print_json(
            {
                "period": period.key,
                "known": show_moment(known),
                "and": show_moment(later),
                "difference": _sum(found, "paid"),
                "by_cause": _by_cause(found),
                "differences": [d.as_json() for d in found],
            }
        )
        return
    show_differences(
        found,
        say(
            "compared",
            language(),
            period=period.key,
            known=show_moment(known),
            later=show_moment(later),
        ),
    )


def _sum(found: Sequence[Difference], what: str) -> str:
    return plain(sum((d.amount for d in found if d.what == what), Decimal(0)))


def _by_cause(found: Sequence[Difference]) -> dict[str, str]:
    return {
        cause: _sum([d for d in found if d.cause == cause], "paid")
        for cause in sorted({d.cause for d in found})
    }


def show_differences(found: Sequence[Difference], title: str, most: int = 40) -> None:
    """Differences of what is earned, then the sums of what is paid by cause."""
    lang = language()
    if not found:
        click.echo(f"{title}\n{say('no-difference', lang)}")
        return
    earned = [d for d in found if d.what == "earned"]
    rows = [
        [
            d.payee,
            d.component,
            d.period,
            say(f"cause-{d.cause}", lang),
            f"{d.source} ({show_moment(d.known)[:10]})",
            show(d.before),
            show(d.after),
            show(d.amount),
        ]
        for d in earned[:most]
    ]
    columns = [
        ("payee", False),
        ("component", False),
        ("period", False),
        ("cause", False),
        ("source", False),
        ("before", True),
        ("after", True),
        ("difference", True),
    ]
    print_table(title, [(say(k, lang), n) for k, n in columns], rows)
    if len(earned) > most:
        click.echo(f"... +{len(earned) - most}")
    causes = [
        [say(f"cause-{cause}", lang), show(Decimal(amount))]
        for cause, amount in _by_cause(found).items()
    ]
    print_table(
        say("paid-by-cause", lang),
        [(say("cause", lang), False), (say("difference", lang), True)],
        [*causes, [say("total", lang), show(Decimal(_sum(found, "paid")))]],
    )
