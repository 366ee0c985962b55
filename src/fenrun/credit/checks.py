"""Invariants of credits (conservation), and problems found in the data."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem
from fenrun.book.as_codes import issuer_and_subject
from fenrun.credit.crediting import Crediting
from fenrun.credit.nobody import credited_to_nobody
from fenrun.engine.codes import day_of, month_of, unscaled
from fenrun.engine.runner import Runner
from fenrun.plan.conditions import columns_of

_OVER = """
SELECT count(*) FROM (
  SELECT 1 FROM direct GROUP BY plan, situation, role HAVING sum(share) > {one}) AS over"""
_LOST = """
SELECT count(*)
FROM (SELECT c.plan, sum({main_amount}) * {one} AS total
      FROM groups_in_currency AS g
      CROSS JOIN creditings AS c
      GROUP BY c.plan) AS s
LEFT JOIN (SELECT plan, sum(credited) AS amount FROM charged_sums GROUP BY plan) AS v
  ON v.plan = s.plan
LEFT JOIN (SELECT plan, sum(amount) AS amount FROM uncredited_sums GROUP BY plan) AS u
  ON u.plan = s.plan
WHERE s.total <> coalesce(v.amount, 0) + coalesce(u.amount, 0)"""
_CURRENCIES = "SELECT currency, sum(amount) FROM foreign_sums WHERE month >= ? GROUP BY currency"
_UNCONVERTED = "SELECT currency, month, day, sum(amount) FROM foreign_sums GROUP BY 1, 2, 3"
UNCOUNTED = "currency-not-in-plan"
"""The problem of charges in a currency that no plan counts."""
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
    runner: Runner,
    crediting: Crediting,
    scales: tuple[int, int],
    present: Collection[str],
    counted: Collection[str],
    since: int,
    first: int,
) -> list[Problem]:
    """Return charges not settled, amounts credited to nobody, and columns that no file has.

    `scales` are the decimals of a cost and of a credit, `present` the columns of the charges,
    `counted` the currencies that some plan counts; what is to be converted needs a rate in each
    month `since` one; `first` is the first month of the period.
    """
    cost, credit = scales
    return [
        *_other_currencies(runner, crediting, cost, counted, first),
        *without_rate(runner, crediting, cost, since),
        *_lacking(runner, crediting),
        *credited_to_nobody(runner, crediting, credit),
        *_absent(crediting, present),
    ]


def _other_currencies(
    runner: Runner, crediting: Crediting, scale: int, counted: Collection[str], first: int
) -> Iterator[Problem]:
    """Yield what is charged from a month on in each currency that no plan counts."""
    wanted = ", ".join(sorted(counted))
    rows = runner.rows(_CURRENCIES, [first])
    for currency, amount in sorted((str(crediting.codes.text(c)), a) for c, a in rows):
        if currency not in counted:
            said = {"currency": currency, "wanted": wanted, "amount": _plain(amount, scale)}
            yield Problem(UNCOUNTED, Place("charges", 0, currency), said)


def without_rate(runner: Runner, crediting: Crediting, scale: int, since: int) -> Iterator[Problem]:
    """Yield what is to be converted and has no rate, by currency and month or day.

    Of the months `since` which what the period pays is measured: before these nothing is missing.
    """
    terms = crediting.plans[0].terms[0]
    found = []
    for code, month, day, amount in runner.rows(_UNCONVERTED):
        currency = str(crediting.codes.text(code))
        if currency in crediting.converts and month >= since:
            by_day = terms.converts_on == "day"
            when = str(day_of(day)) if by_day else f"{month_of(month):%Y-%m}"
            found.append((when, currency, amount))
    for when, currency, amount in sorted(found):
        said = {"currency": currency, "into": terms.currency, "period": when}
        said["amount"] = _plain(amount, scale)
        said["plans"] = ", ".join(plan.id for plan in crediting.plans)
        yield Problem("rate-missing", Place("charges", 0, currency), said)


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
