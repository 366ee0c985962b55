"""Sold below a floor without an approval that covers it.

A fact against the terms: no statistics. What an approval covers is none, nor what is above the
floor until a rebate is passed on (`rebate-recycled`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from fenrun.base.when import Span
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import Seen
from fenrun.pricing.breaches import Sale, sales_below, uses_up_approvals
from fenrun.pricing.charges import charges_of


def run(seen: Seen) -> Outcome:
    """Return the sales below floors, by floor, customer and who sold."""
    charges, span = seen.charges, seen.period.span
    if uses_up_approvals(seen.terms):
        charges = charges_of(seen.store, Span(date.min, span.end), seen.known)
    sales, _ = sales_below(charges, seen.terms, span.start)
    breaches = [sale for sale in sales if not sale.approval]
    return Outcome(len(sales), list(_alerts(seen, breaches)))


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
