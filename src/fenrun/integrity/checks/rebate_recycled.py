"""Rebates that are passed on until a customer pays less than the floor: commission buys revenue.

A fact against the terms: the list price, the floor, and what is passed on, which is a figure
`passed-on` of the customer, or a payment (transfer or refund) from the partner, its owner or who
has its bank account, beyond the price of goods that the customer sold by it. What is billed is
at the floor or above it, else the sale is below the floor already (`dumping`). A payment is of what
was bought since the one before it, so that a rebate of a quarter is not taken for one of a month;
in the first half of a month it is of those before. A
refund passes on only what it gives back above what was returned, or was paid in and not used; what
it was given to prepay (`prepay-fronted`) is no rebate. What an approval grants is no break, and a
figure and the payment of it are one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from math import ceil
from statistics import median

import pyarrow as pa

from fenrun.base.when import Period, add_months, parse_period
from fenrun.base.words import Unreadable
from fenrun.integrity.checks.prepay_fronted import given_for_prepayments, paid_by
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, Seen
from fenrun.pricing.lines import PASSED_ON, WIDE
from fenrun.tables.latest import Known
from fenrun.terms.as_of import Chain
from fenrun.terms.limits import parse_limit

_SUMS = """
SELECT t.floor, s.customer, CAST(date_trunc('month', g.day) AS DATE) AS month, g.currency,
       list_sort(list_filter(g.met, lambda term: starts_with(term, 'granted '))) AS granted,
       sum(g.list * s.share) AS list,
       sum(g.billed * s.share) AS billed
FROM met_groups AS g
JOIN priced_shares AS s ON s.group_id = g.group_id
JOIN (SELECT group_id, unnest(met) AS floor FROM met_groups) AS t ON t.group_id = g.group_id
WHERE s.customer IN (SELECT customer FROM asked) AND starts_with(t.floor, 'floor ')
GROUP BY ALL
ORDER BY ALL"""
_ACCOUNTS = """
SELECT DISTINCT g.issuer, g.account
FROM sold AS s JOIN sold_groups AS g USING (group_id)
WHERE s.customer IN (SELECT customer FROM asked)"""
_SPENT = """
SELECT customer, month, currency, sum(billed) AS billed,
       coalesce(-sum(returned) FILTER (WHERE category <> 'Credit'), 0) AS returned
FROM sold GROUP BY ALL"""
_FLOOR, _GRANTED = "floor ", "granted "
_BACK, _IN = ("transfer", "refund"), ("invoice", "prepay", "top-up")
_HALF = timedelta(days=15)
"""What is paid in the first half of a month is of those before it."""
_NOTHING = Decimal(0)
_ROUNDED = Decimal("0.005")
"""By how much rounding alone can bring a month below a floor."""
Key = tuple[str, str]
"""A customer and a currency."""
Amounts = Mapping[tuple[str, date, str], Decimal]
"""By customer, month and currency."""


@dataclass(frozen=True)
class PassedOn:
    """Money passed on to a customer for some months: an amount, and a rate of what is billed."""

    months: tuple[date, ...]
    amount: Decimal
    rate: Decimal
    evidence: tuple[Evidence, ...]


@dataclass
class MonthSums:
    """A customer's purchases under a floor in a month, and the least for them."""

    list: Decimal = _NOTHING
    billed: Decimal = _NOTHING
    least: Decimal = _NOTHING


def run(seen: Seen) -> Outcome:
    """Return the customers who pay less than a floor after what is passed on."""
    floors = {
        row["floor"]: rate for row in seen.terms.floors if (rate := _rate(row["least"])) is not None
    }
    rows = seen.query(_SPENT) if floors else []
    spent, returned = (
        {(row["customer"], row["month"], row["currency"]): row[name] for row in rows}
        for name in ("billed", "returned")
    )
    passed = _passed_on(seen, spent, returned)
    if not floors or not passed:
        return Outcome()
    customers = sorted({customer for customer, _ in passed})
    sums = _month_sums(seen, floors, customers)
    alerts = []
    for customer in customers:
        below = [
            (floor, one)
            for (floor, who, currency), of in sums.items()
            if who == customer
            for one in passed.get((customer, currency), ())
            if _is_below(of, one, {month: spent[customer, month, currency] for month in of})
        ]
        if below:
            alerts.append(_alert(seen, customer, below))
    return Outcome(len({customer for _, customer, _ in sums}), alerts)


