"""fenrun terms"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import click

from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import (
    WORKSPACE,
    DayType,
    as_json,
    exit_code,
    known_option,
    language,
    now,
    print_json,
    print_problems,
    print_table,
    problems_as_json,
)
from fenrun.cli.rows_shown import in_minor_units, print_diverted, print_rows
from fenrun.pricing.agreements import agreements_of
from fenrun.pricing.coupons import coupons_of
from fenrun.pricing.written import agreements_as_json, coupons_as_json
from fenrun.settle.terms_in_force import terms_in_force
from fenrun.store.facts import Store
from fenrun.terms.read import COLUMNS
from fenrun.terms.written import terms_as_json


@click.group(name="terms", cls=Group)
def command() -> None:
    """Show the terms: agreements, floors, approvals, coupons and list prices."""


@command.command(name="show")
@click.argument("workspace", type=WORKSPACE)
@click.option("--on", type=DayType(), help="The day on which they hold; else today.")
@click.option("--about", default="", help="Only what names this id, party or sku.")
@known_option
@as_json
def show_(
    workspace: Store, on: date | None, about: str, known: datetime | None, json_: bool
) -> None:
    """List the terms of WORKSPACE that hold on a day, with who brought them.

    To end a row, import it again with its `to`.
    """
    day = on or now().date()
    found = terms_in_force(workspace, day, known, about)
    if json_:
        print_json(terms_as_json(found, day))
        return
    for table, rows in found.items():
        title = say(f"in-force-{table}", language(), day=day, count=len(rows))
        print_rows(title, rows, [*COLUMNS[table]])


@command.command(name="coupons")
@click.argument("workspace", type=WORKSPACE)
@click.option("--on", type=DayType(), help="At the end of this day; else today.")
@known_option
@as_json
def coupons_(workspace: Store, on: date | None, known: datetime | None, json_: bool) -> None:
    """Show what is spent of each coupon, what is left, and what is diverted, by whom.

    A coupon is diverted where another customer spends it, or not on what it covers, not in its
    days, not in its currency, or beyond its amount.
    """
    found = coupons_of(workspace, on or now().date(), known)
    if json_:
        print_json(coupons_as_json(found) | problems_as_json(found.problems))
        exit_code(found.problems)
        return
    lang = language()
    texts = ("coupon", "customer")
    numbers = ("granted", "spent", "diverted", "reissued", "left", "expired")
    columns = [(say(f"terms-{key}", lang), key in numbers) for key in (*texts, *numbers)]
    rows = [
        [one.coupon, one.customer, *(_amount(getattr(one, n), one.currency) for n in numbers)]
        for one in found.balances
    ]
    print_table(say("terms-coupons", lang, count=len(rows), day=found.on), columns, rows)
    print_diverted(found.diverted)
    print_problems(found.problems)
    exit_code(found.problems)


@command.command(name="agreements")
@click.argument("workspace", type=WORKSPACE)
@click.option("--on", type=DayType(), help="At the end of this day; else today.")
@known_option
@as_json
def agreements_(workspace: Store, on: date | None, known: datetime | None, json_: bool) -> None:
    """Show what is drawn of each agreement, what is owed, and what is recognised.

    Of a commit the shortfall is owed by its customer once its days are over; before, it is
    expected by a forecast that goes on as so far. A prepay is recognised day by day.
    """
    found = agreements_of(workspace, on or now().date(), known)
    if json_:
        print_json(agreements_as_json(found) | problems_as_json(found.problems))
    else:
        lang = language()
        texts = ("agreement", "kind", "customer", "end")
        numbers = ("amount", "drawn", "missing", "forecast", "owed", "expected", "recognised")
        columns = [(say(f"terms-{key}", lang), key in numbers) for key in (*texts, *numbers)]
        rows = [
            [
                *(one.agreement, one.kind, one.customer, str(one.valid_to)),
                *(_amount(getattr(one, name), one.currency) for name in numbers),
            ]
            for one in found.rows
        ]
        print_table(say("terms-agreements", lang, count=len(rows), day=found.on), columns, rows)
        print_problems(found.problems)
    exit_code(found.problems)


def _amount(value: Decimal, currency: str) -> str:
    return f"{in_minor_units(value, currency)} {currency}"
