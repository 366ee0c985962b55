"""fenrun breaches"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import click

from fenrun.base.money import plain, show_rate
from fenrun.base.when import Period
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
    problems_as_json,
)
from fenrun.cli.rows_shown import in_minor_units, print_diverted
from fenrun.pricing.breaches import Sale, StepTime, breaches_of
from fenrun.pricing.lines import ratio
from fenrun.pricing.written import breaches_as_json
from fenrun.store.facts import Store


@click.command(name="breaches")
@click.argument("workspace", type=WORKSPACE)
@period_option
@known_option
@as_json
def command(workspace: Store, period: Period, known: datetime | None, json_: bool) -> None:
    """Show sales below a floor, what approvals cover of them, and coupons diverted.

    With who sold, the fine, who approved, and how long each step of an approval took. A charge is
    covered by an approval of its customer, partner, days and columns that is granted, not sold for
    less than it grants, within its amount.
    """
    found = breaches_of(workspace, period, known)
    if json_:
        print_json(breaches_as_json(found) | problems_as_json(found.problems))
    else:
        _print_sales("breaches-found", found.breaches, period)
        _print_sales("breaches-covered", found.covered, period)
        if found.diverted:
            print_diverted(found.diverted)
        _print_steps(found.steps)
        print_problems(found.problems)
    exit_code(found.problems)


def _print_sales(key: str, sales: Sequence[Sale], period: Period) -> None:
    lang = language()
    is_covered = key == "breaches-covered"
    keys = ("breach-floor", "customer", "breach-sold-by")
    columns = [(say(name, lang), False) for name in keys]
    columns += [(say(name, lang), True) for name in ("price-billed", "price-list", "price-of-list")]
    last = (
        ("breach-approval", "breach-approved-by") if is_covered else ("breach-fine", "breach-why")
    )
    columns += [(say(name, lang), False) for name in (*last, "place")]
    rows = [
        [
            f"{sale.floor} ({sale.least})",
            sale.customer,
            ", ".join(sale.sold_by),
            _amount(sale.billed, sale.currency),
            _amount(sale.listed, sale.currency),
            _rate(ratio(sale.billed, sale.listed, 4)),
            *((sale.approval, ", ".join(sale.approved_by)) if is_covered else _breach(sale, lang)),
            _rows(sale),
        ]
        for sale in sales
    ]
    print_table(say(key, lang, count=len(sales), period=period.key), columns, rows)
    click.echo()


def _breach(sale: Sale, lang: str) -> tuple[str, str]:
    """Return the fine of a breach, and why the approvals that are of it do not cover it."""
    fine = "" if sale.fine is None else _amount(sale.fine, sale.fine_currency)
    reasons = [f"{name}: {say(f'uncovered-{why}', lang)}" for name, why in sale.nearest]
    return fine, say("list-comma", lang).join(reasons) or say("uncovered-none", lang)


def _rows(sale: Sale) -> str:
    more = sale.charges - 1
    return sale.rows[0] + (f" +{more}" if more else "")


def _amount(value: Decimal, currency: str) -> str:
    return f"{in_minor_units(value, currency)} {currency}"


def _rate(value: Decimal | None) -> str:
    return "" if value is None else show_rate(value)


def _print_steps(steps: Sequence[StepTime]) -> None:
    lang = language()
    if not steps:
        return
    keys = ("breach-approval", "breach-step", "breach-asked-by", "breach-decided-by")
    columns = [(say(name, lang), False) for name in (*keys, "breach-outcome")]
    rows = [
        [
            step.approval,
            str(step.step),
            step.asked_by,
            step.decided_by,
            say(f"outcome-{step.outcome or 'open'}", lang),
            plain(step.days),
        ]
        for step in steps
    ]
    days = (say("breach-days", lang), True)
    print_table(say("breaches-steps", lang, count=len(steps)), [*columns, days], rows)
