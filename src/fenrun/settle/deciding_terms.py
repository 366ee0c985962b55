"""Terms that decided about charges: approvals, floors, coupons and agreements by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from fenrun.book.in_words import KnownBook
from fenrun.charges.rows import ORDER
from fenrun.credit.charges_as_codes import Charge, is_met
from fenrun.plan.rows import Plan
from fenrun.statement.run import Run
from fenrun.tables.kept import Sources
from fenrun.terms.as_of import terms_of
from fenrun.terms.in_plans import SELLER, Concerning, concerning, tables_read

Named = dict[str, str]
"""A row of the terms: its `table`, its `id`, and what it `says`."""


def sources_read(plans: Sequence[Plan], terms: Sources) -> Sources:
    """Return the tables of the terms that some clauses of plans ask for."""
    read = tables_read(plans)
    found = ((source, known, tables) for source, known, tables in terms if read & tables.keys())
    return [
        (source, known, {name: table for name, table in tables.items() if name in read})
        for source, known, tables in found
    ]


class DecidingTerms:
    """The terms that a run read, asked which of them are about a charge."""

    def __init__(self, run: Run):
        self.rows = list(concerning(terms_of(run.terms())))
        """The rows of the terms that can decide about charges."""
        self.names_partners = any(row.partner for row in self.rows)
        """True if it matters who sold a charge."""
        self._book = KnownBook(run.book()) if self.names_partners else None

    def of(self, charge: Charge, day: date, customer: str) -> list[Named]:
        """Return those that are about a charge of a customer, which has a day."""
        found = (row for row in self.rows if is_met(row.tree, charge, day))
        return [
            {"table": row.table, "id": row.id, "says": row.says}
            for row in found
            if self.concerns(row, charge, day, customer)
        ]

    def concerns(self, row: Concerning, charge: Charge, day: date, customer: str) -> bool:
        """Return whether the customer and seller of a charge are those that a row names, if any."""
        return row.customer in ("", customer) and self._is_sold_by(row, charge, day, customer)

    def _is_sold_by(self, row: Concerning, charge: Charge, day: date, customer: str) -> bool:
        """Return whether the partner that a row names holds the role of one, if it names any."""
        if not row.partner or not self._book:
            return True
        issuer = charge["InvoiceIssuerName"]
        named = ((ORDER, "order"), ("ResourceId", "resource"))
        subjects = [(kind, charge.get(column), issuer) for column, kind in named]
        for kind, subject, of in (*subjects, ("customer", customer, "")):
            links = self._book.links_of(kind, subject, of) if subject else ()
            holders = _holders(links, day)
            if holders:
                return row.partner in holders
        return False


def _holders(links: Iterable[dict[str, Any]], day: date) -> set[str]:
    return {
        link["party"]
        for link in links
        if link["role"] == SELLER and link["valid_from"] <= day < link["valid_to"]
    }
