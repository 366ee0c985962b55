"""Checks that must hold of payouts."""

from __future__ import annotations

from fenrun.engine.runner import Runner
from fenrun.payout.paying import Paying

_UNBALANCED_PAYOUTS = """
SELECT count(*)
FROM payouts
WHERE brought - expired + due + drawn - recovered - paid <> carried"""
_LOST_INSTALMENTS = """
SELECT count(*)
FROM (
  SELECT plan, payee, component, period, unit, step_no, sum(amount) AS amount
  FROM payables
  GROUP BY plan, payee, component, period, unit, step_no) AS a
JOIN earnings AS e
  ON e.plan = a.plan AND e.payee = a.payee AND e.component = a.component
 AND e.period = a.period AND e.unit = a.unit AND e.step_no = a.step_no
WHERE a.amount <> e.earned"""
_LOST_FORMS = """
SELECT count(*)
FROM (SELECT plan, payee, month, sum(paid) AS paid FROM payouts GROUP BY plan, payee, month) AS o
LEFT JOIN (
  SELECT plan, payee, month, sum(amount) AS amount
  FROM payments
  GROUP BY plan, payee, month) AS f
  ON f.plan = o.plan AND f.payee = o.payee AND f.month = o.month
WHERE o.paid <> coalesce(f.amount, 0)"""
_CHECKS = (
    (_UNBALANCED_PAYOUTS, "a payout does not add up"),
    (_LOST_INSTALMENTS, "instalments do not sum to an earning"),
    (_LOST_FORMS, "forms do not sum to a payout"),
)


def broken(runner: Runner, paying: Paying) -> list[str]:
    """Return what is broken: nothing is lost between what is due, paid and carried.

    Instalments sum to the earning, forms to the payout.
    """
    if not any(plan.pay for plan in paying.plans):
        return []
    return [said for sql, said in _CHECKS if runner.rows(sql)[0][0]]
