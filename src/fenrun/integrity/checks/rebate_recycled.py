"""Rebates that are passed on until a customer pays less than the floor: commission buys revenue.

A fact against the terms: the list price, the floor, and what is passed on, which is a figure
`passed-on` of the customer, or a payment (transfer or refund) from the partner, its house or who
works for it, beyond the price of goods that the customer sold it. What is billed is at the floor
or above it, else the sale is below the floor already (`dumping`). A payment is of what was bought
since the one before it, so that a rebate of a quarter is not taken for one of a month. No payment
says whether it is of months up to its own or up to the one before: it is below the floor if it is
so either way. A refund passes on only what it gives back above what was returned, or was paid in
and not used; what it was given to prepay (`prepay-fronted`) is no rebate, nor is what the
customer's own house gives it. What an approval grants is no break, and a figure and the payment of
it are one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median_high
from typing import Any

import pyarrow as pa

from fenrun.base.when import Period, add_months, parse_period
from fenrun.base.words import Unreadable
from fenrun.integrity.checks.prepay_fronted import given_for_prepayments, paid_by
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, Seen
from fenrun.pricing.lines import PASSED_ON, WIDE
from fenrun.tables.latest import Known
from fenrun.terms.as_of import Chain
from fenrun.terms.limits import Limit, parse_limit

_SUMS = """
SELECT t.floor, s.customer, CAST(date_trunc('month', g.day) AS DATE) AS month, g.currency,
       list_sort(list_filter(g.met, lambda term: starts_with(term, 'granted '))) AS granted,
       sum(g.quantity * s.share) AS quantity, sum(g.list * s.share) AS list,
       sum(g.contracted * s.share) AS contracted, sum(g.billed * s.share) AS billed,
       sum(g.effective * s.share) AS effective
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
_NOTHING = Decimal(0)
_HALF = 15
"""The last day of the first half of a month."""
_NOISE = Decimal("0.1")
"""By how much of a rebate it can differ from the next for reasons of its own."""
_ROUNDED = Decimal("0.005")
"""By how much rounding alone can bring a month below a floor."""
Key = tuple[str, str]
"""A customer and a currency."""
Amounts = Mapping[Key, Mapping[date, Decimal]]
"""By customer and currency, then by month."""


@dataclass(frozen=True)
class PassedOn:
    """Money passed on to a customer for some months: an amount, and a rate of what is billed."""

    months: tuple[date, ...]
    amount: Decimal
    rate: Decimal
    evidence: tuple[Evidence, ...]
    parties: frozenset[str] = frozenset()
    """Who passed it on, and the partners that it is of; nobody where a figure says it."""


Readings = Sequence[Sequence[PassedOn]]
"""All that one source says is passed on to a customer, as it may be read, the likeliest first."""


@dataclass
class MonthSums:
    """A customer's purchases under a floor in a month, and the least for them."""

    billed: Decimal = _NOTHING
    least: Decimal = _NOTHING


def run(seen: Seen) -> Outcome:
    """Return the customers who pay less than a floor after what is passed on."""
    floors = {row["floor"]: row for row in seen.terms.floors if _limit(row["least"])}
    spent, returned = (
        defaultdict[Key, dict[date, Decimal]](dict),
        defaultdict[Key, dict[date, Decimal]](dict),
    )
    for row in seen.query(_SPENT) if floors else []:
        spent[row["customer"], row["currency"]][row["month"]] = row["billed"]
        returned[row["customer"], row["currency"]][row["month"]] = row["returned"]
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
            for readings in passed.get((customer, currency), ())
            for one in _below(of, readings, spent.get((customer, currency), {}))
        ]
        if below:
            alerts.append(_alert(seen, customer, below))
    return Outcome(len({customer for _, customer, _ in sums}), alerts)


def _limit(text: str) -> Limit | None:
    """Return the price that a floor asks for or an approval grants; None where it is no price."""
    try:
        return parse_limit(text)
    except Unreadable:
        return None


# --- what is passed on ------------------------------------------------------------------------


