"""Invariants of credits (conservation), and problems found in the data."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem
from fenrun.book.as_codes import issuer_and_subject
from fenrun.credit.crediting import Crediting
from fenrun.credit.nobody import credited_to_nobody
from fenrun.engine.codes import month_of, unscaled
from fenrun.engine.runner import Runner
from fenrun.plan.conditions import columns_of

_OVER = """
SELECT count(*) FROM (
  SELECT 1 FROM direct GROUP BY plan, situation, role HAVING sum(share) > {one}) AS over"""
_LOST = """
SELECT count(*)
FROM (SELECT c.plan, sum({main_amount}) * {one} AS total
      FROM groups AS g
      CROSS JOIN creditings AS c
      WHERE g.currency = {currency}
      GROUP BY c.plan) AS s
LEFT JOIN (SELECT plan, sum(credited) AS amount FROM charged_sums GROUP BY plan) AS v
  ON v.plan = s.plan
LEFT JOIN (SELECT plan, sum(amount) AS amount FROM uncredited_sums GROUP BY plan) AS u
  ON u.plan = s.plan
WHERE s.total <> coalesce(v.amount, 0) + coalesce(u.amount, 0)"""
_CURRENCIES = "SELECT currency, sum(amount) FROM foreign_sums GROUP BY currency"
_LACKING = "SELECT account, month, charges FROM lacking_sums WHERE basis = ?"


def broken(runner: Runner, crediting: Crediting) -> list[str]:
    """Return what is broken of: nobody is credited over the whole, nothing charged is lost."""
    filled = crediting.fragments()
    checks = (
        (_OVER, "a role is credited over 100 %"),
        (_LOST, "credited and uncredited do not sum to the charges"),
    )
    return [said for sql, said in checks if runner.rows(sql.format(**filled))[0][0]]


def find(
    runner: Runner, crediting: Crediting, scales: tuple[int, int], present: Collection[str]
) -> list[Problem]:
    """Return charges not settled, amounts credited to nobody, and columns that no file has.

    `scales` are the decimals of a cost and of a credit, `present` the columns of the charges.
    """
    cost, credit = scales
    return [
        *_other_currencies(runner, crediting, cost),
        *_lacking(runner, crediting),
        *credited_to_nobody(runner, crediting, credit),
        *_absent(crediting, present),
    ]


def _other_currencies(runner: Runner, crediting: Crediting, scale: int) -> Iterator[Problem]:
    wanted = crediting.plans[0].terms[0].currency
    rows = runner.rows(_CURRENCIES)
    for currency, amount in sorted((str(crediting.codes.text(c)), a) for c, a in rows):
        said = {"currency": currency, "wanted": wanted, "amount": _plain(amount, scale)}
        yield Problem("currency-not-in-plan", Place("charges", 0, currency), said)


def _lacking(runner: Runner, crediting: Crediting) -> Iterator[Problem]:
    for number, basis in enumerate(crediting.bases):
        rows = runner.rows(_LACKING, [number])
        named = [(*issuer_and_subject(crediting.codes, a), month, n) for a, month, n in rows]
        for issuer, account, month, count in sorted(named):
            said = {"count": int(count), "account": account, "basis": basis}
            said |= {"month": str(month_of(month))[:7]}
            yield Problem("basis-missing", Place(issuer, 0, account), said, rows=int(count))


def _absent(crediting: Crediting, present: Collection[str]) -> Iterator[Problem]:
    for plan in crediting.plans:
        for condition in plan.conditions:
            read = columns_of(json.loads(condition.tree))
            for name in sorted(read - set(present)):
                place = Place(plan.id, 0, condition.rule_id)
                yield Problem("column-absent", place, {"column": name, "plan": plan.id})


def _plain(amount: int, scale: int) -> str:
    value = unscaled(int(amount), scale)
    return "" if value is None else plain(value)
