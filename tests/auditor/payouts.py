"""The auditor's account of payouts: a purse for each payee, filled and emptied every month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.auditor.auditor import ZERO, holds, rounded, shifted, span_of


def pay_out(audit: Any) -> None:
    """Fill the answer's payouts and payments."""
    answer = audit.answer
    earned: dict[tuple[str, str, int, date], Decimal] = defaultdict(lambda: ZERO)
    for (component, payee, key, unit), (amount, _) in answer.own.items():
        for part in _instalments(audit, component, amount):
            _due(audit, (component, payee, unit), paid_month(audit, component, key), part, earned)
    for (component, payee, key, reason), amount in answer.entries.items():
        if reason == "clawback":
            _clawed(audit, component, payee, key, earned)
            continue
        for part in _instalments(audit, component, amount):
            _due(audit, (component, payee, ""), paid_month(audit, component, key), part, earned)
    _first_in_scope(audit, earned)
    if audit.plan.pay:
        _walk(audit, earned)
        for fund in audit.plan.funds:
            _fund(audit, fund)
        for key in [k for k in answer.payments if k[1] < audit.paid[0]]:
            del answer.payments[key]
        _exchange(audit)
        return
    sums: dict[tuple[str, date], Decimal] = defaultdict(lambda: ZERO)
    for (payee, _, _, month), amount in earned.items():
        sums[payee, month] += amount
    for (payee, month), amount in sums.items():
        if amount and audit.paid[0] <= month < audit.paid[1]:
            answer.payments[payee, month, "cash"] = (amount, amount)


def _purse(audit: Any, component: str) -> int:
    """By which terms a component, or a group's ceiling, is paid; 0: by the plan's."""
    apart = {row.component: row.purse_no for row in audit.plan.paid_apart}
    return apart.get(component, 0)


def _first_in_scope(audit: Any, earned: dict[tuple[str, str, int, date], Decimal]) -> None:
    """Whoever is in scope is paid its draw from the month on in which it first is."""
    for component in audit.plan.components:
        for (payee, unit, span), since in audit.scopes.get(component.rule_id, {}).items():
            own = audit.answer.own.get((component.rule_id, payee, span.key, unit))
            if own and own[1] != "payee":
                purse = _purse(audit, component.rule_id)
                earned[payee, "", purse, since.replace(day=1)] += ZERO


def paid_month(audit: Any, component: str, key: str) -> date:
    """First day of the month with which a line is paid."""
    calendars = {c.rule_id: c.calendar for c in audit.plan.components}
    for group in audit.plan.groups:
        calendars[group.rule_id] = next(
            c.calendar for c in audit.plan.components if c.group_id == group.rule_id
        )
    month = date(int(key[:4]) - 1, 1, 1)
    while month.year <= int(key[:4]) + 1:
        span = span_of(calendars[component], month)
        if span.key == key:
            return span.paid
        month = shifted(month, 1)
    return _month(key)


def _month(key: str) -> date:
    return date(int(key[:4]), int(key[5:7]), 1)


def _instalments(audit: Any, component: str, amount: Decimal) -> list[tuple[int, Decimal]]:
    """(months later, amount): earlier ones cut, the last takes the rest."""
    mine = [p for p in audit.plan.instalments if p.purse_no == _purse(audit, component)]
    parts = sorted(mine, key=lambda p: p.instalment_no)
    found, gone, share = [], ZERO, Fraction(0)
    for part in parts:
        share += Fraction(part.share)
        upto = (
            rounded(Fraction(amount) * share, "down", audit.terms.round_per)
            if share < 1
            else amount
        )
        found.append((part.months, upto - gone))
        gone = upto
    return found or [(0, amount)]