def _passed_on(seen: Seen, spent: Amounts, returned: Amounts) -> dict[Key, list[Readings]]:
    """Return what is passed on to each customer, as figures say and as payments show."""
    said = defaultdict[Key, list[PassedOn]](list)
    currencies = {currency for _, currency in spent}
    for figure in seen.book.figures(figure=PASSED_ON):
        months = _months_of(seen.period, figure["period"])
        customer, whole = figure["party"], figure["amount"]
        evidence = Evidence("passed-on", "figures", f"{customer} {PASSED_ON} {figure['period']}")
        for currency in [figure["currency"]] if figure["currency"] else sorted(currencies):
            amount, rate = (whole, _NOTHING) if figure["currency"] else (_NOTHING, whole)
            if months:
                said[customer, currency].append(PassedOn(months, amount, rate, (evidence,)))
    found = defaultdict[Key, list[Readings]](list)
    for key, figures in said.items():
        found[key].append([figures])
    for key, paid in _paid_back(seen).items():
        readings = _of_payments(seen, key, paid, (spent, returned))
        if readings and all(readings):
            found[key].append(readings)
    return found


def _paid_back(seen: Seen) -> dict[Key, list[Known]]:
    """Return what partners, or others with their money, pay to each customer.

    Each has beside its own columns the `partners` whose money it is. Those of the month after are
    among them: they can be of the last one looked at.
    """
    found = defaultdict[Key, list[Known]](list)
    prepaid = given_for_prepayments(seen)
    after = add_months(seen.period.span.end, 1)
    for row in seen.payments:
        is_back = row["kind"] in _BACK and row["payment"] not in prepaid
        if not is_back or not seen.period.span.start <= row["day"] < after:
            continue
        more = WIDE.subtract(abs(row["amount"]), seen.goods_paid.get(row["payment"], _NOTHING))
        partners = _passing_on(seen, row) if more > 0 else set()
        if partners:
            said = {"amount": more, "partners": partners}
            found[row["customer"], row["currency"]].append(row | said)
    return found


def _passing_on(seen: Seen, paid: Known) -> set[str]:
    """Return the partners, on the day or when the month before ended, whose money a payment is."""
    before = _first_day(paid["day"]) - timedelta(days=1)
    return paid_by(seen, paid) | paid_by(seen, paid | {"day": before})


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
) -> Readings:
    """Return what payments to a customer pass on, each of what it bought since the one before it.

    A single one is of all months before it. One that is also of months that are not looked at is
    left out. The last month of each is its own or the one before: that where it is paid in the
    first half of one, and nobody knows what that will be billed. So they are read, then all the one
    way, and all the other; the likeliest is the first of those in which what is passed on is as
    steady a part of what was billed as in any.
    """
    readings, steady = [], []
    bought = sums[0].get(key, {})
    for last_month in (_billed, _first_day, _month_before):
        by_month = defaultdict[date, list[Known]](list)
        for row in paid:
            by_month[last_month(row["day"])].append(row)
        found = list(_since_the_last(seen, key, by_month, sums))
        if found:
            readings.append([one for one in found if one.amount > 0])
            steady.append(_differing([_part(one.amount, one.months, bought) for one in found]))
    best = next((n for n, of in enumerate(steady) if of <= min(steady) + _NOISE), 0)
    return [*readings[best : best + 1], *readings[:best], *readings[best + 1 :]]


def _part(amount: Decimal, months: Sequence[date], bought: Mapping[date, Decimal]) -> Decimal:
    """Return which part an amount is of what months were billed; all where that is nothing."""
    billed = sum((bought.get(month, _NOTHING) for month in months), _NOTHING)
    return WIDE.divide(amount, billed) if billed > 0 else Decimal(1)


def _differing(parts: Sequence[Decimal]) -> Decimal:
    """Return by how much of the largest some parts differ."""
    return 1 - WIDE.divide(min(parts), max(parts)) if max(parts) else _NOTHING


def _since_the_last(
    seen: Seen,
    key: Key,
    by_month: Mapping[date, Sequence[Known]],
    sums: tuple[Amounts, Amounts],
) -> Iterator[PassedOn]:
    """Yield what payments pass on, by the last month that they are of."""
    bought = sums[0].get(key, {})
    looked_at = {date.fromisoformat(f"{month}-01") for month in seen.period.months}
    for months, of in _with_months(by_month, bought, looked_at):
        if looked_at.issuperset(months) and not bought.keys().isdisjoint(months):
            since = _months_until(_first_day(of[-1]["day"]), len(months))
            evidence = (Evidence("passed-on", "payments", row["payment"]) for row in of)
            by = frozenset(who for row in of for who in (row["payer"], *row["partners"]))
            amount = _given(seen, key, of, since, sums)
            yield PassedOn(months, amount, _NOTHING, tuple(evidence), by)


