"""From a run to double entries.

Earnings are accrued; what is held back, expires, is drawn, recovered or paid moves on from there.

For each payee `Accrued` holds what is owed and not yet paid (carried, or waiting for a frozen
customer), `Holdback` what falls due later, `Draws` what was paid in advance, `Forms` what a fund
keeps until it is claimed or lost. Every entry sums to zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.when import add_months
from fenrun.statement.run import Difference, Run

KINDS = (
    *("accrual", "clawback", "true-up", "holdback", "lapse", "draw", "recovery", "payout"),
    *("exchange", "claim", "fund lapse", "shortfall"),
)


@dataclass(frozen=True)
class Entry:
    """A balanced entry."""

    day: date
    """Last day of the month whose statement it belongs to."""
    kind: str
    """One of KINDS."""
    payee: str
    """Who is paid; of a shortfall the customer, who owes it."""
    what: str
    """What it is for: a line of the statement, a form of payment, a cause, an agreement."""
    currency: str
    postings: tuple[tuple[str, Decimal], ...]
    """Account and amount; debits above zero. They sum to zero."""


_EARNED = """
SELECT plan_id, component, period, payee, paid_month AS month, currency,
       reason = 'clawback' AS back, sum(earned) AS amount
FROM earnings WHERE paid_month >= ? AND paid_month < ? GROUP BY ALL HAVING sum(earned) <> 0
ORDER BY ALL"""
_HELD = """
SELECT plan_id, payee, month, sum(amount) AS amount FROM held_back WHERE month >= ? AND month < ?
GROUP BY plan_id, payee, month HAVING sum(amount) <> 0 ORDER BY ALL"""
_PAYOUTS = """
SELECT plan_id, payee, month, expired, drawn, recovered
FROM payouts
WHERE month >= ? AND month < ?
ORDER BY ALL"""
_PAYMENTS = """
SELECT plan_id, payee, month, form, amount, paid
FROM payments AS p
WHERE month >= ? AND month < ?
  AND NOT EXISTS (
    SELECT 1
    FROM exchanges AS x
    WHERE x.paid IS NULL AND x.plan_id = p.plan_id AND x.payee = p.payee AND x.month = p.month
      AND x.form = p.form)
ORDER BY ALL"""
_EXCHANGES = """
SELECT plan_id, payee, month, form, currency AS into, amount, paid FROM exchanges
WHERE month >= ? AND month < ? AND paid IS NOT NULL ORDER BY ALL"""

_FUNDS = """
SELECT plan_id, payee, month, form, granted, over + lapsed AS lost FROM funds
WHERE month >= ? AND month < ? ORDER BY ALL"""


def entries(run: Run) -> list[Entry]:
    """The entries of the months of a run's period, with those of the differences booked in it."""
    recoverable = _recoverable(run)
    made = [*_accruals(run), *_holdbacks(run), *_payouts(run), *_payments(run)]
    made += [*_exchanges(run), *_funds(run)]
    made += [_true_up(d, run.period.last_day, d.plan_id in recoverable) for d in run.booked]
    return sorted(made, key=lambda e: (e.day, e.payee, KINDS.index(e.kind), e.what))


def _rows(run: Run, sql: str) -> list[dict[str, Any]]:
    """The rows of a query of the run's period, each with its plan's currency."""
    currencies = {plan.id: plan.terms[0].currency for plan in run.plans}
    rows = run.engine.rows(sql, [run.period.span.start, run.period.span.end])
    return [{"currency": currencies[row["plan_id"]]} | row for row in rows]


def _accruals(run: Run) -> Iterator[Entry]:
    for row in _rows(run, _EARNED):
        kind = "clawback" if row["back"] else "accrual"
        line = f"{row['plan_id']}/{row['component']}/{row['period']}"
        debit, credit = _expense(row["plan_id"], row["component"]), _accrued(row["payee"])
        yield _moved(row, kind, line, debit, credit, row["amount"])


def _holdbacks(run: Run) -> Iterator[Entry]:
    for row in _rows(run, _HELD):
        held = account("Liabilities", "Holdback", row["payee"])
        yield _moved(row, "holdback", row["plan_id"], _accrued(row["payee"]), held, row["amount"])


def _recoverable(run: Run) -> set[str]:
    """Return the plans that take draws back."""
    return {pay.plan_id for plan in run.plans for pay in plan.pay_terms if pay.recoverable}


def _payouts(run: Run) -> Iterator[Entry]:
    """Breakage of carried amounts, draws and their recovery."""
    recoverable = _recoverable(run)
    for row in _rows(run, _PAYOUTS):
        plan, accrued = row["plan_id"], _accrued(row["payee"])
        lapsed = account("Income", "Lapsed", plan)
        draws = _expense(plan, "draw")
        if plan in recoverable:
            draws = account("Assets", "Draws", row["payee"])
        moves = (
            ("lapse", accrued, lapsed, row["expired"]),
            ("draw", draws, accrued, row["drawn"]),
            ("recovery", accrued, draws, row["recovered"]),
        )
        for kind, debit, credit, amount in moves:
            if amount:
                yield _moved(row, kind, plan, debit, credit, amount)


