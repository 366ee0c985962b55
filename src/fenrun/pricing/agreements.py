"""Agreements over time: what is drawn of a commit or prepay, what is owed, what is recognised.

What is drawn is BilledCost of the charges that an agreement covers, on days of its span, without
coupons and taxes. Of a commit the `shortfall` rate of what is missing is owed once the span is
over, also where nothing was bought. Of a prepay each day of the span recognises an equal part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from fenrun.base.money import minor_units
from fenrun.base.problem import Place, Problem
from fenrun.base.when import OPEN_END, Span
from fenrun.pricing.charges import PricedCharges, charges_of
from fenrun.pricing.lines import WIDE, rounded
from fenrun.settle.facts import knowledge_time
from fenrun.settle.terms_in_force import known_terms
from fenrun.store.facts import Store
from fenrun.tables.latest import Known
from fenrun.terms.over_time import part, recognised_by

_STEPS = ("met_groups", "priced_shares", "met_sums")
_NOTHING = Decimal(0)


@dataclass(frozen=True)
class Drawdown:
    """An agreement at the end of a day. Amounts are in `currency`."""

    agreement: str
    kind: str
    customer: str
    partner: str
    valid_from: date
    valid_to: date
    currency: str
    amount: Decimal
    drawn: Decimal
    """BilledCost that counts under it so far."""
    missing: Decimal
    """The part of the amount that is not drawn."""
    forecast: Decimal
    """The whole that would be drawn, were it to go on as so far; once it is over, what was."""
    owed: Decimal
    """The shortfall that the customer owes: nothing before the span is over."""
    expected: Decimal
    """The shortfall by the forecast."""
    recognised: Decimal
    """Of a prepay: the part of its amount that is for the days so far."""
    deferred: Decimal
    """Of a prepay: the part that is for the days after."""
    months: Mapping[str, Decimal] = field(default_factory=dict)
    """What is drawn, by month of use."""


@dataclass(frozen=True)
class Agreements:
    """The agreements with an amount at the end of a day."""

    on: date
    rows: Sequence[Drawdown]
    problems: Sequence[Problem]


def agreements_of(store: Store, on: date, known: datetime | None = None) -> Agreements:
    """Return the agreements that began by a day, as known at a moment or as last known."""
    moment = knowledge_time(store, known)
    found = [
        row
        for row in known_terms(store, moment).agreements
        if row["amount"] is not None and row["valid_from"] <= on
    ]
    after = on + timedelta(days=1)
    charges = charges_of(store, Span(date.min, OPEN_END), moment)
    terms = {row["agreement"]: _counts(charges, row, after) for row in found}
    sums = charges.run(*_STEPS, terms=terms) if terms else []
    problems = [problem for row in found for problem in _in_other_currencies(row, sums)]
    return Agreements(on, [_drawdown(row, sums, after) for row in found], problems)


def _counts(charges: PricedCharges, row: Known, after: date) -> str:
    """Return SQL of whether a charge counts under an agreement, before a day."""
    so_far = row | {"valid_to": min(row["valid_to"], after)}
    category, coupon = charges.fragments["category"], charges.fragments["coupon"]
    aside = f"{category} = 'Tax' OR ({category} = 'Credit' AND {coupon} IS NOT NULL)"
    return f"NOT coalesce({aside}, false) AND {charges.covers(so_far)}"


def _mine(row: Known, sums: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the sums of an agreement's customer, or of all where it binds all."""
    return [
        one
        for one in sums
        if one["term"] == row["agreement"] and row["customer"] in ("", one["customer"])
    ]


def _in_other_currencies(row: Known, sums: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Return a problem where charges of an agreement are in a currency other than its own."""
    others = {one["currency"] for one in _mine(row, sums)} - {row["currency"]}
    place = Place(row["file"], row["row_no"], "currency")
    values = {"agreement": row["agreement"], "currency": row["currency"]}
    values |= {"others": ", ".join(sorted(others))}
    return [Problem("agreement-currency", place, values)] if others else []


def _drawdown(row: Known, sums: Iterable[Mapping[str, Any]], after: date) -> Drawdown:
    """Return an agreement with what is drawn of it before a day."""
    start, end, amount = row["valid_from"], row["valid_to"], row["amount"]
    months: dict[str, Decimal] = {}
    for one in _mine(row, sums):
        if one["currency"] == row["currency"]:
            month = f"{one['month']:%Y-%m}"
            months[month] = WIDE.add(months.get(month, _NOTHING), one["billed"])
    drawn = _NOTHING
    for amount_drawn in months.values():
        drawn = WIDE.add(drawn, amount_drawn)
    days, done = (end - start).days, (min(after, end) - start).days
    is_over, places = after >= end, minor_units(row["currency"])
    forecast = drawn if is_over else part(drawn, days, done, places)
    recognised = recognised_by(row, after) if row["kind"] == "prepay" else _NOTHING
    rate = row["shortfall"] or _NOTHING
    return Drawdown(
        agreement=row["agreement"],
        kind=row["kind"],
        customer=row["customer"],
        partner=row["partner"],
        valid_from=start,
        valid_to=end,
        currency=row["currency"],
        amount=amount,
        drawn=drawn,
        missing=max(WIDE.subtract(amount, drawn), _NOTHING),
        forecast=forecast,
        owed=_shortfall(amount, drawn, rate, places) if is_over else _NOTHING,
        expected=_shortfall(amount, forecast, rate, places),
        recognised=recognised,
        deferred=WIDE.subtract(amount, recognised) if row["kind"] == "prepay" else _NOTHING,
        months=dict(sorted(months.items())),
    )


def _shortfall(amount: Decimal, drawn: Decimal, rate: Decimal, places: int) -> Decimal:
    missing = max(WIDE.subtract(amount, drawn), _NOTHING)
    return rounded(WIDE.multiply(missing, rate), places)
