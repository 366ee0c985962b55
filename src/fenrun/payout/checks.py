"""Checks that must hold of payouts."""

from __future__ import annotations

from collections.abc import Sequence

from fenrun.engine.port import Engine
from fenrun.plan.rows import Plan

_UNBALANCED_PAYOUTS = """
SELECT count(*) AS n
FROM payouts
WHERE brought - expired + due + drawn - recovered - paid <> carried"""
_LOST_INSTALMENTS = """
SELECT count(*) AS n
FROM (
  SELECT plan_id, payee, component, period, unit, step_no, sum(amount) AS amount
  FROM payables
  GROUP BY ALL) AS a
JOIN earnings AS e
  ON e.plan_id = a.plan_id AND e.payee = a.payee AND e.component = a.component
 AND e.period = a.period AND e.unit = a.unit AND e.step_no = a.step_no
WHERE a.amount <> e.earned"""
_LOST_FORMS = """
SELECT count(*) AS n
FROM (SELECT plan_id, payee, month, sum(paid) AS paid FROM payouts GROUP BY ALL) AS o
LEFT JOIN (SELECT plan_id, payee, month, sum(amount) AS amount FROM payments GROUP BY ALL) AS f
  ON f.plan_id = o.plan_id AND f.payee = o.payee AND f.month = o.month
WHERE o.paid <> coalesce(f.amount, 0)"""
_CHECKS = (
    (_UNBALANCED_PAYOUTS, "a payout does not add up"),
    (_LOST_INSTALMENTS, "instalments do not sum to an earning"),
    (_LOST_FORMS, "forms do not sum to a payout"),
)


def broken(engine: Engine, plans: Sequence[Plan]) -> list[str]:
    """Return what is broken: nothing is lost between what is due, paid and carried.

    Instalments sum to the earning, forms to the payout.
    """
    return [said for sql, said in _CHECKS if engine.query(sql).to_pylist()[0]["n"]]
