"""Checks that must hold of payouts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fenrun.base.money import is_currency, plain
from fenrun.base.problem import Place, Problem
from fenrun.engine.codes import month_number, month_of, unscaled
from fenrun.engine.runner import Runner
from fenrun.payout.paying import Paying, claims_of

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
_UNBALANCED_FUNDS = """
SELECT count(*)
FROM funds
WHERE brought + accrued - over - granted - lapsed <> balance"""
_CHECKS = (
    (_UNBALANCED_PAYOUTS, "a payout does not add up"),
    (_LOST_INSTALMENTS, "instalments do not sum to an earning"),
    (_LOST_FORMS, "forms do not sum to a payout"),
    (_UNBALANCED_FUNDS, "a fund does not add up"),
)


def broken(runner: Runner, paying: Paying) -> list[str]:
    """Return what is broken: nothing is lost between what is due, paid and carried.

    Instalments sum to the earning, forms to the payout.
    """
    if not any(plan.pay for plan in paying.plans):
        return []
    return [said for sql, said in _CHECKS if runner.rows(sql)[0][0]]


_UNCOVERED = """
SELECT plan, payee, month, form, claimed, granted
FROM funds
WHERE claimed > granted AND month >= ?
ORDER BY plan, payee, month, form"""


def find(runner: Runner, paying: Paying) -> list[Problem]:
    """Return the claims that cannot be read, and those of the period that a fund does not cover.

    And the payments of the period that wait for a rate.
    """
    found: list[Problem] = []
    if any(plan.pays_in_another for plan in paying.plans):
        found += _without_rate(runner, paying)
    if any(plan.funds for plan in paying.plans):
        found += [*_unread(runner, paying), *_uncovered(runner, paying)]
    return found


_WITHOUT_RATE = """
SELECT x.plan, x.payee, x.month, x.currency, y.paid_in_label, sum(x.amount)
FROM exchanges AS x
JOIN pay AS y ON y.plan = x.plan
WHERE x.paid IS NULL AND x.month >= ?
GROUP BY x.plan, x.payee, x.month, x.currency, y.paid_in_label
ORDER BY x.plan, x.payee, x.month"""


def _without_rate(runner: Runner, paying: Paying) -> Iterator[Problem]:
    text, first = paying.codes.text, month_number(paying.period.span.start)
    by_plan = {plan.id: plan for plan in paying.plans}
    for plan, payee, month, currency, label, amount in runner.rows(_WITHOUT_RATE, [first]):
        own, code = by_plan[str(text(plan))], str(text(currency))
        exact, is_read = unscaled(int(amount), paying.scales.money), is_currency(code)
        by_day = own.pay[0].paid_on == "day"
        last = month_of(month + 1) - timedelta(days=1)
        values = {
            "party": text(payee),
            "amount": "" if exact is None else plain(exact),
            "currency": own.currency,
            "into": code,
            "period": str(last) if by_day else f"{last:%Y-%m}",
            "label": text(label),
        }
        problem = "pay-rate-missing" if is_read else "pay-currency-unread"
        yield Problem(problem, Place(own.id, 0, str(text(payee))), values)


def _unread(runner: Runner, paying: Paying) -> Iterator[Problem]:
    text = paying.codes.text
    for plan in paying.plans:
        for fund in plan.funds:
            for claim in claims_of(runner, paying, plan, fund):
                if claim.month is None or claim.amount is None:
                    amount = unscaled(int(claim.figure), paying.scales.measure)
                    values = {
                        "figure": fund.claims,
                        "party": text(claim.payee),
                        "period": text(claim.period),
                        "amount": "" if amount is None else plain(amount),
                        "currency": text(claim.currency) or "-",
                        "wanted": plan.terms[0].currency,
                    }
                    yield Problem("claim-unread", Place(plan.id, 0, fund.claims), values)


def _uncovered(runner: Runner, paying: Paying) -> Iterator[Problem]:
    text, first = paying.codes.text, month_number(paying.period.span.start)
    for plan, payee, month, form, *amounts in runner.rows(_UNCOVERED, [first]):
        claimed, granted = (unscaled(int(one), paying.scales.money) for one in amounts)
        values = {
            "party": text(payee),
            "period": str(month_of(month))[:7],
            "form": text(form),
            "claimed": "" if claimed is None else plain(claimed),
            "granted": "" if granted is None else plain(granted),
        }
        yield Problem("claim-uncovered", Place(str(text(plan)), 0, str(text(form))), values)
