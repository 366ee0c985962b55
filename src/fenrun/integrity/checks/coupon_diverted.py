"""Coupons or balance of one customer spent by another, or on what they were not granted for.

A fact against the terms: no statistics. A customer that took another over has its coupons as well.
What is spent too late or beyond its amount is a breach of the coupon too, but serves nobody else;
it is left to `fenrun terms coupons`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, Seen
from fenrun.pricing.lines import WIDE
from fenrun.tables.latest import Known

_DIVERTED = ("customer", "purpose")


def run(seen: Seen) -> Outcome:
    """Return the coupons that somebody else spent, or that were spent on something else."""
    coupons = {row["coupon"]: row for row in seen.terms.coupons}
    found: dict[tuple[str, str], list[Known]] = defaultdict(list)
    tried = 0
    for row in seen.coupon_uses:
        tried += 1
        if row["reason"] in _DIVERTED and row["day"] in seen.period.span:
            found[row["coupon_id"], row["customer"]].append(row)
    for name, who in list(found):
        granted_to, of = coupons[name]["customer"], found[name, who]
        if seen.has_taken_over(who, granted_to, of[0]["day"]):
            found[name, who] = [row for row in of if row["reason"] != "customer"]
    found = {key: of for key, of in found.items() if of}
    alerts = [_alert(seen, coupons[name], who, of) for (name, who), of in sorted(found.items())]
    return Outcome(tried, alerts)


def _alert(seen: Seen, coupon: Known, spender: str, uses_of: Sequence[Known]) -> Alert:
    rows, diverted = defaultdict[str, list[int]](list), defaultdict[str, Decimal](Decimal)
    for row in uses_of:
        rows[row["import_id"]].append(row["row_no"])
        diverted[row["currency"]] = WIDE.add(diverted[row["currency"]], row["amount"])
    days = [row["day"] for row in uses_of]
    sellers = seen.holders("customer", spender, PARTNER, min(days)) if spender else set()
    granted_by = {coupon["granted_by"]} & set(seen.kinds)
    evidence = seen.as_evidence(rows, "coupon-spent")
    return Alert(
        parties=tuple(sorted(sellers | granted_by)),
        customers=tuple(sorted({spender, coupon["customer"]} - {""})),
        start=min(days),
        end=max(days),
        evidence=(Evidence("coupon-granted", "coupons", coupon["coupon"]), *evidence),
        diverted=dict(diverted),
    )
