"""Invariants of earnings, and problems found in them."""

from __future__ import annotations

from decimal import Decimal

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem
from fenrun.credit.crediting import Crediting
from fenrun.earn.earning import Earning
from fenrun.engine.codes import unscaled
from fenrun.engine.runner import Runner

_TWICE = """
SELECT count(*) FROM (
  SELECT 1 FROM component_earnings
  GROUP BY plan, component, payee, unit, period HAVING count(*) > 1) AS twice"""
_MEASURED = """
SELECT (SELECT coalesce(sum({amount}), 0) * {lift} FROM credits
        WHERE plan = {crediting} AND role = {role})
    <> (SELECT coalesce(sum(amount), 0) FROM performance_measures
        WHERE plan = {plan} AND component = {component})"""
_OVER_CAP = """
SELECT count(*)
FROM component_earnings AS e
JOIN terms AS z ON z.plan = e.plan
WHERE compared(times(e.earned - z.round_step, {money_to_limit}),
               times(e.cap, {limit_to_money})) >= 0"""
_GROUPS = """
SELECT count(*) FROM (
  SELECT k.plan, k.group_id, e.payee, p.period, max(g.cap) AS cap, sum(e.earned) AS earned
  FROM earnings AS e
  JOIN components AS k ON k.plan = e.plan AND k.component = e.component AND e.step_no < 6
  JOIN groups_of AS g ON g.plan = k.plan AND g.group_id = k.group_id AND g.cap IS NOT NULL
  JOIN periods AS p
    ON p.calendar = g.calendar AND p.period_from <= e.period_from AND e.period_to <= p.period_to
  GROUP BY k.plan, k.group_id, e.payee, p.period) AS sums
LEFT JOIN (
  SELECT e.plan, e.component, e.payee, p.period, sum(e.earned) AS taken
  FROM earnings AS e
  JOIN groups_of AS g ON g.plan = e.plan AND g.group_id = e.component
  JOIN periods AS p
    ON p.calendar = g.calendar AND p.period_from <= e.period_from AND e.period_to <= p.period_to
  GROUP BY e.plan, e.component, e.payee, p.period) AS t
  ON t.plan = sums.plan AND t.component = sums.group_id AND t.payee = sums.payee
 AND t.period = sums.period
WHERE compared(times(sums.earned + coalesce(t.taken, 0), {money_to_limit}),
               times(sums.cap, {limit_to_money})) > 0"""
_BELOW_BANDS = """
SELECT plan, component, min(payee), count(*), sum(amount)
FROM earnings
WHERE reason = 'no-band' AND amount < 0 AND earned = 0
GROUP BY plan, component
ORDER BY plan, component"""
_CLASHES = """
SELECT c.plan, c.component, min(c.excluded_by), c.payee, sum(c.amount)
FROM qualifying_amounts AS c
WHERE EXISTS (SELECT 1 FROM groups_of AS g
              WHERE g.plan = c.plan AND g.group_id = c.excluded_by)
GROUP BY c.plan, c.component, c.payee
HAVING sum(c.amount) <> 0"""


def broken(runner: Runner, earning: Earning) -> list[str]:
    """Return what is broken of: an earning stands once, caps are kept."""
    scales = earning.scales
    filled = {
        "money_to_limit": 10 ** max(0, scales.limit - scales.money),
        "limit_to_money": 10 ** max(0, scales.money - scales.limit),
    }
    checks = (
        (_TWICE, "an earning stands twice"),
        (_OVER_CAP, "an earning is over its cap"),
        (_GROUPS, "a group is over its ceiling"),
    )
    return [said for sql, said in checks if runner.rows(sql.format(**filled))[0][0]]


def broken_measures(runner: Runner, crediting: Crediting) -> list[str]:
    """Return what is broken of: a component without a condition measures all its role's credits."""
    code = crediting.codes.of
    asked = [
        _MEASURED.format(
            amount=f"a{crediting.bases.index(component.basis)}",
            lift=10**crediting.to_measure,
            crediting=code(crediting.crediting[plan.id]),
            role=code(component.role),
            plan=code(plan.id),
            component=code(component.rule_id),
        )
        for plan in crediting.plans
        for component in plan.components
        if (plan.id, component.rule_id) in crediting.measured
        and not (component.measure_rule or component.group_id or component.pays_on == "earned")
    ]
    is_broken = any(runner.rows(sql)[0][0] for sql in asked)
    return ["what is measured does not sum to what is credited"] if is_broken else []


def _below_bands(runner: Runner, earning: Earning) -> list[Problem]:
    """Return the components whose bands say nothing of a negative amount."""
    found, text = [], earning.codes.text
    for plan, component, payee, count, amount in runner.rows(_BELOW_BANDS):
        values = {
            "component": text(component),
            "payee": text(payee),
            "count": count,
            "amount": plain(unscaled(int(amount), earning.scales.measure) or Decimal(0)),
        }
        place = Place(str(text(plan)), 0, str(text(component)))
        found.append(Problem("below-bands", place, values))
    return found


def find(runner: Runner, earning: Earning) -> list[Problem]:
    """Return the problems of earnings.

    Credits that two components of an exclusive group claim count for neither; what falls below all
    bands is not taken back.
    """
    found, text = _below_bands(runner, earning), earning.codes.text
    for plan, component, group, payee, amount in runner.rows(_CLASHES):
        measured = unscaled(int(amount), earning.scales.measure)
        values = {
            "component": text(component),
            "group": text(group),
            "payee": text(payee),
            "amount": "" if measured is None else plain(measured),
        }
        place = Place(str(text(plan)), 0, str(text(component)))
        found.append(Problem("claimed-twice", place, values))
    return found
