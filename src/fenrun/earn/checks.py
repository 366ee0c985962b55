"""Invariants of earnings, and problems found in them."""

from __future__ import annotations

from collections.abc import Sequence

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem
from fenrun.engine.port import Engine
from fenrun.plan.rows import Plan

_TWICE = """
SELECT count(*) AS n FROM (
  SELECT 1 FROM component_earnings
  GROUP BY plan_id, component, payee, unit, period HAVING count(*) > 1) AS twice"""
_MEASURED = """
SELECT count(*) AS n FROM (
  SELECT k.plan_id, k.rule_id, sum(c.amount) AS credited FROM credits AS c
  JOIN plan_measures AS k ON k.crediting = c.plan_id AND k.role = c.role AND k.basis = c.basis
    AND k.measure_rule = '' AND k.group_id = '' AND k.pays_on <> 'earned'
  GROUP BY k.plan_id, k.rule_id) AS a
LEFT JOIN (SELECT plan_id, component, sum(amount) AS measured FROM qualifying_amounts
           GROUP BY plan_id, component) AS b ON b.plan_id = a.plan_id AND b.component = a.rule_id
WHERE a.credited IS DISTINCT FROM b.measured"""
_OVER_CAP = """
SELECT count(*) AS n FROM component_earnings AS e
JOIN plan_terms AS z ON z.plan_id = e.plan_id WHERE e.earned >= e.cap + z.round_step"""
_GROUPS = """
SELECT count(*) AS n FROM (
  SELECT k.plan_id, k.group_id, e.payee, p.period, any_value(g.cap) AS cap, sum(e.earned) AS earned
  FROM earnings AS e
  JOIN plan_components AS k ON k.plan_id = e.plan_id AND k.rule_id = e.component AND e.step_no < 6
  JOIN plan_groups AS g ON g.plan_id = k.plan_id AND g.rule_id = k.group_id AND g.cap IS NOT NULL
  JOIN periods AS p ON p.calendar = g.calendar AND p.period_from <= e.period_from
    AND e.period_to <= p.period_to
  GROUP BY k.plan_id, k.group_id, e.payee, p.period) AS sums
LEFT JOIN (SELECT e.plan_id, e.component, e.payee, p.period, sum(e.earned) AS taken
           FROM earnings AS e
           JOIN plan_groups AS g ON g.plan_id = e.plan_id AND g.rule_id = e.component
           JOIN periods AS p ON p.calendar = g.calendar AND p.period_from <= e.period_from
             AND e.period_to <= p.period_to
           GROUP BY e.plan_id, e.component, e.payee, p.period) AS t
  ON t.plan_id = sums.plan_id AND t.component = sums.group_id AND t.payee = sums.payee
  AND t.period = sums.period
WHERE sums.earned + coalesce(t.taken, 0) > sums.cap"""
_CLASHES = """
SELECT plan_id, component, min(excluded_by) AS rule, payee, sum(amount) AS amount
FROM qualifying_amounts AS c
WHERE EXISTS (SELECT 1 FROM plan_groups AS g
              WHERE g.plan_id = c.plan_id AND g.rule_id = c.excluded_by)
GROUP BY plan_id, component, payee HAVING sum(amount) <> 0 ORDER BY plan_id, component, payee"""


def broken(engine: Engine, plans: Sequence[Plan]) -> list[str]:
    """Each earning stands once, what is measured sums to what is credited, and no cap is passed."""
    checks = (
        (_TWICE, "an earning stands twice"),
        (_MEASURED, "what is measured does not sum to what is credited"),
        (_OVER_CAP, "an earning is over its cap"),
        (_GROUPS, "a group is over its ceiling"),
    )
    return [said for sql, said in checks if engine.query(sql).to_pylist()[0]["n"]]


def find(engine: Engine, plans: Sequence[Plan]) -> list[Problem]:
    """Credits that two components of an exclusive group claim: counted for neither."""
    found = []
    for row in engine.query(_CLASHES).to_pylist():
        values = {
            "component": row["component"],
            "group": row["rule"],
            "payee": row["payee"],
            "amount": plain(row["amount"]),
        }
        found.append(Problem("claimed-twice", Place(row["plan_id"], 0, row["component"]), values))
    return found