def _rate(least: str) -> Decimal | None:
    """Return the part of the list that a limit asks for; None where it asks for a price."""
    try:
        limit = parse_limit(least)
    except Unreadable:
        return None
    return limit.rate if limit.basis == "list" else None


# --- what is passed on ------------------------------------------------------------------------


def _passed_on(seen: Seen, spent: Amounts, returned: Amounts) -> dict[Key, list[PassedOn]]:
    """Return what is passed on to each customer, as figures say and as payments show."""
    found = defaultdict[Key, list[PassedOn]](list)
    currencies = {currency for _, _, currency in spent}
    for figure in seen.book.figures(figure=PASSED_ON):
        months = _months_of(seen.period, figure["period"])
        customer, whole = figure["party"], figure["amount"]
        evidence = Evidence("passed-on", "figures", f"{customer} {PASSED_ON} {figure['period']}")
        for currency in [figure["currency"]] if figure["currency"] else sorted(currencies):
            amount, rate = (whole, _NOTHING) if figure["currency"] else (_NOTHING, whole)
            if months:
                found[customer, currency].append(PassedOn(months, amount, rate, (evidence,)))
    paid = defaultdict[Key, list[Known]](list)
    prepaid, goods = given_for_prepayments(seen), {row["trade"]: row for row in seen.trades}
    for row in seen.payments:
        if row["payment"] in prepaid:
            continue
        is_back = row["kind"] in _BACK and row["day"] - _HALF in seen.period.span
        if is_back and paid_by(seen, row) and (more := _without_goods(row, goods)):
            paid[row["customer"], row["currency"]].append(row | {"amount": more})
    for key, of in paid.items():
        found[key] += _of_payments(seen, key, of, (spent, returned))
    return {key: ones for key, ones in found.items() if ones}


def _without_goods(paid: Known, goods: Mapping[str, Known]) -> Decimal:
    """Return what a payment gives a customer beyond the price of goods that it names, and that the
    customer sold.
    """
    sold = goods.get(paid["reference"])
    amount: Decimal = abs(paid["amount"])
    if not sold or sold["seller"] != paid["customer"] or sold["currency"] != paid["currency"]:
        return amount
    return max(_NOTHING, WIDE.subtract(amount, sold["amount"]))


def _months_of(period: Period, text: str) -> tuple[date, ...]:
    """Return the first days of the months that a figure is of, if all are looked at."""
    try:
        months = parse_period(text).months
    except Unreadable:
        return ()
    is_within = set(months) <= set(period.months)
    return tuple(date.fromisoformat(f"{month}-01") for month in months) if is_within else ()


def _of_payments(
    seen: Seen, key: Key, paid: Sequence[Known], sums: tuple[Amounts, Amounts]
) -> Iterator[PassedOn]:
    """Yield what payments to a customer pass on, each of what it bought since the one before it.

    The first is of as long as mostly lies between two; a single one of all months before it.
    """
    customer, currency = key
    by_month = defaultdict[date, list[Known]](list)
    for row in paid:
        by_month[(row["day"] - _HALF).replace(day=1)].append(row)
    days = sorted(by_month)
    bought = sorted(month for who, month, of in sums[0] if (who, of) == key)
    steps = [_apart(first, then) for first, then in pairwise(days)]
    usual = [ceil(median(steps))] if steps else [len(bought)]
    for day, step in zip(days, [*usual, *steps]):
        months = tuple(month for month in bought if 0 <= _apart(month, day) < step)
        of = by_month[day]
        transferred, refunded = (
            sum((abs(row["amount"]) for row in of if row["kind"] == kind), _NOTHING)
            for kind in _BACK
        )
        for month in months if refunded else ():
            refunded -= sums[1][customer, month, currency]
        if refunded > 0:
            refunded -= _unused(seen, key, of[-1]["day"], sums[0])
        amount = transferred + max(_NOTHING, refunded)
        if months and amount > 0:
            evidence = (Evidence("passed-on", "payments", row["payment"]) for row in of)
            yield PassedOn(months, amount, _NOTHING, tuple(evidence))


def _apart(first: date, then: date) -> int:
    return (then.year - first.year) * 12 + then.month - first.month


