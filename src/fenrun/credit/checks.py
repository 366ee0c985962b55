"""Invariants of credits (conservation), and problems found in the data."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem
from fenrun.credit.from_charges import amount_of
from fenrun.credit.on_whole_numbers import bases_of
from fenrun.engine.port import Engine
from fenrun.plan.conditions import reads
from fenrun.plan.rows import Plan

_OVER = """
SELECT count(*) AS n FROM (
  SELECT 1 FROM direct WHERE main GROUP BY plan_id, group_id, role HAVING sum(share) > 1) AS over"""
_LOST = """
SELECT count(*) AS n FROM (
  SELECT p.plan_id, sum({amount}) AS total, sum({amount} * coalesce(v.share, 0)) AS credited
  FROM groups AS g CROSS JOIN plan_crediting AS p
  LEFT JOIN coverage AS v ON v.plan_id = p.plan_id AND v.group_id = g.group_id
  WHERE g.currency = p.currency GROUP BY p.plan_id) AS s
LEFT JOIN (SELECT plan_id, sum(amount) AS amount FROM uncredited_groups GROUP BY plan_id) AS u
  ON u.plan_id = s.plan_id
WHERE s.total <> s.credited + coalesce(u.amount, 0)"""
_SUMS = """
SELECT (SELECT sum(a0) FROM charge_lines) IS DISTINCT FROM
       (SELECT sum(a0) FROM groups WHERE charges > lacking0) AS differs"""
_CURRENCIES = """
SELECT g.currency, p.currency AS wanted, sum(g.a0) AS amount
FROM groups AS g CROSS JOIN (SELECT DISTINCT currency FROM plan_terms) AS p
WHERE g.currency <> p.currency GROUP BY g.currency, p.currency ORDER BY g.currency"""
_LACKING = """
SELECT issuer, account, month, sum({lacking}) AS n FROM groups WHERE {lacking} > 0
GROUP BY issuer, account, month ORDER BY issuer, account, month"""
_UNOWNED = """
SELECT issuer, account, sum(amount) AS amount
FROM (SELECT DISTINCT group_id, issuer, account, amount FROM uncredited_groups
      WHERE reason = 'no-customer') AS u
GROUP BY issuer, account ORDER BY issuer, account"""


def broken(engine: Engine, plans: Sequence[Plan]) -> list[str]:
    """Conservation: nobody is credited over the whole, and nothing charged is lost."""
    found = []
    if engine.query(_OVER).to_pylist()[0]["n"]:
        found.append("a role is credited over 100 %")
    if engine.query(_LOST.format(amount=amount_of("p.basis", "g", plans))).to_pylist()[0]["n"]:
        found.append("credited and uncredited do not sum to the charges")
    if engine.query(_SUMS).to_pylist()[0]["differs"]:
        found.append("groups do not sum to the charges")
    return found


def find(engine: Engine, plans: Sequence[Plan]) -> list[Problem]:
    """Charges that could not be settled, accounts nobody owns, columns that no file has."""
    problems = []
    for row in engine.query(_CURRENCIES).to_pylist():
        problems.append(
            Problem(
                "currency-not-in-plan",
                Place("charges", 0, row["currency"]),
                {**row, "amount": plain(row["amount"])},
            )
        )
    for number, basis in enumerate(bases_of(plans)):
        for row in engine.query(_LACKING.format(lacking=f"lacking{number}")).to_pylist():
            values = {
                "count": row["n"],
                "account": row["account"],
                "month": str(row["month"])[:7],
                "basis": basis,
            }
            problems.append(
                Problem(
                    "basis-missing", Place(row["issuer"], 0, row["account"]), values, rows=row["n"]
                )
            )
    for row in engine.query(_UNOWNED).to_pylist():
        problems.append(
            Problem(
                "account-unowned",
                Place(row["issuer"], 0, row["account"]),
                {"account": row["account"], "amount": plain(row["amount"])},
            )
        )
    present = engine.columns("charges")
    for plan in plans:
        for condition in plan.conditions:
            for name in sorted(
                n
                for what, n in reads(json.loads(condition.tree))
                if what == "column" and n not in present
            ):
                problems.append(
                    Problem(
                        "column-absent",
                        Place(plan.id, 0, condition.rule_id),
                        {"column": name, "plan": plan.id},
                    )
                )
    return problems
