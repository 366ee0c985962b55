"""Revenue beside pay: gross, net of what is earned on it, and recognised over its time.

What is billed counts for crediting at once (the crediting basis); three years prepaid are revenue
day by day (ratable). Cents are cut so that the days up to any day sum to the rounded share of the
whole: nothing is lost over the whole time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from fenrun.statement.run import Run

_LONG = """
SELECT BillingCurrency AS currency, CAST(ChargePeriodStart AS DATE) AS first_day,
       CAST(ChargePeriodEnd AS DATE) AS after_day, sum(BilledCost) AS amount
FROM charges
WHERE BillingPeriodStart < ?
  AND ChargePeriodEnd > date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY)
    + INTERVAL 1 MONTH + INTERVAL 1 DAY
GROUP BY ALL ORDER BY ALL"""
_BILLED = """
SELECT BillingCurrency AS currency, sum(BilledCost) AS amount
FROM charges
WHERE BillingPeriodStart + INTERVAL 1 DAY >= ? AND BillingPeriodStart + INTERVAL 1 DAY < ?
GROUP BY ALL"""
_BILLED_LONG = """
SELECT BillingCurrency AS currency, sum(BilledCost) AS amount
FROM charges
WHERE BillingPeriodStart + INTERVAL 1 DAY >= ? AND BillingPeriodStart + INTERVAL 1 DAY < ?
  AND ChargePeriodEnd > date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY)
    + INTERVAL 1 MONTH + INTERVAL 1 DAY
GROUP BY ALL"""
_EARNED = "SELECT currency, sum(earned) AS amount FROM statement_lines GROUP BY currency"
_CENT = Decimal("0.01")
_NOTHING = Decimal(0)
_WIDE = Context(prec=76)


@dataclass(frozen=True)
class Revenue:
    """Revenue of a period in a currency."""

    currency: str
    gross: Decimal
    """Billed in the period (BilledCost)."""
    earned: Decimal
    """What payees earn with the period's statements."""
    net: Decimal
    """gross - earned."""
    recognised: Decimal
    """The amount that the period's days are for.

    Billed for no longer than a month, and the days' share of what is billed for longer.
    """
    deferred: Decimal
    """Billed by the end of the period for days after it."""


def revenue(run: Run) -> list[Revenue]:
    """Gross, net and recognised revenue of a run's period, by currency."""
    engine, span = run.engine, run.period.span
    run.charges.load(engine, "charges")
    long: list[dict[str, Any]] = []
    if "ChargePeriodEnd" in engine.columns("charges"):
        long = engine.rows(_LONG, [span.end])
    gross = _by_currency(run, _BILLED, span.start, span.end)
    earned = _by_currency(run, _EARNED)
    billed_long = _by_currency(run, _BILLED_LONG, span.start, span.end) if long else {}
    found = []
    for currency in sorted({*gross, *earned, *(row["currency"] for row in long)}):
        mine = [row for row in long if row["currency"] == currency]
        whole = sum((row["amount"] for row in mine), _NOTHING)
        by_start = sum((_share(row, span.start) for row in mine), _NOTHING)
        by_end = sum((_share(row, span.end) for row in mine), _NOTHING)
        billed, pay = gross.get(currency, _NOTHING), earned.get(currency, _NOTHING)
        short = billed - billed_long.get(currency, _NOTHING)
        recognised = short + by_end - by_start
        found.append(Revenue(currency, billed, pay, billed - pay, recognised, whole - by_end))
    return found


def _by_currency(run: Run, sql: str, *values: date) -> dict[str, Decimal]:
    rows = run.engine.rows(sql, values)
    return {row["currency"]: row["amount"] for row in rows}


def _share(row: dict[str, Any], day: date) -> Decimal:
    """The part of what is billed for longer than a month that is for days before a day."""
    return _until(row["amount"], row["first_day"], row["after_day"], day)


def _until(amount: Decimal, first: date, after: date, day: date) -> Decimal:
    """The part of an amount that is for the days before one."""
    done, days = min(max((day - first).days, 0), (after - first).days), (after - first).days
    return (
        amount
        if done == days
        else _WIDE.divide(_WIDE.multiply(amount, Decimal(done)), Decimal(days)).quantize(
            _CENT, ROUND_HALF_UP, _WIDE
        )
    )
