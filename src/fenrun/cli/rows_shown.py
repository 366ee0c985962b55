"""Rows of facts as a command prints them: under the columns of files, with place and who."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import click

from fenrun.base.money import minor_units, show
from fenrun.base.words import say
from fenrun.cli.output import language, print_table
from fenrun.pricing.coupons import Spent
from fenrun.pricing.lines import rounded
from fenrun.tables.written import as_written

_MOST_SHOWN = 200


def in_minor_units(value: Decimal, currency: str) -> str:
    """Return an amount as text, rounded half up to the minor units of its currency."""
    places = minor_units(currency)
    return show(rounded(value, places), places)


def print_diverted(diverted: Sequence[Spent]) -> None:
    """Print what is spent of coupons otherwise than they were granted."""
    lang = language()
    keys = ("coupon", "customer", "amount", "why")
    columns = [(say(f"terms-{key}", lang), False) for key in keys]
    rows = [
        [
            one.coupon,
            one.customer,
            f"{in_minor_units(one.amount, one.currency)} {one.currency}",
            say(f"diverted-{one.reason}", lang),
            one.rows[0] + (f" +{one.charges - 1}" if one.charges > 1 else ""),
        ]
        for one in diverted
    ]
    click.echo()
    title = say("terms-diverted-in-all", lang, count=len(rows))
    print_table(title, [*columns, (say("place", lang), False)], rows)


def print_rows(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as a table; columns that are empty in all of them are left out."""
    lang, written = language(), [as_written(row, columns) for row in rows]
    if rows and "state" in rows[0]:
        columns = [*columns, "state"]
        written = [texts | {"state": row["state"]} for texts, row in zip(written, rows)]
    filled = [name for name in columns if any(texts[name] for texts in written)]
    shown = [
        [
            *(texts[name] for name in filled),
            f"{row['file']}:{row['row_no']}",
            f"{row['brought']['by']}, {row['brought']['at']}",
        ]
        for texts, row in zip(written[:_MOST_SHOWN], rows)
    ]
    keys = [say(key, lang) for key in ("place", "brought-by")]
    print_table(title, [(name, False) for name in (*filled, *keys)], shown)
    if len(rows) > _MOST_SHOWN:
        click.echo(f"... +{len(rows) - _MOST_SHOWN}")
    click.echo()