def _due(
    audit: Any,
    whose: tuple[str, str, str],
    month: date,
    part: tuple[int, Decimal],
    earned: dict[Any, Decimal],
) -> None:
    """An instalment falls due, or waits until nothing freezes it."""
    component, payee, unit = whose
    purse = _purse(audit, component)
    due = shifted(month, part[0])
    can_be_due = due < audit.paid[1]
    earned[payee, unit, purse, due] += ZERO
    rule = audit.plan.pay[0].freeze_rule if audit.plan.pay else ""

    def frozen(at: date) -> bool:
        class Customer:
            text = staticmethod(
                lambda name: audit.book.label(unit, name, shifted(at, 1) - timedelta(days=1))
            )

        return bool(rule and unit and holds(audit.trees[rule], Customer))

    while frozen(due) and due < audit.paid[1]:
        due = shifted(due, 1)
    earned[payee, unit, purse, due] += part[1]
    if can_be_due and due >= audit.paid[1] and audit.plan.pay:
        audit.answer.waiting[whose] += part[1]


def _clawed(audit: Any, component: str, payee: str, key: str, earned: dict[Any, Decimal]) -> None:
    """Clawbacks are cut into instalments, and frozen, customer by customer."""
    for customer, amount in audit.clawed[component, payee, key].items():
        for part in _instalments(audit, component, -amount):
            _due(audit, (component, payee, customer), _month(key), part, earned)


def _walk(audit: Any, earned: dict[tuple[str, str, int, date], Decimal]) -> None:
    """Each purse by its own terms; a month of a payee is the sum of its purses."""
    terms = (audit.plan.pay[0], *audit.plan.purses)
    months: dict[tuple[str, date], list[Decimal]] = {}
    for payee, purse in sorted({(p, n) for p, _, n, _ in earned}):
        mine: dict[date, Decimal] = defaultdict(lambda: ZERO)
        for (p, _, n, month), amount in earned.items():
            if (p, n) == (payee, purse):
                mine[month] += amount
        for month, row in _months(audit, terms[purse], mine):
            before = months.get((payee, month), [ZERO] * len(row))
            months[payee, month] = [a + b for a, b in zip(before, row, strict=True)]
    for (payee, month), row in sorted(months.items()):
        if audit.paid[0] <= month:
            audit.answer.payouts[payee, month] = tuple(row)
        _forms(audit, payee, month, row[6], audit.terms)


def _months(audit: Any, pay: Any, earned: dict[date, Decimal]) -> Iterator[Any]:
    """A purse, filled and emptied every month: due, brought ... carried."""
    dues: list[Decimal] = []
    carried = balance = ZERO
    emptied, month = 0, min(earned)
    while month < audit.paid[1]:
        due = earned[month]
        dues.append(due)
        number = len(dues)
        old = number - pay.expires
        expired = (
            min(max(dues[old - 1], ZERO), max(carried, ZERO))
            if pay.expires and old > emptied and old >= 1
            else ZERO
        )
        net = carried - expired + due
        drawn = max((pay.draw or ZERO) - net, ZERO) if pay.draw is not None else ZERO
        recovered = (
            min(balance, net - pay.draw)
            if pay.draw is not None and pay.recoverable and net > pay.draw
            else ZERO
        )
        owed = net + drawn - recovered
        balance = balance + drawn - recovered if pay.recoverable else ZERO
        paid = ZERO if pay.minimum is not None and owed < pay.minimum else owed
        brought, carried = carried, owed - paid
        emptied = number if carried == 0 else emptied
        yield month, [due, brought, expired, drawn, recovered, balance, paid, carried]
        month = shifted(month, 1)


def _forms(audit: Any, payee: str, month: date, paid: Decimal, terms: Any) -> None:
    pay = audit.plan.pay[0]
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    gone, share = ZERO, Fraction(0)
    for part in sorted(audit.plan.forms, key=lambda f: f.form_no):
        share += Fraction(part.share)
        upto = rounded(Fraction(paid) * share, "down", terms.round_per) if share < 1 else paid
        sums[
            part.otherwise if part.floor is not None and upto - gone < part.floor else part.form
        ] += upto - gone
        gone = upto
    if not audit.plan.forms:
        sums["cash"] = paid
    for form, amount in sums.items():
        if not amount:
            continue
        added = pay.tax_added
        if pay.tax_figure:
            own = [
                audit.book.figure(payee, pay.tax_figure, span_of(c, month).key, "")
                for c in ("1@1", "12@1")
            ]
            added = next((v for v in own if v is not None), pay.tax_added)
        taxed = amount
        if pay.tax_included or added:
            taxed = rounded(
                Fraction(amount) * (1 + Fraction(added)) / (1 + Fraction(pay.tax_included)),
                terms.round_mode,
                terms.round_per,
            )
        audit.answer.payments[payee, month, form] = (amount, taxed)


