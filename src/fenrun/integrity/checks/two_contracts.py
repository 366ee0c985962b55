"""A contract in two versions: the vendor is shown one amount, and the customer pays another.

Mechanism: a partner asks for a discount for its customer, has the contract billed by it, and lets
the customer pay more: what was granted to the customer stays with the partner. A fact of the terms
and the payments: what an agreement says and is billed, beside what its customer paid under its
name. Silent below a quarter more, which tax is not; where what was paid twice was paid back; and
before the agreement is billed as it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from fenrun.integrity.findings import Alert, Evidence, Outcome, rows_of_all
from fenrun.integrity.seen import Seen
from fenrun.pricing.lines import WIDE
from fenrun.tables.latest import Known

AGREEMENT = "x_AgreementId"
_LEAST_MORE = Decimal("1.25")
_EXACT = Decimal("0.02")
"""By how much billed and agreed may differ, as part of what was agreed."""
_IN, _BACK = ("invoice", "prepay", "top-up"), ("refund",)
_BILLED = """
SELECT agreement, currency, sum(billed) AS billed
FROM sold_groups
WHERE agreement <> '' AND category <> 'Credit'
GROUP BY ALL"""
_GROUPS = "SELECT group_id FROM sold_groups WHERE agreement = ? AND category <> 'Credit'"


def run(seen: Seen) -> Outcome:
    """Return the agreements that are billed as agreed, and paid a quarter more or above."""
    known = {row["agreement"]: row for row in seen.terms.agreements if row["amount"]}
    billed = {(row["agreement"], row["currency"]): row["billed"] for row in seen.query(_BILLED)}
    alerts = []
    for (name, currency), amount in sorted(billed.items()):
        agreed = known.get(name)
        if not agreed or agreed["currency"] not in ("", currency):
            continue
        if abs(amount - agreed["amount"]) > agreed["amount"] * _EXACT:
            continue
        paid = _payments_under(seen, agreed, currency)
        total = sum((_signed(row) for row in paid), Decimal(0))
        if total >= amount * _LEAST_MORE:
            alerts.append(_alert(seen, agreed, paid, {currency: WIDE.subtract(total, amount)}))
    return Outcome(len(billed), alerts)


def _payments_under(seen: Seen, agreed: Known, currency: str) -> list[Known]:
    """Return what the customer paid under the name of an agreement, and what it got back."""
    names = {agreed["agreement"], agreed["reference"]} - {""}
    return [
        row
        for row in seen.payments
        if row["reference"] in names
        and row["customer"] == agreed["customer"]
        and row["currency"] == currency
        and (row["kind"] in _BACK or (row["kind"] in _IN and row["payer"] == row["customer"]))
    ]


def _signed(paid: Known) -> Decimal:
    amount: Decimal = abs(paid["amount"])
    return -amount if paid["kind"] in _BACK else amount


def _alert(seen: Seen, agreed: Known, paid: Sequence[Known], more: dict[str, Decimal]) -> Alert:
    groups = seen.query(_GROUPS, [agreed["agreement"]])
    found = rows_of_all(seen.rows_of(row["group_id"] for row in groups).values())
    days = [row["day"] for row in paid]
    return Alert(
        parties=tuple({agreed["partner"]} & set(seen.kinds)),
        customers=(agreed["customer"],),
        start=min(days),
        end=max(days),
        evidence=(
            Evidence("quoted", "agreements", agreed["agreement"]),
            *(Evidence("paid-under", "payments", row["payment"]) for row in paid),
            *seen.as_evidence(found, "billed-under"),
        ),
        diverted=more,
    )