def _with_months(
    by_month: Mapping[date, Sequence[Known]], bought: Mapping[date, Decimal], looked_at: set[date]
) -> list[tuple[tuple[date, ...], Sequence[Known]]]:
    """Return payments by the last month that they are of, each with the months since the last.

    The first is of as many as most are, but of all before it if it would be a larger part of what
    was billed than any other.
    """
    days = sorted(by_month)
    steps = [_apart(first, then) for first, then in pairwise(days)]
    whole = _months_until(days[0], _apart(min(bought, default=days[0]), days[0]) + 1)
    usual = _months_until(days[0], median_high(steps)) if steps else whole
    found = [usual, *(_months_until(day, length) for day, length in zip(days[1:], steps))]
    parts = [
        _part(sum((row["amount"] for row in by_month[day]), _NOTHING), months, bought)
        for day, months in zip(days, found)
        if looked_at.issuperset(months)
    ]
    is_seen = len(parts) > 1 and looked_at.issuperset(usual) and len(usual) < len(whole)
    if is_seen and parts[0] > max(parts[1:]) * (1 + 2 * _NOISE):
        found[0] = whole
    return [(months, by_month[day]) for day, months in zip(days, found)]


def _first_day(day: date) -> date:
    return day.replace(day=1)


def _month_before(day: date) -> date:
    return add_months(_first_day(day), -1)


def _billed(day: date) -> date:
    """Return the last month of which one knows on a day what it is billed, or nearly so."""
    return _month_before(day) if day.day <= _HALF else _first_day(day)


def _given(
    seen: Seen,
    key: Key,
    paid: Sequence[Known],
    months: Sequence[date],
    sums: tuple[Amounts, Amounts],
) -> Decimal:
    """Return what payments of a month give a customer, beyond what it returned in some months, and
    what it has paid in and not used.
    """
    transferred, refunded = (
        sum((row["amount"] for row in paid if row["kind"] == kind), _NOTHING) for kind in _BACK
    )
    for month in months if refunded else ():
        refunded -= sums[1].get(key, {}).get(month, _NOTHING)
    if refunded > 0:
        refunded -= _unused(seen, key, paid[-1]["day"], sums[0])
    return transferred + max(_NOTHING, refunded)


def _months_until(last: date, length: int) -> tuple[date, ...]:
    """Return so many months by their first days, up to one of them."""
    return tuple(add_months(last, -n) for n in reversed(range(length)))


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
    billed = (of for month, of in spent.get(key, {}).items() if month <= day)
    return max(_NOTHING, WIDE.subtract(sum(paid_in, _NOTHING), sum(billed, _NOTHING)))


# --- against the floors -----------------------------------------------------------------------


def _month_sums(
    seen: Seen, floors: Mapping[str, Known], customers: Sequence[str]
) -> dict[tuple[str, str, str], dict[date, MonthSums]]:
    """Return what some customers bought by floor, customer and currency, month by month.

    The charges of their accounts alone are read, beside the approvals that can be for them.
    """
    seen.engine.load("asked", pa.table({"customer": pa.array(customers, pa.string())}))
    accounts = seen.query(_ACCOUNTS)
    seen.charges.load_some("some_charges", [(r["issuer"], r["account"]) for r in accounts])
    sale = f"coalesce({seen.charges.fragments['category']} NOT IN ('Credit', 'Tax'), true)"
    chains = {
        _GRANTED + chain.approval: chain
        for chain in seen.terms.chains()
        if chain.state == "approved"
        and chain.first["customer"] in ("", *customers)
        and _limit(chain.first["grants"])
    }
    rows = {_FLOOR + name: row for name, row in floors.items()}
    rows |= {name: chain.first for name, chain in chains.items()}
    terms = {name: f"{sale} AND {seen.charges.covers(row)}" for name, row in rows.items()}
    seen.charges.run("met_groups", "priced_shares", terms=terms, of="some_charges")
    found = defaultdict[tuple[str, str, str], dict[date, MonthSums]](lambda: defaultdict(MonthSums))
    for row in seen.query(_SUMS):
        floor, month = row["floor"].removeprefix(_FLOOR), row["month"]
        least = _least(floors[floor]["least"], floors[floor]["currency"], row)
        granted = (
            _least(chains[name].first["grants"], chains[name].first["currency"], row)
            for name in row["granted"]
            if _is_for(seen, chains[name], row["customer"], month)
        )
        if least is not None:
            sums = found[floor, row["customer"], row["currency"]][month]
            sums.billed += row["billed"] or _NOTHING
            sums.least += min([least, *(of for of in granted if of is not None)])
    return found


