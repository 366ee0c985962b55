"""Coupons that are turned into money: what they paid for is refunded to who never paid it.

Mechanism: a purchase is paid by coupon, then given back, and the seller refunds it in cash. A fact
of the payments: a customer's refunds from who sells to it, beside what it paid in. Silent
where it has paid in as much around that time as comes back, where refunds come from others (a maker
that takes a device back), or where nothing that it pays in is listed: then nothing is known of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import Seen
from fenrun.tables.latest import Known

_IN = ("invoice", "prepay", "top-up")
_AROUND = timedelta(days=60)
"""How long before a coupon was spent what is refunded may be paid in, and how long after that it
may be refunded."""


def run(seen: Seen) -> Outcome:
    """Return the customers that were refunded more than they paid in, after spending coupons."""
    spent = defaultdict[tuple[str, str], list[Known]](list)
    for row in seen.coupon_uses:
        if row["day"] in seen.period.span:
            spent[row["customer"], row["currency"]].append(row)
    alerts = []
    for (customer, currency), rows in sorted(spent.items()):
        paid = [
            row
            for row in seen.payments
            if row["customer"] == customer and row["currency"] == currency
        ]
        invoices = [row for row in paid if row["kind"] in _IN]
        first = min(row["day"] for row in rows) - _AROUND
        refunds = [row for row in paid if _is_refund(seen, row, rows)]
        last = max((row["day"] for row in refunds), default=first)
        near = (row["amount"] for row in invoices if first <= row["day"] <= last)
        paid_in = sum(near, Decimal(0))
        back = sum((abs(row["amount"]) for row in refunds), Decimal(0))
        most = sum((row["amount"] for row in rows), Decimal(0))
        if invoices and min(back - paid_in, most) > 0:
            alerts.append(_alert(seen, rows, refunds, min(back - paid_in, most)))
    return Outcome(len(spent), alerts)


def _is_refund(seen: Seen, paid: Known, spent: Sequence[Known]) -> bool:
    """Return whether a payment gives money back soon after a coupon was spent, and by the seller.

    That is a partner of the customer, or who bills.
    """
    sellers = seen.sellers(paid["customer"], paid["day"]) | seen.issuers
    is_soon = any(row["day"] <= paid["day"] <= row["day"] + _AROUND for row in spent)
    return paid["kind"] == "refund" and paid["payer"] in sellers and is_soon


def _alert(seen: Seen, spent: Sequence[Known], refunds: Sequence[Known], amount: Decimal) -> Alert:
    rows = defaultdict[str, list[int]](list)
    for row in spent:
        rows[row["import_id"]].append(row["row_no"])
    customer, payers = spent[0]["customer"], {row["payer"] for row in refunds}
    return Alert(
        parties=tuple(sorted(payers & set(seen.kinds))),
        customers=(customer,),
        start=min(row["day"] for row in spent),
        end=max(row["day"] for row in refunds),
        evidence=(
            *(Evidence("refunded", "payments", row["payment"]) for row in refunds),
            *seen.as_evidence(rows, "coupon-used"),
        ),
        diverted={spent[0]["currency"]: amount},
    )
