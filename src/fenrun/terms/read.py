"""The reading of terms: CSV, Parquet, YAML and workbooks, as a book is read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fenrun.base.money import parse_amount, parse_rate
from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.base.words import Unreadable
from fenrun.plan.conditions import ConditionError, parse
from fenrun.plan.vocabulary import AGREEMENT_KINDS
from fenrun.tables.fields import Fields
from fenrun.tables.layout import Layout
from fenrun.terms.limits import parse_limit
from fenrun.terms.rows import (
    OUTCOMES,
    TABLES,
    Agreement,
    Approval,
    Coupon,
    Floor,
    Price,
)

COLUMNS = {
    "agreements": {
        "agreement": True,
        "kind": True,
        "customer": False,
        "partner": False,
        "from": False,
        "to": False,
        "amount": False,
        "currency": False,
        "covers": False,
        "shortfall": False,
        "reference": False,
    },
    "floors": {
        "floor": True,
        "covers": False,
        "least": True,
        "from": False,
        "to": False,
        "fine": False,
        "currency": False,
        "source": False,
    },
    "approvals": {
        "approval": True,
        "step": True,
        "kind": False,
        "customer": False,
        "partner": False,
        "covers": False,
        "grants": True,
        "amount": False,
        "currency": False,
        "from": False,
        "to": False,
        "asked_by": True,
        "asked_at": True,
        "decided_by": False,
        "decided_at": False,
        "outcome": False,
        "reason": False,
    },
    "coupons": {
        "coupon": True,
        "customer": True,
        "covers": False,
        "amount": True,
        "currency": True,
        "from": False,
        "to": False,
        "granted_by": False,
        "approval": False,
        "reissues": False,
    },
    "prices": {
        "sku": True,
        "price": True,
        "currency": True,
        "from": False,
        "to": False,
        "source": False,
    },
}
"""The columns of each table in files, and whether they must be there."""
_WITH_AMOUNT = ("commit", "prepay", "reservation")
"""The kinds of agreements that mean nothing without an amount and a span."""
_MOST_STEPS = 100


def _agreement(row: Fields) -> list[Agreement]:
    kind = row.choice("kind", AGREEMENT_KINDS)
    start, end = row.days()
    amount = row.read_if_there("amount", _amount)
    currency = _currency(row, amount)
    if kind in _WITH_AMOUNT:
        if amount is None and not row.problems:
            row.reject("amount", "terms-needed", kind=kind)
        for column, day in (("from", start), ("to", end)):
            if day in (LONG_AGO, OPEN_END) and not row.problems:
                row.reject(column, "terms-needed", kind=kind)
    shortfall = row.read_if_there("shortfall", parse_rate)
    if shortfall is not None and kind and kind != "commit":
        row.reject("shortfall", "terms-shortfall", kind=kind)
    made = Agreement(
        agreement=row.text("agreement"),
        kind=kind,
        customer=row.text("customer", ""),
        partner=row.text("partner", ""),
        valid_from=start,
        valid_to=end,
        amount=amount,
        currency=currency,
        covers=_covers(row),
        shortfall=shortfall,
        reference=row.text("reference", ""),
        row_no=row.row_no,
    )
    return [made]


def _floor(row: Fields) -> list[Floor]:
    start, end = row.days()
    fine = row.read_if_there("fine", _amount)
    least = row.text("least")
    limit = row.read("least", parse_limit, None) if least else None
    priced = fine if fine is not None else limit and limit.price
    made = Floor(
        floor=row.text("floor"),
        covers=_covers(row),
        least=least,
        valid_from=start,
        valid_to=end,
        fine=fine,
        currency=_currency(row, priced),
        source=row.text("source", ""),
        row_no=row.row_no,
    )
    return [made]


def _approval(row: Fields) -> list[Approval]:
    start, end = row.days()
    asked_at, decided_at = row.moment("asked_at"), row.moment("decided_at")
    outcome = row.choice("outcome", OUTCOMES, "")
    decided_by = row.text("decided_by", "")
    if not row.fields.get("asked_at"):
        row.reject("asked_at", "book-empty")
    elif outcome and decided_at is None and "decided_at" not in row.unread:
        row.reject("decided_at", "terms-undecided", outcome=outcome)
    elif outcome in OUTCOMES[:2] and not decided_by:
        row.reject("decided_by", "terms-undecided", outcome=outcome)
    elif decided_at is not None and not outcome:
        row.reject("outcome", "book-empty")
    elif asked_at and decided_at and decided_at < asked_at:
        row.reject("decided_at", "terms-decided-early", asked=asked_at, decided=decided_at)
    amount = row.read_if_there("amount", _amount)
    step = row.read("step", _step, None)
    if row.problems or asked_at is None:
        return []
    made = Approval(
        approval=row.text("approval"),
        step=step,
        kind=row.text("kind", ""),
        customer=row.text("customer", ""),
        partner=row.text("partner", ""),
        covers=_covers(row),
        grants=row.text("grants"),
        amount=amount,
        currency=_currency(row, amount),
        valid_from=start,
        valid_to=end,
        asked_by=row.text("asked_by"),
        asked_at=asked_at,
        decided_by=decided_by,
        decided_at=decided_at,
        outcome=outcome,
        reason=row.text("reason", ""),
        row_no=row.row_no,
    )
    return [made]


def _coupon(row: Fields) -> list[Coupon]:
    start, end = row.days()
    amount = row.read("amount", _amount, None)
    made = Coupon(
        coupon=row.text("coupon"),
        customer=row.text("customer"),
        covers=_covers(row),
        amount=amount,
        currency=row.text("currency"),
        valid_from=start,
        valid_to=end,
        granted_by=row.text("granted_by", ""),
        approval=row.text("approval", ""),
        reissues=row.text("reissues", ""),
        row_no=row.row_no,
    )
    return [made]


def _price(row: Fields) -> list[Price]:
    start, end = row.days()
    price = row.read("price", _amount, None)
    currency = row.text("currency")
    source = row.text("source", "")
    return [Price(row.text("sku"), price, currency, start, end, source, row.row_no)]


def _amount(text: str) -> Decimal:
    """Read an amount that is not below zero. Raises Unreadable."""
    found = parse_amount(text)
    if found < 0:
        raise Unreadable("terms-below-nothing", text=text)
    return found


def _step(text: str) -> int:
    """Read the place of a step in its chain, from 1. Raises Unreadable."""
    found = parse_amount(text)
    if found != found.to_integral_value() or not 1 <= found <= _MOST_STEPS:
        raise Unreadable("terms-step", text=text, most=_MOST_STEPS)
    return int(found)


def _currency(row: Fields, amount: Decimal | None) -> str:
    """Return the currency of a row, which it must have where it has an amount."""
    return row.text("currency", "" if amount is None else None)


def _covers(row: Fields) -> str:
    """Return the condition on charges of a row; one that cannot be read is a problem."""
    text = row.text("covers", "")
    try:
        if text:
            parse(text, "charge")
    except ConditionError as error:
        row.reject("covers", "terms-condition", near=error.near, why=error.message)
    return text


_MAKERS: dict[str, Callable[[Fields], list[Any]]] = {
    "agreements": _agreement,
    "floors": _floor,
    "approvals": _approval,
    "coupons": _coupon,
    "prices": _price,
}
LAYOUT = Layout("terms", COLUMNS, TABLES, _MAKERS)
"""The tables of a file of terms."""
