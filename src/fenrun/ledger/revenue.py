"""Revenue beside pay: gross and net of what is earned on it, and recognised over the time that it is for.

What is billed counts for crediting at once (the crediting basis); three years prepaid are revenue day by day (ratable). Cents are cut so
that the days up to any day sum to the rounded share of the whole: nothing is lost over the whole time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

from fenrun.statement.run import Run

_LONG = """
SELECT BillingCurrency AS currency, CAST(ChargePeriodStart AS DATE) AS first_day, CAST(ChargePeriodEnd AS DATE) AS after_day, sum(BilledCost) AS amount
FROM charges
WHERE ChargePeriodEnd > date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) + INTERVAL 1 MONTH + INTERVAL 1 DAY AND BillingPeriodStart < ?
GROUP BY ALL ORDER BY ALL"""
_BILLED = "SELECT BillingCurrency AS currency, sum(BilledCost) AS amount FROM charges WHERE BillingPeriodStart + INTERVAL 1 DAY >= ? AND BillingPeriodStart + INTERVAL 1 DAY < ? GROUP BY ALL"
_BILLED_LONG = _BILLED.replace(
    "GROUP BY",
    "AND ChargePeriodEnd > date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) + INTERVAL 1 MONTH + INTERVAL 1 DAY GROUP BY",
)
_EARNED = "SELECT currency, sum(earned) AS amount FROM statement_lines GROUP BY currency"
_CENT, _WIDE = Decimal("0.01"), Context(prec=76)


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
    """What the period's days are for: billed for no longer than a month, and the days' share of what is billed for longer."""
    deferred: Decimal
    """Billed by the end of the period for days after it."""


def revenue(run: Run) -> list[Revenue]:
    """Gross, net and recognised revenue of a run's period, by currency."""
    engine, span = run.engine, run.period.span

    def sums(sql: str, *values: date) -> dict[str, Decimal]:
        return {r["currency"]: r["amount"] for r in engine.query(sql, values).to_pylist()}

    long = (
        engine.query(_LONG, [span.end]).to_pylist()
        if "ChargePeriodEnd" in engine.columns("charges")
        else []
    )
    gross, earned = sums(_BILLED, span.start, span.end), sums(_EARNED)
    billed_long = sums(_BILLED_LONG, span.start, span.end) if long else {}
    found = []
    for currency in sorted(set(gross) | set(earned) | {r["currency"] for r in long}):
        mine = [r for r in long if r["currency"] == currency]
        slices = sum(
            (
                _until(r["amount"], r["first_day"], r["after_day"], span.end)
                - _until(r["amount"], r["first_day"], r["after_day"], span.start)
                for r in mine
            ),
            Decimal(0),
        )
        later = sum(
            (
                r["amount"] - _until(r["amount"], r["first_day"], r["after_day"], span.end)
                for r in mine
            ),
            Decimal(0),
        )
        all_billed, pay = gross.get(currency, Decimal(0)), earned.get(currency, Decimal(0))
        found.append(
            Revenue(
                currency,
                all_billed,
                pay,
                all_billed - pay,
                all_billed - billed_long.get(currency, Decimal(0)) + slices,
                later,
            )
        )
    return found


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
