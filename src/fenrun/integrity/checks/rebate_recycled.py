"""Rebates that are passed on until a customer pays less than the floor: commission buys revenue.

A fact against the terms: the list price, the floor, and what is passed on, which is a figure
`passed-on` of the customer, or a payment (transfer or refund) from the partner. What is billed is
at the floor or above it, else the sale is below the floor already (`dumping`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from fenrun.base.words import Unreadable
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import Seen
from fenrun.pricing.lines import PASSED_ON, WIDE
from fenrun.tables.latest import Known
from fenrun.terms.limits import parse_limit

_SUMS = """
SELECT t.floor, s.customer, CAST(date_trunc('month', g.day) AS DATE) AS month, g.currency,
       sum(g.list * s.share) AS list,
       sum(g.billed * s.share) AS billed
FROM met_groups AS g
JOIN priced_shares AS s ON s.group_id = g.group_id
JOIN (SELECT group_id, unnest(met) AS floor FROM met_groups) AS t ON t.group_id = g.group_id
WHERE s.customer <> ''
GROUP BY ALL
ORDER BY ALL"""
_SPENT = "SELECT customer, month, currency, sum(billed) AS billed FROM sold GROUP BY ALL"
_BACK = ("transfer", "refund")
_NOTHING = Decimal(0)
_ROUNDED = Decimal("0.005")
"""By how much rounding alone can bring a month below a floor."""
Key = tuple[str, date, str]


def run(seen: Seen) -> Outcome:
    """Return the customers who pay less than a floor after what is passed on, month by month."""
    floors = {row["floor"]: row for row in seen.terms.floors if _rate(row) is not None}
    passed = _passed_on(seen)
    if not floors or not passed:
        return Outcome()
    sale = f"coalesce({seen.charges.fragments['category']} NOT IN ('Credit', 'Tax'), true)"
    terms = {name: f"{sale} AND {seen.charges.covers(row)}" for name, row in floors.items()}
    seen.charges.run("met_groups", "priced_shares", terms=terms)
    spent = {
        (row["customer"], row["month"], row["currency"]): row["billed"]
        for row in seen.query(_SPENT)
    }
    sums = seen.query(_SUMS)
    below = defaultdict[str, list[Known]](list)
    for row in sums:
        key = (row["customer"], row["month"], row["currency"])
        if key in passed and _is_below(
            row, floors[row["floor"]], passed[key], spent.get(key, _NOTHING)
        ):
            below[row["customer"]].append(row)
    alerts = [_alert(seen, customer, rows) for customer, rows in sorted(below.items())]
    return Outcome(len({row["customer"] for row in sums}), alerts)


def _rate(floor: Known) -> Decimal | None:
    """Return the part of the list that a floor asks for; None where it asks for a price."""
    try:
        limit = parse_limit(floor["least"])
    except Unreadable:
        return None
    return limit.rate if limit.basis == "list" else None


def _passed_on(seen: Seen) -> dict[Key, tuple[Decimal, Decimal]]:
    """Return what is passed on to customers by month: an amount, and a rate of what is billed."""
    found = defaultdict[Key, list[Decimal]](lambda: [_NOTHING, _NOTHING])
    months = {month: date.fromisoformat(f"{month}-01") for month in seen.period.months}
    currencies = {row["currency"] for row in seen.query("SELECT DISTINCT currency FROM sold")}
    for figure in seen.book.figures(figure=PASSED_ON):
        month = months.get(figure["period"])
        for currency in [figure["currency"]] if figure["currency"] else currencies:
            if month:
                at = 0 if figure["currency"] else 1
                found[figure["party"], month, currency][at] += figure["amount"]
    for paid in seen.payments:
        month = months.get(f"{paid['day']:%Y-%m}")
        holders = seen.sellers(paid["customer"], paid["day"])
        if month and paid["kind"] in _BACK and paid["payer"] in holders:
            found[paid["customer"], month, paid["currency"]][0] += abs(paid["amount"])
    return {key: (amount, rate) for key, (amount, rate) in found.items()}


def _is_below(row: Known, floor: Known, passed: tuple[Decimal, Decimal], spent: Decimal) -> bool:
    """Return whether a month is at the floor as billed, and below it after what is passed on."""
    least = (_rate(floor) or _NOTHING) * row["list"] - _ROUNDED
    amount, rate = passed
    part = WIDE.divide(row["billed"], spent) if spent else _NOTHING
    net = row["billed"] * (1 - rate) - amount * part
    return bool(row["list"] > 0 and row["billed"] >= least and net < least)


def _alert(seen: Seen, customer: str, rows: Sequence[Known]) -> Alert:
    months = sorted({row["month"] for row in rows})
    sold = seen.query(
        "SELECT group_id, partner, day FROM sold WHERE customer = ? AND month IN ("
        + ", ".join(f"DATE '{month}'" for month in months)
        + ") ORDER BY ALL",
        [customer],
    )
    return Alert(
        parties=tuple(sorted({row["partner"] for row in sold} - {""})),
        customers=(customer,),
        start=min(row["day"] for row in sold),
        end=max(row["day"] for row in sold),
        evidence=(
            *(Evidence("floor", "floors", floor) for floor in sorted({r["floor"] for r in rows})),
            *_declared(seen, customer, months),
        ),
        groups=tuple(row["group_id"] for row in sold),
        shows="passed-below",
    )


def _declared(seen: Seen, customer: str, months: Sequence[date]) -> Iterator[Evidence]:
    """Yield the figures and payments by which something is passed on to a customer."""
    keys = {f"{month:%Y-%m}" for month in months}
    for figure in seen.book.figures(figure=PASSED_ON, party=customer):
        if figure["period"] in keys:
            key = f"{customer} {PASSED_ON} {figure['period']}"
            yield Evidence("passed-on", "figures", key)
    for paid in seen.payments:
        if (
            paid["customer"] == customer
            and paid["kind"] in _BACK
            and f"{paid['day']:%Y-%m}" in keys
            and paid["payer"] in seen.sellers(customer, paid["day"])
        ):
            yield Evidence("passed-on", "payments", paid["payment"])
