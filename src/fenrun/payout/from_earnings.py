"""The payout stage: fills the fixed SQL of steps.sql with the types that hold the amounts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from fenrun.base.money import decimals
from fenrun.base.when import Period
from fenrun.engine.dialect import as_integer, rounded_quotient
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps
from fenrun.plan.rows import Plan

STEPS = read_steps("fenrun.payout")
_CENTS = 2


def fragments(engine: Engine, plans: Sequence[Plan], period: Period) -> dict[str, str]:
    """Return what fills steps.sql for payments of the months of `period`."""
    money = max([_CENTS, *map(decimals, _amounts(plans))])
    tax = max([0, *map(decimals, _tax_rates(engine, plans))])
    scale = money + tax
    taxed = f"CAST(t.amount * (1 + t.tax_added) * t.round_per AS DECIMAL(38, {scale}))"
    divisor = f"CAST(1 + t.tax_included AS DECIMAL(38, {scale}))"
    return {
        "money": f"DECIMAL(38, {money})",
        "tax": f"DECIMAL(38, {tax})",
        "paid_from": str(period.span.start),
        "paid_to": str(period.span.end),
        "tax_top": as_integer(taxed, scale),
        "tax_bottom": as_integer(divisor, scale),
        "tax_rounded": rounded_quotient("top", "bottom", "round_mode"),
    }


def _amounts(plans: Sequence[Plan]) -> list[Decimal]:
    """Return every amount of the plans that a payout can be computed from."""
    found: list[Decimal | None] = [plan.terms[0].round_step for plan in plans]
    found += [amount for plan in plans for pay in plan.pay for amount in (pay.draw, pay.minimum)]
    found += [form.floor for plan in plans for form in plan.forms]
    return [amount for amount in found if amount is not None]


def _tax_rates(engine: Engine, plans: Sequence[Plan]) -> list[Decimal]:
    """Return the tax rates of the plans, and those that the book gives as figures of payees."""
    pays = [pay for plan in plans for pay in plan.pay]
    rates = [rate for pay in pays for rate in (pay.tax_included, pay.tax_added)]
    names = {pay.tax_figure for pay in pays if pay.tax_figure}
    figures = engine.query("SELECT DISTINCT figure, amount FROM figures WHERE currency = ''")
    return rates + [row["amount"] for row in figures.to_pylist() if row["figure"] in names]
