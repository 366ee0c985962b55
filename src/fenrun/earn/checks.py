"""Invariants of earnings, and problems found in them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, in_order
from fenrun.credit.crediting import Crediting
from fenrun.earn.earning import Earning, Scales
from fenrun.engine.codes import month_number, unscaled
from fenrun.engine.runner import Runner
from fenrun.events.receipts import NO_TOTAL, TOTAL, counts_payments

_TWICE = """
SELECT count(*) FROM (
  SELECT 1 FROM component_earnings
  GROUP BY plan, component, payee, unit, period HAVING count(*) > 1) AS twice"""
_MEASURED = """
SELECT (SELECT coalesce(sum(g.{amount} * c.share), 0) * {lift}
        FROM credits AS c
        JOIN situated AS g ON g.situation = c.situation
        WHERE c.plan = {crediting} AND c.role = {role}),
       coalesce(sum(amount), 0) * {cut}, count(*) * {cut} * {rounds}
FROM performance_measures
WHERE plan = {plan} AND component = {component}"""
_ROUNDED = """
SELECT e.plan, e.component, max(e.amount), max(e.number), sum(m.amount)
FROM (SELECT plan, component, sum(amount) AS amount, count(*) AS number
      FROM ({exactly}) AS x
      GROUP BY plan, component) AS e
JOIN performance_measures AS m ON m.plan = e.plan AND m.component = e.component
GROUP BY e.plan, e.component"""
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
_CLASHES = """
SELECT c.plan, c.component, min(c.excluded_by), c.payee, sum(c.amount)
FROM qualifying_amounts AS c
WHERE EXISTS (SELECT 1 FROM groups_of AS g
              WHERE g.plan = c.plan AND g.group_id = c.excluded_by)
GROUP BY c.plan, c.component, c.payee
HAVING sum(c.amount) <> 0"""

_MIXED = """
SELECT component, payee, unit, period, pays_on, plan
FROM component_earnings
WHERE reason = 'two-columns' AND last_month >= {paid_from}"""
_BELOW = """
SELECT component, payee, unit, period, amount, reason, plan
FROM component_earnings
WHERE amount < 0 AND last_month >= {paid_from}
  AND (reason = 'no-place'
       OR (reason = 'no-band'
           AND reads_by IN ('amount', 'amount to date', 'amount over', 'attainment')))"""
_UNLIKE = """
SELECT DISTINCT f.figure, f.party, f.period, f.currency, k.component, z.currency AS wanted, k.plan
FROM component_earnings AS e
JOIN (SELECT plan, component, target AS name, target_of AS whose FROM components
      UNION ALL
      SELECT plan, component, compare_name, compare_of FROM components
      UNION ALL
      SELECT plan, component, on_name, on_of FROM components WHERE pays_on = 'figure'
      UNION ALL
      SELECT plan, component, by_name, by_of FROM components
      UNION ALL
      SELECT plan, component, times_name, times_of FROM components
      UNION ALL
      SELECT plan, component, name, whose FROM gates WHERE subject = 'figure') AS k
  ON k.plan = e.plan AND k.component = e.component
JOIN terms AS z ON z.plan = k.plan
JOIN figures AS f
  ON f.party = CASE k.whose WHEN 'customer' THEN e.unit ELSE e.payee END
 AND f.figure = k.name AND f.period = e.period AND f.currency NOT IN (z.currency, 0)
