"""A partner pays a customer's prepayment of years, so that all of it counts now.

A fact against the payments: who paid is not who bought, but is paid for the sale: the partner,
its house (owner, group, or who has its bank account), or who works for it. A partner that resells
pays its vendor's invoices month by month: no prepayment. One that the customer pays back in time
has only sent the money on. Or the customer pays, with what the partner transfers to it near that
day: half of it or more, which no rebate is, beyond the price of goods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from fenrun.base.when import OPEN_END
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import Seen
from fenrun.tables.latest import Known

_LONG = timedelta(days=550)
"""An agreement of more than a year and a half is one of years."""
_BEFORE, _AFTER = timedelta(days=30), timedelta(days=60)
"""When the customer pays back a partner that only sent its money on."""
_NEAR = timedelta(days=45)
"""How far from its payment a prepayment is billed."""
_YEARS = Decimal("1.5")
_MUCH = Decimal("0.5")
"""The part of a prepayment that a partner gives its customer to pay it."""


def run(seen: Seen) -> Outcome:
    """Return the prepayments of years that partners paid for their customers."""
    agreements = {row["agreement"]: row for row in seen.terms.agreements}
    agreements |= {row["reference"]: row for row in seen.terms.agreements if row["reference"]}
    tried = [row for row in _prepaid(seen) if row["day"] in seen.period.span]
    alerts = []
    for row in tried:
        agreement = agreements.get(row["reference"])
        if row["payer"] == row["customer"]:
            given = given_for(seen, row)
            whole = sum((one["amount"] for one in given), Decimal(0))
            payers = {who for one in given for who in (one["payer"], *paid_by(seen, one))}
        else:
            given, whole, payers = [], row["amount"], paid_by(seen, row)
        if not payers or _is_paid_back(row, whole, seen.payments):
            continue
        if _is_of_years(seen, row, agreement):
            alerts.append(_alert(seen, row, agreement, sorted(payers), given))
    return Outcome(len(tried), alerts)


def _prepaid(seen: Seen) -> list[Known]:
    """Return the prepayments."""
    return [row for row in seen.payments if row["kind"] == "prepay" and row["amount"] > 0]


def paid_by(seen: Seen, row: Known) -> set[str]:
    """Return the partners of a payment's customer that paid it: themselves, by somebody of their
    house (its owner, group, or who has its bank account), or by who works for them.

    Who is of the customer's house too pays with its own, if it is no partner itself.
    """
    payer, customer, day = row["payer"], row["customer"], row["day"]
    sellers = seen.sellers(customer, day)
    if seen.are_one_house(payer, customer, day):
        return sellers & {payer}
    return {seller for seller in sellers if seen.represents(payer, seller, day)}


def given_for(seen: Seen, paid: Known) -> list[Known]:
    """Return what partners transferred to a customer for a prepayment that it pays itself, beyond
    the price of goods; nothing where that is less than half of it.
    """
    given = [
        row | {"amount": more}
        for row in seen.payments_about(paid["customer"])
        if row["kind"] == "transfer"
        and row["currency"] == paid["currency"]
        and paid["day"] - _BEFORE <= row["day"] <= paid["day"] + _BEFORE
        and paid_by(seen, row)
        and (more := row["amount"] - seen.goods_paid.get(row["payment"], Decimal(0))) > 0
    ]
    whole = sum((row["amount"] for row in given), Decimal(0))
    return given if whole >= paid["amount"] * _MUCH else []


def given_for_prepayments(seen: Seen) -> set[str]:
    """Return the payments by which partners gave customers what these prepay: no rebates."""
    own = (row for row in _prepaid(seen) if row["payer"] == row["customer"])
    return {row["payment"] for paid in own for row in given_for(seen, paid)}


def _is_of_years(seen: Seen, paid: Known, agreement: Known | None) -> bool:
    """Return whether a payment is for years: by its agreement, else beside what was used
    a year until then, in its currency.
    """
    if agreement:
        end = agreement["valid_to"]
        return bool(end != OPEN_END and end - agreement["valid_from"] >= _LONG)
    sql = """
SELECT month, sum(effective) AS used
FROM sold WHERE customer = ? AND currency = ? AND category <> 'Purchase'
GROUP BY ALL ORDER BY month"""
    rows = seen.query(sql, [paid["customer"], paid["currency"]])
    before = [row for row in rows if row["month"] <= paid["day"]] or rows
    year = sum((row["used"] for row in before), Decimal(0)) * 12
    return bool(before) and bool(paid["amount"] * len(before) > year * _YEARS)


def _is_paid_back(paid: Known, whole: Decimal, payments: Iterable[Known]) -> bool:
    """Return whether the customer pays as much to whoever paid the whole for it, near that day."""
    first, last = paid["day"] - _BEFORE, paid["day"] + _AFTER
    back = sum(
        (
            row["amount"]
            for row in payments
            if row["payer"] == paid["customer"]
            and row["currency"] == paid["currency"]
            and row["kind"] == "transfer"
            and first <= row["day"] <= last
        ),
        Decimal(0),
    )
    return bool(back >= whole * Decimal("0.95"))


def _alert(
    seen: Seen,
    paid: Known,
    agreement: Known | None,
    parties: Sequence[str],
    given: Sequence[Known],
) -> Alert:
    what = "prepaid-with-that" if given else "prepaid"
    evidence = [Evidence(what, "payments", paid["payment"])]
    evidence += (Evidence("given-to-prepay", "payments", row["payment"]) for row in given)
    if agreement:
        evidence.append(Evidence("agreed", "agreements", agreement["agreement"]))
    return Alert(
        parties=tuple(sorted({*parties, paid["payer"]} & set(seen.kinds) - {paid["customer"]})),
        customers=(paid["customer"],),
        start=paid["day"],
        end=paid["day"],
        evidence=tuple(evidence),
        groups=_billed(seen, paid["customer"], paid["day"]),
        shows="prepaid-charge",
    )


def _billed(seen: Seen, customer: str, day: date) -> tuple[int, ...]:
    """Return the groups by which a prepayment is billed: purchases of the customer near its day."""
    sql = """
SELECT group_id FROM sold WHERE customer = ? AND category = 'Purchase' AND day BETWEEN ? AND ?"""
    found = seen.query(sql, [customer, day - _NEAR, day + _NEAR])
    return tuple(row["group_id"] for row in found)
