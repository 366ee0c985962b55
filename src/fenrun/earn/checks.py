"""What must be true of earnings."""

from __future__ import annotations

from fenrun.engine.port import Engine

_TWICE = "SELECT count(*) AS n FROM (SELECT 1 FROM earnings GROUP BY plan_id, component, payee, period HAVING count(*) > 1) AS twice"
_MEASURED = """
SELECT count(*) AS n FROM (
  SELECT c.plan_id, k.rule_id, sum(c.amount) AS credited FROM credits AS c JOIN plan_components AS k ON k.plan_id = c.plan_id AND k.role = c.role GROUP BY c.plan_id, k.rule_id) AS a
FULL JOIN (SELECT plan_id, component, sum(amount) AS measured FROM counted GROUP BY plan_id, component) AS b ON b.plan_id = a.plan_id AND b.component = a.rule_id
WHERE a.credited IS DISTINCT FROM b.measured"""
_OVER_CAP = "SELECT count(*) AS n FROM earnings WHERE earned > cap"


def broken(engine: Engine) -> list[str]:
    """Each earning stands once, what is measured sums to what is credited, and no cap is passed."""
    found = []
    if engine.query(_TWICE).to_pylist()[0]["n"]:
        found.append("an earning stands twice")
    if engine.query(_MEASURED).to_pylist()[0]["n"]:
        found.append("what is measured does not sum to what is credited")
    if engine.query(_OVER_CAP).to_pylist()[0]["n"]:
        found.append("an earning is over its cap")
    return found
