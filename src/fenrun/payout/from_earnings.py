"""From earnings to payments: fills the fixed SQL of steps.sql with the types that hold the amounts."""

from __future__ import annotations

from collections.abc import Sequence

from fenrun.base.money import decimals
from fenrun.base.when import Period
from fenrun.engine.dialect import as_integer, rounded_quotient
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps
from fenrun.plan.rows import Plan

STEPS = read_steps("fenrun.payout")


def fragments(engine: Engine, plans: Sequence[Plan], period: Period) -> dict[str, str]:
    """What fills steps.sql for payments of the months of `period`."""
    given = [v for p in plans for y in p.pay for v in (y.draw, y.minimum) if v is not None] + [
        f.floor for p in plans for f in p.forms if f.floor is not None
    ]
    money = max(
        [2, *(decimals(v) for v in given), *(decimals(p.terms[0].round_step) for p in plans)]
    )
    names = {y.tax_figure for p in plans for y in p.pay if y.tax_figure}
    figures = [
        r["amount"]
        for r in engine.query(
            "SELECT DISTINCT figure, amount FROM figures WHERE currency = ''"
        ).to_pylist()
        if r["figure"] in names
    ]
    tax = max(
        [
            0,
            *(decimals(v) for p in plans for y in p.pay for v in (y.tax_included, y.tax_added)),
            *(decimals(v) for v in figures),
        ]
    )
    scale = money + tax
    return {
        "money": f"DECIMAL(38, {money})",
        "tax": f"DECIMAL(38, {tax})",
        "paid_from": str(period.span.start),
        "paid_to": str(period.span.end),
        "tax_top": as_integer(
            f"CAST(t.amount * (1 + t.tax_added) * t.round_per AS DECIMAL(38, {scale}))", scale
        ),
        "tax_bottom": as_integer(f"CAST(1 + t.tax_included AS DECIMAL(38, {scale}))", scale),
        "tax_rounded": rounded_quotient("top", "bottom", "round_mode"),
    }