def _exchange(audit: Any) -> None:
    """What is paid in another currency: by one rate, rounded as finely as that is."""
    pay, own = audit.plan.pay[0], audit.currency
    for (payee, month, form), (_, paid) in audit.answer.payments.items():
        last = shifted(month, 1) - timedelta(days=1)
        into = pay.paid_in
        if pay.paid_in_label:
            into = audit.book.label(payee, pay.paid_in_label, last) or own
        if into in ("", own):
            continue
        rate = audit.book.rate(own, into, str(last) if pay.paid_on == "day" else f"{last:%Y-%m}")
        if rate is None or not (len(into) == 3 and into.isalpha() and into.isupper()):
            audit.answer.exchanges[payee, month, form] = (into, rate, None)
            continue
        per = {"JPY": 1, "KWD": 1000}.get(into, 100)
        value = rounded(Fraction(paid) * Fraction(rate), audit.terms.round_mode, per)
        audit.answer.exchanges[payee, month, form] = (into, rate, value)


def _fund(audit: Any, fund: Any) -> None:
    paid = audit.answer.payments
    claims = _claims(audit, fund)
    for payee in sorted({k[0] for k in paid if k[2] == fund.form} | {p for p, _ in claims}):
        months = [m for p, m, form in paid if (p, form) == (payee, fund.form)]
        month = min(months + [m for p, m in claims if p == payee])
        moves = []
        while month < audit.paid[1]:
            accrued = paid.get((payee, month, fund.form), (ZERO, ZERO))[1]
            moves.append((month, accrued, claims.get((payee, month), ZERO)))
            month = shifted(month, 1)
        for month, *row in purse(fund.cap, fund.lapses, moves):
            if audit.paid[0] <= month:
                audit.answer.funds[payee, month, fund.form] = tuple(row)


def purse(cap: Any, lapses: int, moves: list[tuple[date, Decimal, Decimal]]) -> Iterator[Any]:
    """A purse of coins, each with the month it came with: claims and losses take the oldest."""
    coins: list[tuple[date, Decimal]] = []
    for month, accrued, claimed in moves:
        brought = sum((coin for _, coin in coins), ZERO)
        over = ZERO
        if accrued > 0 and cap is not None:
            over = max(ZERO, min(accrued, brought + accrued - cap))
        coins = _paid_in(coins, month, accrued - over)
        granted = min(claimed, max(ZERO, sum((coin for _, coin in coins), ZERO)))
        coins = _paid_in(coins, month, -granted)
        old = [
            (since, coin)
            for since, coin in coins
            if lapses and coin > 0 and shifted(since, lapses) <= month
        ]
        coins = [coin for coin in coins if coin not in old]
        lapsed = sum((coin for _, coin in old), ZERO)
        balance = sum((coin for _, coin in coins), ZERO)
        yield month, brought, accrued, over, claimed, granted, lapsed, balance


def _paid_in(coins: list[tuple[date, Decimal]], month: date, amount: Decimal) -> Any:
    """Coins with one more, of which a debt takes the oldest first; it stays if there are none."""
    debt = -min(amount, ZERO) - sum((coin for _, coin in coins if coin < 0), ZERO)
    held = [(since, coin) for since, coin in coins if coin > 0]
    held += [(month, amount)] if amount > 0 else []
    left = []
    for since, coin in held:
        taken = min(coin, debt)
        debt -= taken
        if coin > taken:
            left.append((since, coin - taken))
    return left + ([(month, -debt)] if debt else [])


def _claims(audit: Any, fund: Any) -> dict[tuple[str, date], Decimal]:
    found = {}
    for figures in audit.book.by_figure.values():
        for figure in figures[:1] if len(figures) == 1 else ():
            of_month = figure.figure == fund.claims and figure.period[5:].isdigit()
            if not of_month or figure.currency != audit.currency:
                continue
            month = _month(figure.period)
            if audit.terms.valid_from.replace(day=1) <= month < audit.paid[1]:
                found[figure.party, month] = figure.amount
    return found