WHERE e.last_month >= {paid_from}"""
_UNLIKE_BASELINES = """
SELECT DISTINCT f.figure, f.party, f.period, f.currency, k.component, z.currency, k.plan
FROM components AS k
JOIN terms AS z ON z.plan = k.plan
JOIN qualifying_of AS q ON q.plan = k.plan AND q.component = k.component
JOIN baselined AS c ON c.plan = q.counted_plan AND c.component = q.counted_component
JOIN figures AS f
  ON f.party = c.customer AND f.figure = k.baseline AND f.period = c.period
 AND f.currency <> z.currency"""

_UNBILLED = """
SELECT DISTINCT f.party
FROM figures AS f
WHERE f.figure IN ({totals})
  AND NOT EXISTS (SELECT 1 FROM performance_measures AS m
                  JOIN components AS k ON k.plan = m.plan AND k.component = m.component
                  WHERE k.counted_paid = 1 AND m.unit = f.party)"""
_WITHOUT_TOTAL = """
SELECT DISTINCT m.plan, f.party
FROM figures AS f
JOIN performance_measures AS m ON m.unit = f.party
JOIN components AS k ON k.plan = m.plan AND k.component = m.component AND k.counted_paid = 1
WHERE f.figure = {no_total}"""


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
            lift=10 ** max(0, crediting.to_measure),
            cut=10 ** max(0, -crediting.to_measure),
            rounds=int(crediting.rounds),
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
    sums = (map(int, runner.rows(sql)[0]) for sql in asked)
    # Each row is rounded by half of its last decimal at most.
    is_broken = any(2 * abs(credited - measured) > most for credited, measured, most in sums)
    return ["what is measured does not sum to what is credited"] if is_broken else []


def rounded_measures(runner: Runner, crediting: Crediting, scales: Scales) -> list[Problem]:
    """Return by how much what each component measures differs from what is credited.

    Nothing, but where 38 digits cannot hold what is earned on all decimals of the credits.
    """
    if not crediting.rounds:
        return []
    text, found = crediting.codes.text, []
    for plan, component, *sums in runner.rows(
        _ROUNDED.format(exactly=crediting.measures_exactly())
    ):
        credited, number, measured = map(int, sums)
        exact, kept = unscaled(credited, scales.credit), unscaled(measured, scales.measure)
        said = {"component": text(component), "decimals": scales.measure, "amounts": number}
        said |= {"credited": _plain(exact), "measured": _plain(kept)}
        said["rest"] = _plain(
            unscaled(credited - measured * 10**-crediting.to_measure, scales.credit)
        )
        found.append(
            Problem("measures-rounded", Place(str(text(plan)), 0, str(text(component))), said)
        )
    return in_order(found)


def find(runner: Runner, earning: Earning) -> list[Problem]:
    """Return what keeps earnings from being what a plan means, each where it was met.

    Credits that two components of an exclusive group claim, which count for neither; units that
    meet several columns of a table that cannot tell them apart; refunds that no band decides about;
    figures in another currency; invoices of which payments do not say what they are for, and
    payments of what no credited charge is billed with.
    """
    return [
        *_clashes(runner, earning),
        *_mixed(runner, earning),
        *_below(runner, earning),
        *_unlike(runner, earning),
        *_payments(runner, earning),
    ]


def _clashes(runner: Runner, earning: Earning) -> Iterator[Problem]:
    text = earning.codes.text
    for plan, component, group, payee, amount in runner.rows(_CLASHES):
        values = {
            "component": text(component),
            "group": text(group),
            "payee": text(payee),
            "amount": _shown(amount, earning),
        }
        yield Problem("claimed-twice", _place(earning, plan, component), values)


def _mixed(runner: Runner, earning: Earning) -> Iterator[Problem]:
    for component, payee, unit, period, on, plan in _of_period(runner, earning, _MIXED):
        values = _of_line(earning, component, payee, unit, period) | {"on": on}
        yield Problem("columns-mixed", _place(earning, plan, component), values)


def _below(runner: Runner, earning: Earning) -> Iterator[Problem]:
    for component, *line, amount, reason, plan in _of_period(runner, earning, _BELOW):
        values = _of_line(earning, component, *line) | {"amount": _shown(amount, earning)}
        code = "refund-unplaced" if reason == "no-place" else "below-zero"
        yield Problem(code, _place(earning, plan, component), values)


def _unlike(runner: Runner, earning: Earning) -> Iterator[Problem]:
    code, text = earning.codes.of, earning.codes.text
    wanted = {code(plan.terms[0].currency) for plan in earning.plans}
    met = {currency for (currency,) in runner.rows("SELECT DISTINCT currency FROM figures")}
    rows = _of_period(runner, earning, _UNLIKE) if met - wanted - {0} else []
    if met - wanted and any(c.baseline for plan in earning.plans for c in plan.components):
        rows += runner.rows(_UNLIKE_BASELINES)
    names = ("figure", "party", "period", "currency", "component", "wanted")
    for *said, plan in rows:
        values = {name: text(found) or "-" for name, found in zip(names, said)}
        yield Problem("figure-currency", _place(earning, plan, said[4]), values)


def _payments(runner: Runner, earning: Earning) -> Iterator[Problem]:
    if not counts_payments(earning.plans):
        return
    code, text = earning.codes.of, earning.codes.texts
    for plan, invoice in sorted(runner.rows(_WITHOUT_TOTAL.format(no_total=code(NO_TOTAL)))):
        yield Problem("payment-total", Place(text[plan]), {"invoice": text[invoice]})
    rows = runner.rows(_UNBILLED.format(totals=f"{code(TOTAL)}, {code(NO_TOTAL)}"))
    names = sorted(text[invoice] for (invoice,) in rows)
    if names:
        plans = ", ".join(plan.id for plan in earning.plans if counts_payments([plan]))
        values = {"count": len(names), "invoice": names[0]}
        yield Problem("payment-unbilled", Place(plans), values)


def _of_period(runner: Runner, earning: Earning, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the lines that the period pays."""
    return list(runner.rows(sql.format(paid_from=month_number(earning.period.span.start))))


def _of_line(
    earning: Earning, component: int, payee: int, unit: int, period: int
) -> dict[str, Any]:
    text = earning.codes.text
    said = {"component": text(component), "payee": text(payee), "period": text(period)}
    return said | {"unit": f" ({text(unit)})" if unit else ""}


def _place(earning: Earning, plan: int, component: int) -> Place:
    text = earning.codes.text
    return Place(str(text(plan)), 0, str(text(component)))


def _shown(amount: int, earning: Earning) -> str:
    return _plain(unscaled(int(amount), earning.scales.measure))


def _plain(amount: Decimal | None) -> str:
    return "" if amount is None else plain(amount)