def _payments(run: Run) -> Iterator[Entry]:
    for row in _rows(run, _PAYMENTS):
        plan, payee, form = row["plan_id"], row["payee"], row["form"]
        postings = [(_accrued(payee), row["amount"]), (_form(form, payee), -row["paid"])]
        if row["paid"] != row["amount"]:
            tax = account("Expenses", "Tax", plan)
            postings.append((tax, row["paid"] - row["amount"]))
        what = f"{plan}/{form}"
        day = _last(row["month"])
        yield Entry(day, "payout", payee, what, row["currency"], tuple(postings))


def _exchanges(run: Run) -> Iterator[Entry]:
    """Payments that are made in another currency: balanced in each of the two."""
    for row in _rows(run, _EXCHANGES):
        plan, held = row["plan_id"], _form(row["form"], row["payee"])
        what, other = f"{plan}/{row['form']}", row | {"currency": row["into"]}
        yield _moved(row, "exchange", what, held, _exchange(plan), row["amount"])
        yield _moved(other, "exchange", what, _exchange(plan), held, row["paid"])


def _funds(run: Run) -> Iterator[Entry]:
    """Claims that a fund grants, and what is lost of it."""
    for row in _rows(run, _FUNDS):
        plan, fund = row["plan_id"], _form(row["form"], row["payee"])
        for kind, credit, amount in (
            ("claim", _form("cash", row["payee"]), row["granted"]),
            ("fund lapse", account("Income", "Lapsed", plan), row["lost"]),
        ):
            if amount:
                yield _moved(row, kind, f"{plan}/{row['form']}", fund, credit, amount)


def _true_up(d: Difference, day: date, recoverable: bool) -> Entry:
    draws = account("Assets", "Draws", d.payee) if recoverable else _expense(d.plan_id, "draw")
    sides = {
        "earned": (_expense(d.plan_id, d.component), _accrued(d.payee)),
        "paid": (_accrued(d.payee), _form(d.component, d.payee)),
        "expired": (_accrued(d.payee), account("Income", "Lapsed", d.plan_id)),
        "drawn": (draws, _accrued(d.payee)),
        "recovered": (_accrued(d.payee), draws),
        "held": (_accrued(d.payee), account("Liabilities", "Holdback", d.payee)),
        "granted": (_form(d.component, d.payee), _form("cash", d.payee)),
        "lost": (_form(d.component, d.payee), account("Income", "Lapsed", d.plan_id)),
        "given": (_form(d.component.rpartition(" ")[0], d.payee), _exchange(d.plan_id)),
        "exchanged": (_exchange(d.plan_id), _form(d.component.rpartition(" ")[0], d.payee)),
        "tax": (account("Expenses", "Tax", d.plan_id), _accrued(d.payee)),
    }
    debit, credit = sides[d.what]
    return Entry(
        day,
        "true-up",
        d.payee,
        f"{d.plan_id}/{d.component}/{d.period}: {d.what}, {d.cause}, {d.source}",
        d.currency,
        ((debit, d.amount), (credit, -d.amount)),
    )


def _moved(
    row: Mapping[str, Any], kind: str, what: str, debit: str, credit: str, amount: Decimal
) -> Entry:
    """An entry that moves an amount of a row from one account to another."""
    postings = ((debit, amount), (credit, -amount))
    return Entry(_last(row["month"]), kind, row["payee"], what, row["currency"], postings)


def _last(month: date) -> date:
    return add_months(month, 1) - timedelta(days=1)


def _expense(plan: str, component: str) -> str:
    return account("Expenses", "Rebates", plan, component)


def _accrued(payee: str) -> str:
    return account("Liabilities", "Accrued", payee)


def _exchange(plan: str) -> str:
    return account("Equity", "Exchange", plan)


def _form(form: str, payee: str) -> str:
    return (
        account("Assets", "Cash")
        if form == "cash"
        else account("Liabilities", "Forms", form, payee)
    )


def account(*parts: str) -> str:
    """An account name that Beancount and hledger read.

    Each part begins with a capital or digit and holds letters, digits and dashes; equal only
    for equal parts.
    """
    return ":".join(_part(p) for p in parts)


def _part(text: str) -> str:
    if re.fullmatch(r"[A-Z0-9][A-Za-z0-9-]*", text) and not re.search(r"-[0-9a-f]{6}$", text):
        return text
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")
    return f"{plain[:1].upper() + plain[1:] or 'X'}-{digest(text)[:6]}"


def balances(found: list[Entry]) -> dict[tuple[str, str], Decimal]:
    """The balance of each account and currency over the entries."""
    sums: dict[tuple[str, str], Decimal] = {}
    for e in found:
        for name, amount in e.postings:
            sums[name, e.currency] = sums.get((name, e.currency), Decimal(0)) + amount
    return dict(sorted(sums.items()))
