"""Payments of closed periods: what is due to whom, and how far each payment has come.

fenrun pays nobody: operations say what was sent, paid or returned, and on which day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction

from fenrun.base.money import plain, show_sums, sums_of
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import Message
from fenrun.portal import models
from fenrun.portal.commands import notices
from fenrun.portal.commands.reasons import reason_problems, too_long
from fenrun.portal.events import now, record_event

_DB = "default"
DUE, SENT, PAID, RETURNED = models.Payment.STATES
NEXT: Mapping[str, tuple[str, ...]] = {
    DUE: (SENT, PAID),
    SENT: (PAID, RETURNED, DUE),
    PAID: (RETURNED, SENT),
    RETURNED: (SENT, DUE),
}
"""The states that follow each; going back mends what was said by mistake."""
_PLACE = Place("payments")


def enter_due(period: str) -> None:
    """Enter what a closed period pays, once: by payee, currency and form of payment."""
    rows = models.Payment.objects.using(_DB)
    shown = models.Period.objects.using(_DB).filter(key=period, closed=True)
    if not shown.exists() or rows.filter(period=period).exists():
        return
    statements = models.Statement.objects.using(_DB).filter(period_id=period).order_by("rank")
    due = [one for statement in statements for one in _due_by(statement)]
    rows.bulk_create(due, batch_size=500, ignore_conflicts=True)


def _due_by(statement: models.Statement) -> list[models.Payment]:
    """Return what a closed statement pays, by form; its amounts sum to what is payable."""
    body = statement.body
    paid = [(row["form"], Decimal(row["paid"])) for row in body["payments"]]
    paid = paid or [(models.Payment.CASH, Decimal(body["paid"]))]
    late = [
        (row["component"], Decimal(row["amount"]))
        for row in body["differences"]
        if row["what"] == PAID
    ]
    by_form = {form: amount for form, amount in sums_of([*paid, *late]).items() if amount}
    if sum(by_form.values(), Decimal(0)) != Decimal(statement.payable):
        values = {"payee": statement.payee, "payable": statement.payable}
        raise Refused([Problem("payment-unlike", Place(statement.period_id), values)])
    return [
        models.Payment(
            period=statement.period_id,
            payee=statement.payee,
            name=statement.name,
            currency=statement.currency,
            form=form,
            amount=plain(amount),
        )
        for form, amount in by_form.items()
    ]


def change(
    actor: str, numbers: Iterable[int], state: str, day: date, reason: str
) -> list[models.Payment]:
    """Bring payments into a state, as of a day. Raises Refused, or changes all of them.

    A payment that came back needs a reason, and so does one that goes back a step.
    """
    wanted = sorted(set(numbers))
    with transaction.atomic(using=_DB):
        rows = models.Payment.objects.using(_DB).select_for_update().filter(pk__in=wanted)
        found = list(rows.order_by("pk"))
        _refuse_wrong(found, wanted, state, day, reason)
        for one in found:
            one.state, one.day, one.reason = state, day, reason.strip()
            one.changed_by, one.changed_at = actor, now()
        fields = ["state", "day", "reason", "changed_by", "changed_at"]
        models.Payment.objects.using(_DB).bulk_update(found, fields, batch_size=200)
        for period in sorted({one.period for one in found}):
            of = [one for one in found if one.period == period]
            said = {"numbers": [one.pk for one in of], "sum": show_sums(total(of))}
            said |= {"day": str(day), "reason": reason.strip()}
            record_event(actor, f"payments {state}", period, **said)
            if state in (PAID, RETURNED):
                told = notices.holders_of(one.payee for one in of)
                notices.notify_each(told, f"payment-{state}", period)
    return found


def _refuse_wrong(
    found: Sequence[models.Payment], wanted: Sequence[int], state: str, day: date, reason: str
) -> None:
    """Raise Refused for payments that are none, cannot come into the state, or want a reason."""
    if not wanted or len(found) != len(wanted):
        raise Refused([Problem("payment-none", _PLACE)])
    wrong = [one for one in found if state not in NEXT[one.state]]
    if wrong:
        values: dict[str, Any] = {"payee": wrong[0].payee, "is": _in_words(wrong[0].state)}
        values["wanted"] = _in_words(state)
        raise Refused([Problem("payment-step", Place(wrong[0].period), values, rows=len(wrong))])
    if day > now().date():
        raise Refused([Problem("payment-day", _PLACE, {"day": day})])
    goes_back = state in (DUE, RETURNED) or any(one.state == PAID for one in found)
    if problems := (reason_problems if goes_back else too_long)(reason, _PLACE):
        raise Refused(problems)
    if state in (SENT, PAID) and any(Decimal(one.amount) < 0 for one in found):
        owing = next(one for one in found if Decimal(one.amount) < 0)
        values = {"payee": owing.payee, "amount": owing.amount, "currency": owing.currency}
        raise Refused([Problem("payment-owed", Place(owing.period), values)])


def _in_words(state: str) -> Message | str:
    return Message(f"payment-{state}") if state in NEXT else state[:40]


def total(payments: Iterable[models.Payment]) -> dict[str, Decimal]:
    """Return the sums of payments by currency."""
    return sums_of((one.currency, Decimal(one.amount)) for one in payments)


def totals_by_state(payments: Iterable[models.Payment]) -> list[dict[str, Any]]:
    """Return count and sums of payments in each state, in the order of the states."""
    rows = list(payments)
    by_state = {state: [one for one in rows if one.state == state] for state in NEXT}
    return [
        {"state": state, "count": len(found), "sums": show_sums(total(found)) if found else ""}
        for state, found in by_state.items()
    ]
