"""Shortfalls of commits as double entries: customers owe them, and no payee has a part in them."""

from __future__ import annotations

from datetime import datetime, timedelta

from fenrun.base.when import Period
from fenrun.ledger.entries import Entry, account
from fenrun.pricing.agreements import agreements_of
from fenrun.settle.terms_in_force import known_terms
from fenrun.store.facts import Store


def shortfalls(store: Store, period: Period, known: datetime) -> list[Entry]:
    """Return an entry of each commit that ends in a period and of which something is owed."""
    ending = {
        row["agreement"]
        for row in known_terms(store, known).agreements
        if row["shortfall"] and period.span.start < row["valid_to"] <= period.span.end
    }
    if not ending:
        return []
    found = agreements_of(store, period.last_day, known).rows
    return [
        Entry(
            day=one.valid_to - timedelta(days=1),
            kind="shortfall",
            payee=one.customer,
            what=one.agreement,
            currency=one.currency,
            postings=(
                (account("Assets", "Receivable", one.customer or one.agreement), one.owed),
                (account("Income", "Shortfall", one.agreement), -one.owed),
            ),
        )
        for one in found
        if one.agreement in ending and one.owed
    ]
