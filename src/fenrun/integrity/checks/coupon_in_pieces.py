"""Coupons granted in pieces, each small enough for fewer people than all together would need.

Mechanism: whoever may grant up to a limit alone grants several below it to one customer for one
purpose, within weeks. A fact against the policy: the steps that it asks for the sum of the pieces,
beside those that it asks for each. Silent where so many steps have approved the coupons, where the
purposes differ, or where they are of different months, as a monthly programme's are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import Seen
from fenrun.tables.latest import Known
from fenrun.terms.policy import Asked, Policy

_WITHIN = timedelta(days=21)
_FEWEST = 3


def run(seen: Seen) -> Outcome:
    """Return the coupons that together would have needed more people than each did."""
    by_purpose = defaultdict[tuple[str, ...], list[Known]](list)
    for row in seen.terms.coupons:
        if row["valid_from"] in seen.period.span and not row["reissues"]:
            key = (row["customer"], row["granted_by"], row["covers"], row["currency"])
            by_purpose[key].append(row)
    policy, alerts = seen.policy, []
    if policy:
        for of in by_purpose.values():
            of.sort(key=lambda row: (row["valid_from"], row["coupon"]))
            alerts += [
                _alert(seen, pieces)
                for pieces in _near(of)
                if len(pieces) >= _FEWEST and _is_split(seen, policy, pieces)
            ]
    return Outcome(len(by_purpose), alerts)


def _near(rows: Sequence[Known]) -> Iterator[list[Known]]:
    """Yield coupons in their order, parted where the next is granted too late for the first."""
    pieces: list[Known] = []
    for row in rows:
        if pieces and row["valid_from"] - pieces[0]["valid_from"] > _WITHIN:
            yield pieces
            pieces = []
        pieces.append(row)
    yield pieces


def _is_split(seen: Seen, policy: Policy, pieces: Sequence[Known]) -> bool:
    """Return whether the sum asks for more steps than any piece, and nobody approved so many."""

    def steps(amount: Decimal) -> int:
        asked = Asked("coupon", None, amount, pieces[0]["currency"], "")
        return len(policy.steps_for(asked))

    needed = steps(sum((row["amount"] for row in pieces), Decimal(0)))
    approved = max(_approved(seen, row["approval"]) for row in pieces)
    return needed > max(approved, *(steps(row["amount"]) for row in pieces))


def _approved(seen: Seen, approval: str) -> int:
    """Return how many steps of an approval were approved."""
    return sum(
        row["approval"] == approval and row["outcome"] == "approved"
        for row in seen.terms.approvals
        if approval
    )


def _alert(seen: Seen, pieces: Sequence[Known]) -> Alert:
    first = pieces[0]
    total = sum((row["amount"] for row in pieces), Decimal(0))
    return Alert(
        parties=tuple({first["granted_by"]} & set(seen.kinds)),
        customers=(first["customer"],),
        start=first["valid_from"],
        end=pieces[-1]["valid_from"],
        evidence=tuple(Evidence("coupon-piece", "coupons", row["coupon"]) for row in pieces),
        diverted={first["currency"]: total},
    )
