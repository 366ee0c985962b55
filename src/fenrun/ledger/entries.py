"""From a run to double entries: what is earned is accrued, what is held back, lapses, is drawn, taken back and paid moves on from there.

For each payee `Accrued` holds what is owed and not yet paid (carried, or waiting for a frozen customer), `Holdback` what falls due later,
`Draws` what was paid in advance. Every entry sums to zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.when import add_months
from fenrun.statement.run import Difference, Run

KINDS = ("accrual", "clawback", "true-up", "holdback", "lapse", "draw", "recovery", "payout")


@dataclass(frozen=True)
class Entry:
    """A balanced entry."""

    day: date
    """Last day of the month whose statement it belongs to."""
    kind: str
    """One of KINDS."""
    payee: str
    what: str
    """What it is for: a line of the statement, a form of payment, a cause."""
    currency: str
    postings: tuple[tuple[str, Decimal], ...]
    """Account and amount; debits above zero. They sum to zero."""


_EARNED = """
SELECT plan_id, component, period, payee, paid_month AS month, currency, reason = 'clawback' AS back, sum(earned) AS amount
FROM earnings WHERE paid_month >= ? AND paid_month < ? GROUP BY ALL HAVING sum(earned) <> 0 ORDER BY ALL"""
_HELD = """
SELECT plan_id, payee, month, sum(amount) AS amount FROM held_back WHERE month >= ? AND month < ? GROUP BY plan_id, payee, month HAVING sum(amount) <> 0 ORDER BY ALL"""
_PAYOUTS = "SELECT o.plan_id, o.payee, o.month, o.expired, o.drawn, o.recovered, y.recoverable FROM payouts AS o JOIN plan_pay AS y ON y.plan_id = o.plan_id WHERE o.month >= ? AND o.month < ? ORDER BY ALL"
_PAYMENTS = "SELECT plan_id, payee, month, form, amount, paid FROM payments WHERE month >= ? AND month < ? ORDER BY ALL"


def entries(run: Run) -> list[Entry]:
    """The entries of the months of a run's period, with those of the differences posted in it."""
    span = [run.period.span.start, run.period.span.end]
    currency = {p.id: p.terms[0].currency for p in run.plans}

    def ask(sql: str) -> list[dict[str, Any]]:
        return run.engine.query(sql, span).to_pylist()

    made = [
        _moved(
            r["month"],
            "clawback" if r["back"] else "accrual",
            r["payee"],
            f"{r['plan_id']}/{r['component']}/{r['period']}",
            r["currency"],
            _expense(r["plan_id"], r["component"]),
            _accrued(r["payee"]),
            r["amount"],
        )
        for r in ask(_EARNED)
    ]
    made += [
        _moved(
            r["month"],
            "holdback",
            r["payee"],
            r["plan_id"],
            currency[r["plan_id"]],
            _accrued(r["payee"]),
            account("Liabilities", "Holdback", r["payee"]),
            r["amount"],
        )
        for r in ask(_HELD)
    ]
    for r in ask(_PAYOUTS):
        drawn_from = (
            account("Assets", "Draws", r["payee"])
            if r["recoverable"]
            else _expense(r["plan_id"], "draw")
        )
        for kind, debit, credit, amount in (
            (
                "lapse",
                _accrued(r["payee"]),
                account("Income", "Lapsed", r["plan_id"]),
                r["expired"],
            ),
            ("draw", drawn_from, _accrued(r["payee"]), r["drawn"]),
            ("recovery", _accrued(r["payee"]), drawn_from, r["recovered"]),
        ):
            if amount:
                made.append(
                    _moved(
                        r["month"],
                        kind,
                        r["payee"],
                        r["plan_id"],
                        currency[r["plan_id"]],
                        debit,
                        credit,
                        amount,
                    )
                )
    for r in ask(_PAYMENTS):
        postings = [(_accrued(r["payee"]), r["amount"]), (_form(r["form"], r["payee"]), -r["paid"])]
        if r["paid"] != r["amount"]:
            postings.append((account("Expenses", "Tax", r["plan_id"]), r["paid"] - r["amount"]))
        made.append(
            Entry(
                _last(r["month"]),
                "payout",
                r["payee"],
                f"{r['plan_id']}/{r['form']}",
                currency[r["plan_id"]],
                tuple(postings),
            )
        )
    made += [
        _true_up(
            d,
            run.period.last_day,
            any(y.recoverable for p in run.plans if p.id == d.plan_id for y in p.pay),
        )
        for d in run.booked
    ]
    return sorted(made, key=lambda e: (e.day, e.payee, KINDS.index(e.kind), e.what))


def _true_up(d: Difference, day: date, recoverable: bool) -> Entry:
    draws = account("Assets", "Draws", d.payee) if recoverable else _expense(d.plan_id, "draw")
    sides = {
        "earned": (_expense(d.plan_id, d.component), _accrued(d.payee)),
        "paid": (_accrued(d.payee), _form(d.component, d.payee)),
        "expired": (_accrued(d.payee), account("Income", "Lapsed", d.plan_id)),
        "drawn": (draws, _accrued(d.payee)),
        "recovered": (_accrued(d.payee), draws),
        "held": (_accrued(d.payee), account("Liabilities", "Holdback", d.payee)),
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
    month: date,
    kind: str,
    payee: str,
    what: str,
    currency: str,
    debit: str,
    credit: str,
    amount: Decimal,
) -> Entry:
    return Entry(_last(month), kind, payee, what, currency, ((debit, amount), (credit, -amount)))


def _last(month: date) -> date:
    return add_months(month, 1) - timedelta(days=1)


def _expense(plan: str, component: str) -> str:
    return account("Expenses", "Rebates", plan, component)


def _accrued(payee: str) -> str:
    return account("Liabilities", "Accrued", payee)


def _form(form: str, payee: str) -> str:
    return (
        account("Assets", "Cash")
        if form == "cash"
        else account("Liabilities", "Forms", form, payee)
    )


def account(*parts: str) -> str:
    """An account name that Beancount and hledger read: each part begins with a capital or digit and holds letters, digits and dashes; equal only for equal parts."""
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
