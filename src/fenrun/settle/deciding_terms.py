"""Terms that decided about charges: approvals, floors, coupons and agreements by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from fenrun.book.in_words import KnownBook
from fenrun.credit.charges_as_codes import Charge, is_met
from fenrun.plan.rows import Plan
from fenrun.settle.used_up import Owners
from fenrun.statement.run import Run
from fenrun.tables.kept import Sources
from fenrun.terms.as_of import terms_of
from fenrun.terms.in_plans import Concerning, concerning, tables_read

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
    """The terms that a plan of a run read, asked which of them are about a charge."""

    def __init__(self, run: Run, plan: Plan):
        self.rows = list(concerning(terms_of(run.terms()), run.cuts(plan)))
        """The rows of the terms that can decide about charges."""
        self.names_partners = any(row.partner for row in self.rows)
        """True if it matters who sold a charge."""
        self._owners = Owners(KnownBook(run.book())) if self.names_partners else None

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
        if row.customer not in ("", customer):
            return False
        sellers = self._owners and row.partner and self._owners.sellers(charge, customer, day)
        return not row.partner or row.partner in (sellers or ())
