"""Coupons: what of each is spent as granted, what is diverted, and what is left.

A coupon is spent by charges of category Credit that name it: as granted by its customer, in its
currency, on a day of its span, on what it covers, within its amount. All else is diverted: it is
money of the coupon all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from fenrun.base.problem import Place, Problem
from fenrun.base.when import OPEN_END, Span
from fenrun.engine.dialect import literal
from fenrun.pricing.charges import PricedCharges, charges_of
from fenrun.pricing.lines import WIDE
from fenrun.settle.facts import knowledge_time
from fenrun.settle.terms_in_force import known_terms
from fenrun.store.facts import Store
from fenrun.tables.latest import Known
from fenrun.terms.used_up import Purse, most_of, reissued

_ANY, _PURPOSE, _DAYS = "any", "purpose ", "days "
_MOST_ROWS = 20
_NOTHING = Decimal(0)
_STEPS = ("met_groups", "priced_shares", "met_rows")


@dataclass
class Spent:
    """Credits by one coupon, of one customer, diverted for one reason."""

    coupon: str
    customer: str
    """Who spent it; empty for accounts of no customer."""
    currency: str
    reason: str
    """What is not as granted: `unknown` (no such coupon), `customer`, `currency`, `days`, `purpose`
    or `amount`."""
    amount: Decimal = _NOTHING
    charges: int = 0
    rows: list[str] = field(default_factory=list)
    """The first of the credits, as file and row."""


@dataclass(frozen=True)
class Balance:
    """A coupon at the end of a day."""

    coupon: str
    customer: str
    currency: str
    granted: Decimal
    granted_by: str
    approval: str
    spent: Decimal
    """As granted."""
    diverted: Decimal
    """Otherwise, in its currency."""
    reissued: Decimal
    """The part that is granted again by other coupons."""
    left: Decimal
    """Granted less all these: what can still be spent; nothing once the coupon has expired."""
    expired: Decimal
    """The part that nobody spent in its span, once that is over."""


@dataclass(frozen=True)
class Coupons:
    """The coupons at the end of a day."""

    on: date
    balances: Sequence[Balance]
    diverted: Sequence[Spent]
    problems: Sequence[Problem] = ()


def coupons_of(
    store: Store, on: date, known: datetime | None = None, since: date = date.min
) -> Coupons:
    """Return the coupons at the end of a day, as known at a moment or as last known.

    What is diverted is that of the days `since` one.
    """
    moment = knowledge_time(store, known)
    terms = known_terms(store, moment)
    charges = charges_of(store, Span(date.min, OPEN_END), moment)
    coupons = {row["coupon"]: row for row in terms.coupons if row["valid_from"] <= on}
    spent = uses(charges, coupons, on)
    balances = [_balance(row, coupons, spent, on) for _, row in sorted(coupons.items())]
    diverted = _diverted(charges, [row for row in spent if row["reason"] and row["day"] >= since])
    return Coupons(on, balances, diverted, list(_reissued_wrongly(coupons, balances)))


def _met(charges: PricedCharges, coupons: Iterable[Known]) -> dict[str, str]:
    """Return SQL of whether a charge is a credit by a coupon, and how it fits each, by term."""
    named = charges.fragments["coupon"]
    is_credit = f"{charges.fragments['category']} = 'Credit' AND {named} IS NOT NULL"
    found = {_ANY: is_credit}
    for row in coupons:
        mine = f"{is_credit} AND {named} = {literal(row['coupon'])}"
        found[_DAYS + row["coupon"]] = f"{mine} AND {charges.within(row)}"
        found[_PURPOSE + row["coupon"]] = f"{mine} AND {charges.condition(row['covers'])}"
    return found


def uses(
    charges: PricedCharges, coupons: Mapping[str, Known], on: date = OPEN_END
) -> list[dict[str, Any]]:
    """Return the credits by coupon up to a day, in their order, each with `amount` and `reason`.

    The reasons are those of `Spent`. A row has import_id, row_no, day, customer, coupon_id,
    currency, product and `billed`, below zero.
    """
    rows = charges.run(*_STEPS, terms=_met(charges, coupons.values()))
    return _with_reasons(coupons, [row for row in rows if row["day"] <= on])


def _with_reasons(
    coupons: Mapping[str, Known], rows: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return credits with what each spends of its coupon, and the reason if that is diverted.

    In the order in which they came: what is beyond the amount, less what is issued again, comes
    last.
    """
    purse, found = Purse(), []
    for row in rows:
        name, amount = row["coupon_id"], WIDE.minus(row["billed"])
        reason = _reason(coupons.get(name), row)
        if not reason and not purse.takes(name, amount, most_of(coupons, name, row["day"])):
            reason = "amount"
        found.append({**row, "amount": amount, "reason": reason})
    return found


def _diverted(charges: PricedCharges, rows: Iterable[Mapping[str, Any]]) -> list[Spent]:
    """Return credits by coupon, customer, currency and reason."""
    found: dict[tuple[str, ...], Spent] = {}
    for row in rows:
        key = (row["coupon_id"], row["customer"], row["currency"], row["reason"])
        one = found.setdefault(key, Spent(*key))
        one.amount = WIDE.add(one.amount, row["amount"])
        one.charges += 1
        if len(one.rows) < _MOST_ROWS:
            one.rows.append(f"{charges.sources[row['import_id']]}:{row['row_no']}")
    return [found[key] for key in sorted(found)]


def _reason(coupon: Known | None, row: Mapping[str, Any]) -> str:
    """Return why a credit is not what a coupon was granted for; nothing where it is."""
    if coupon is None:
        return "unknown"
    name = coupon["coupon"]
    if row["customer"] != coupon["customer"]:
        return "customer"
    if row["currency"] != coupon["currency"]:
        return "currency"
    if _DAYS + name not in row["met"]:
        return "days"
    return "" if _PURPOSE + name in row["met"] else "purpose"


def _balance(
    coupon: Known, coupons: Mapping[str, Known], spent: Iterable[Mapping[str, Any]], on: date
) -> Balance:
    """Return a coupon with what was spent of it, and issued again, by the end of a day."""
    as_granted, diverted = _NOTHING, _NOTHING
    for row in spent:
        if (row["coupon_id"], row["currency"]) == (coupon["coupon"], coupon["currency"]):
            if row["reason"]:
                diverted = WIDE.add(diverted, row["amount"])
            else:
                as_granted = WIDE.add(as_granted, row["amount"])
    again = reissued(coupons, coupon["coupon"], on)
    gone = WIDE.add(WIDE.add(as_granted, diverted), again)
    left = WIDE.subtract(coupon["amount"], gone)
    is_over = on >= coupon["valid_to"] - timedelta(days=1)
    return Balance(
        coupon=coupon["coupon"],
        customer=coupon["customer"],
        currency=coupon["currency"],
        granted=coupon["amount"],
        granted_by=coupon["granted_by"],
        approval=coupon["approval"],
        spent=as_granted,
        diverted=diverted,
        reissued=again,
        left=_NOTHING if is_over else left,
        expired=left if is_over else _NOTHING,
    )


def _reissued_wrongly(
    coupons: Mapping[str, Known], balances: Iterable[Balance]
) -> Iterator[Problem]:
    """Yield the coupons of which more was issued again than was left."""
    for one in balances:
        if one.reissued and WIDE.add(one.left, one.expired) < 0:
            row = coupons[one.coupon]
            more = WIDE.minus(WIDE.add(one.left, one.expired))
            values = {"coupon": one.coupon, "amount": f"{more:,.2f} {one.currency}"}
            yield Problem("coupon-reissued", Place(row["file"], row["row_no"], "amount"), values)