def _unused(seen: Seen, key: Key, day: date, spent: Amounts) -> Decimal:
    """Return what a customer has paid in until a day and not been billed for, or nothing."""
    customer, currency = key
    paid_in = (
        row["amount"]
        for row in seen.payments_about(customer)
        if row["payer"] == customer
        and row["currency"] == currency
        and row["kind"] in _IN
        and row["day"] <= day
    )
    billed = (
        of
        for (who, month, of_currency), of in spent.items()
        if (who, of_currency) == key and month <= day
    )
    return max(_NOTHING, WIDE.subtract(sum(paid_in, _NOTHING), sum(billed, _NOTHING)))


# --- against the floors -----------------------------------------------------------------------


def _month_sums(
    seen: Seen, floors: Mapping[str, Decimal], customers: Sequence[str]
) -> dict[tuple[str, str, str], dict[date, MonthSums]]:
    """Return what some customers bought by floor, customer and currency, month by month.

    The charges of their accounts alone are read, beside the approvals that can be for them.
    """
    seen.engine.load("asked", pa.table({"customer": pa.array(customers, pa.string())}))
    accounts = seen.query(_ACCOUNTS)
    seen.charges.load_some("some_charges", [(r["issuer"], r["account"]) for r in accounts])
    sale = f"coalesce({seen.charges.fragments['category']} NOT IN ('Credit', 'Tax'), true)"
    of_floors = {row["floor"]: row for row in seen.terms.floors if row["floor"] in floors}
    chains = {
        _GRANTED + chain.approval: chain
        for chain in seen.terms.chains()
        if chain.state == "approved"
        and chain.first["customer"] in ("", *customers)
        and _rate(chain.first["grants"]) is not None
    }
    rows = {_FLOOR + name: row for name, row in of_floors.items()}
    rows |= {name: chain.first for name, chain in chains.items()}
    terms = {name: f"{sale} AND {seen.charges.covers(row)}" for name, row in rows.items()}
    seen.charges.run("met_groups", "priced_shares", terms=terms, of="some_charges")
    found = defaultdict[tuple[str, str, str], dict[date, MonthSums]](lambda: defaultdict(MonthSums))
    for row in seen.query(_SUMS):
        floor, month = row["floor"].removeprefix(_FLOOR), row["month"]
        granted = [
            _rate(chains[name].first["grants"]) or _NOTHING
            for name in row["granted"]
            if _is_for(seen, chains[name], row["customer"], month)
        ]
        sums = found[floor, row["customer"], row["currency"]][month]
        sums.list += row["list"] or _NOTHING
        sums.billed += row["billed"] or _NOTHING
        sums.least += min([floors[floor], *granted]) * (row["list"] or _NOTHING)
    return found


def _is_for(seen: Seen, chain: Chain, customer: str, month: date) -> bool:
    """Return whether an approval is for a customer and, if it says so, one partner of a month."""
    said, after = chain.first, add_months(month, 1)
    held = seen.links_of("customer", customer, PARTNER, said["partner"])
    is_sold = any(link["valid_from"] < after and month < link["valid_to"] for link in held)
    return said["customer"] in ("", customer) and bool(is_sold or not said["partner"])


def _is_below(
    of: Mapping[date, MonthSums], passed: PassedOn, spent: Mapping[date, Decimal]
) -> bool:
    """Return whether months are at the floor as billed, and below it after what is passed on."""
    months = [month for month in passed.months if month in of]
    least = sum((of[month].least for month in months), _NOTHING) - _ROUNDED
    billed = sum((of[month].billed for month in months), _NOTHING)
    whole = sum((spent[month] for month in months), _NOTHING)
    part = WIDE.divide(billed, whole) if whole else _NOTHING
    net = billed * (1 - passed.rate) - passed.amount * part
    return bool(least > 0 and billed >= least and net < least)


def _alert(seen: Seen, customer: str, below: Sequence[tuple[str, PassedOn]]) -> Alert:
    months = sorted({month for _, one in below for month in one.months})
    sold = seen.query(
        "SELECT group_id, partner, day, last FROM sold WHERE customer = ? AND month IN ("
        + ", ".join(f"DATE '{month}'" for month in months)
        + ") ORDER BY ALL",
        [customer],
    )
    floors = (Evidence("floor", "floors", floor) for floor in sorted({name for name, _ in below}))
    passed = (row for _, one in below for row in one.evidence)
    return Alert(
        parties=tuple(sorted({row["partner"] for row in sold} - {""})),
        customers=(customer,),
        start=min(row["day"] for row in sold),
        end=max(row["last"] for row in sold),
        evidence=tuple(dict.fromkeys((*floors, *passed))),
        groups=tuple(row["group_id"] for row in sold),
        shows="passed-below",
    )