def _least(text: str, currency: str, sums: Mapping[str, Any]) -> Decimal | None:
    """Return the least that a floor asks for what was bought, or an approval grants; None where
    that is a price of another currency.
    """
    limit = parse_limit(text)
    if limit.price is None:
        return (limit.rate or _NOTHING) * (sums[limit.basis] or _NOTHING)
    return limit.price * (sums["quantity"] or _NOTHING) if currency == sums["currency"] else None


def _is_for(seen: Seen, chain: Chain, customer: str, month: date) -> bool:
    """Return whether an approval is for a customer and, if it says so, one partner of a month."""
    said, after = chain.first, add_months(month, 1)
    held = seen.links_of("customer", customer, PARTNER, said["partner"])
    is_sold = any(link["valid_from"] < after and month < link["valid_to"] for link in held)
    return said["customer"] in ("", customer) and bool(is_sold or not said["partner"])


def _below(
    of: Mapping[date, MonthSums], readings: Readings, spent: Mapping[date, Decimal]
) -> Sequence[PassedOn]:
    """Return what brings months below a floor by the likeliest reading; nothing where by another
    none is below it.
    """
    found = []
    for reading in readings:
        whole = (sum((spent.get(m, _NOTHING) for m in one.months), _NOTHING) for one in reading)
        found.append([one for one, of_all in zip(reading, whole) if _is_below(of, one, of_all)])
    return found[0] if all(found) else ()


def _is_below(of: Mapping[date, MonthSums], passed: PassedOn, whole: Decimal) -> bool:
    """Return whether months are at the floor as billed, and below it after what is passed on.

    Of what is passed on they have their part of the `whole` that the customer spent in the months.
    """
    months = [month for month in passed.months if month in of]
    least = sum((of[month].least for month in months), _NOTHING) - _ROUNDED
    billed = sum((of[month].billed for month in months), _NOTHING)
    part = WIDE.divide(billed, whole) if whole else _NOTHING
    net = billed * (1 - passed.rate) - passed.amount * part
    return bool(least > 0 and billed >= least and net < least)


def _alert(seen: Seen, customer: str, below: Sequence[tuple[str, PassedOn]]) -> Alert:
    """Return what is below floors, with who passed it on; where a figure alone says so, with the
    partner that sold most of it in a month.
    """
    months = sorted({month for _, one in below for month in one.months})
    sold = seen.query(
        "SELECT group_id, partner, day, last, effective FROM sold WHERE customer = ? AND month IN ("
        + ", ".join(f"DATE '{month}'" for month in months)
        + ") ORDER BY ALL",
        [customer],
    )
    sellers = defaultdict[date, dict[str, Decimal]](lambda: defaultdict(Decimal))
    for row in sold:
        sellers[_first_day(row["day"])][row["partner"]] += row["effective"]
    most = {max(sorted(of), key=lambda partner: of[partner]) for of in sellers.values()}
    known = {row["partner"] for row in sold} | set(seen.kinds)
    parties = {who for _, one in below for who in one.parties} & known
    floors = (Evidence("floor", "floors", floor) for floor in sorted({name for name, _ in below}))
    passed = (row for _, one in below for row in one.evidence)
    return Alert(
        parties=tuple(sorted((parties or most) - {""})),
        customers=(customer,),
        start=min(row["day"] for row in sold),
        end=max(row["last"] for row in sold),
        evidence=tuple(dict.fromkeys((*floors, *passed))),
        groups=tuple(row["group_id"] for row in sold),
        shows="passed-below",
    )
