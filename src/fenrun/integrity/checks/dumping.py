"""Sold below a floor without an approval that covers it.

A fact against the terms: no statistics. What an approval covers is none, nor what is above the
floor until a rebate is passed on (`rebate-recycled`).
"""

from __future__ import annotations

from collections.abc import Iterable

from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import Seen
from fenrun.pricing.breaches import Sale, breaches_of


def run(seen: Seen) -> Outcome:
    """Return the sales below floors, by floor, customer and who sold."""
    found = breaches_of(seen.store, seen.period, seen.known)
    tried = len(found.breaches) + len(found.covered)
    return Outcome(tried, list(_alerts(seen, found.breaches)))


def _alerts(seen: Seen, sales: Iterable[Sale]) -> Iterable[Alert]:
    for sale in sales:
        if not sale.customer:
            continue
        floor = Evidence("floor", "floors", sale.floor)
        near = [Evidence("not-covering", "approvals", name) for name, _ in sale.nearest]
        yield Alert(
            parties=tuple(sorted({who.partition(" ")[2] for who in sale.sold_by})),
            customers=(sale.customer,),
            start=sale.first_day,
            end=sale.last_day,
            evidence=(floor, *near, *seen.as_evidence(sale.row_nos, "below-floor")),
            rows=sale.row_nos,
        )
