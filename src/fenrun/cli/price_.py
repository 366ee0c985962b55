"""fenrun price"""

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
from fenrun.cli.rows_shown import in_minor_units
from fenrun.pricing.deals import Dispersion
from fenrun.pricing.lines import Lines, PriceLine, prices_of
from fenrun.pricing.written import chosen, prices_as_json
from fenrun.store.facts import Store

_AMOUNTS = ("list", "contracted", "billed", "coupon", "effective", "passed_on", "net")
_MOST_SHOWN = 200


@click.command(name="price")
@click.argument("workspace", type=WORKSPACE)
@period_option
@click.option("--customer", default="", help="Only what this customer pays.")
@click.option("--sku", default="", help="Only what is paid for this SkuPriceId or SkuId.")
@known_option
@as_json
def command(
    workspace: Store, period: Period, customer: str, sku: str, known: datetime | None, json_: bool
) -> None:
    """Show what each customer pays, from the list price down to what is left after rebates.

    By product and month: list, contracted, billed, coupon, effective, passed on (figure
    `passed-on` of the customer), net. Then what customers pay for the same sku, the widest apart
    first, with the deals that are nearest in quantity.
    """
    found = prices_of(workspace, period, known)
    if json_:
        said = prices_as_json(found, customer, sku)
        print_json(said | problems_as_json(found.problems))
    else:
        lines, deals = chosen(found, customer, sku)
        _print_lines(lines, period)
        _print_deals(deals)
        print_problems(found.problems)
    exit_code(found.problems)


def _print_lines(lines: Lines, period: Period) -> None:
    lang = language()
    has_margin = any(line.cost for line in lines)
    texts = [(say(key, lang), False) for key in ("customer", "product", "billing-month")]
    numbers = [*_AMOUNTS, "of_list", "per_unit", *(["margin"] if has_margin else [])]
    columns = [*texts, (say("currency", lang), False)]
    columns += [(say(f"price-{key.replace('_', '-')}", lang), True) for key in numbers]
    rows = [[*_texts(line), *_numbers(line, numbers)] for line in lines[:_MOST_SHOWN]]
    print_table(say("price-lines", lang, period=period.key, count=len(lines)), columns, rows)
    if len(lines) > _MOST_SHOWN:
        click.echo(f"... +{len(lines) - _MOST_SHOWN}")


def _texts(line: PriceLine) -> list[str]:
    return [line.customer, line.product, f"{line.month:%Y-%m}", line.currency]


def _numbers(line: PriceLine, names: list[str]) -> list[str]:
    return [_number(line, name) for name in names]


def _number(line: PriceLine, name: str) -> str:
    value: Decimal | None = getattr(line, name)
    if value is None:
        return ""
    if name == "of_list":
        return show_rate(value)
    if name == "per_unit":
        unit = f" / {line.unit}" if line.unit else ""
        return f"{plain(value, 0)}{unit}"
    return in_minor_units(value, line.currency)


def _print_deals(deals: Sequence[Dispersion]) -> None:
    """Print what customers pay for the same sku, one row a deal."""
    lang = language()
    if not deals:
        return
    keys = ("sku", "customer", "currency")
    columns = [(say(key, lang), False) for key in keys]
    columns += [(say(f"price-{key}", lang), True) for key in ("quantity", "net")]
    columns += [(say(f"price-{key}", lang), True) for key in ("per-unit", "of-list")]
    columns += [(say("price-nearest", lang), False)]
    rows = [
        [
            one.sku,
            deal.line.customer,
            one.currency,
            f"{plain(deal.line.quantity, 0)} {one.unit}".strip(),
            *_numbers(deal.line, ["net", "per_unit", "of_list"]),
            ", ".join(deal.nearest),
        ]
        for one in deals
        for deal in one.deals
    ]
    click.echo()
    print_table(say("price-deals", lang, count=len(deals)), columns, rows[:_MOST_SHOWN])
    if len(rows) > _MOST_SHOWN:
        click.echo(f"... +{len(rows) - _MOST_SHOWN}")
