"""The reading of events: CSV, Parquet, YAML and workbooks, as a book is read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fenrun.base.money import parse_amount
from fenrun.base.when import parse_day
from fenrun.events.rows import EVENT_KINDS, PAYMENT_KINDS, TABLES, Event, Payment, Trade
from fenrun.tables.fields import Fields
from fenrun.tables.layout import Layout

COLUMNS = {
    "events": {
        "event": True,
        "at": True,
        "kind": True,
        "actor": False,
        "customer": False,
        "party": False,
        "order": False,
        "device": False,
        "address": False,
    },
    "payments": {
        "payment": True,
        "day": True,
        "payer": True,
        "customer": True,
        "amount": True,
        "currency": True,
        "kind": True,
        "reference": False,
        "total": False,
    },
    "trades": {
        "trade": True,
        "day": True,
        "seller": True,
        "buyer": True,
        "item": True,
        "serial": False,
        "quantity": False,
        "amount": True,
        "currency": True,
        "project": False,
    },
}
"""The columns of each table in files, and whether they must be there."""


def _event(row: Fields) -> list[Event]:
    at = row.moment("at")
    if not row.fields.get("at"):
        row.reject("at", "book-empty")
    kind = row.choice("kind", EVENT_KINDS)
    if at is None:
        return []
    others = ("actor", "customer", "party", "order", "device", "address")
    texts = {column: row.text(column, "") for column in others}
    return [Event(event=row.text("event"), at=at, kind=kind, **texts, row_no=row.row_no)]


def _payment(row: Fields) -> list[Payment]:
    made = Payment(
        payment=row.text("payment"),
        day=row.read("day", parse_day, None),
        payer=row.text("payer"),
        customer=row.text("customer"),
        amount=row.read("amount", parse_amount, None),
        currency=row.text("currency"),
        kind=row.choice("kind", PAYMENT_KINDS),
        reference=row.text("reference", ""),
        total=row.read_if_there("total", parse_amount),
        row_no=row.row_no,
    )
    return [made]


def _trade(row: Fields) -> list[Trade]:
    made = Trade(
        trade=row.text("trade"),
        day=row.read("day", parse_day, None),
        seller=row.text("seller"),
        buyer=row.text("buyer"),
        item=row.text("item"),
        serial=row.text("serial", ""),
        quantity=row.read("quantity", parse_amount, Decimal(1)),
        amount=row.read("amount", parse_amount, None),
        currency=row.text("currency"),
        project=row.text("project", ""),
        row_no=row.row_no,
    )
    return [made]


_MAKERS: dict[str, Callable[[Fields], list[Any]]] = {
    "events": _event,
    "payments": _payment,
    "trades": _trade,
}
LAYOUT = Layout("events", COLUMNS, TABLES, _MAKERS)
"""The tables of a file of events."""
