"""Uses of approvals and coupons with amounts: by which charges of a workspace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from typing import Any

from fenrun.base.ids import AT
from fenrun.book.as_of import Sources
from fenrun.book.in_words import KnownBook
from fenrun.charges.rows import ORDER
from fenrun.credit.charges_as_codes import Charge, day_of_charge, is_met, number_of
from fenrun.credit.crediting import bases_of
from fenrun.credit.stored_charges import Source, StoredCharges
from fenrun.engine.choose import new_engine
from fenrun.engine.codes import day_of
from fenrun.plan.rows import Plan
from fenrun.terms.as_of import Terms
from fenrun.terms.in_plans import SELLER, Concerning, uses_up
from fenrun.terms.used_up import Cuts, Use, cuts

_BILLED = "BilledCost"
_NAMES = (
    *("InvoiceIssuerName", "BillingAccountId", "SubAccountId", ORDER, "ResourceId"),
    _BILLED,
)
_WIDE = Context(prec=100)
_NOTHING = Decimal(0)
_Met = tuple[Charge, date, int]
"""A charge, its day, and the place of what it is about."""


def stored_cuts(source: Source, book: Sources, plan: Plan, terms: Terms) -> Cuts:
    """Return where stored charges use amounts up, by the days of a plan."""
    using = list(uses_up(terms))
    if not using:
        return {}
    engine = new_engine()
    charges = StoredCharges(engine, source, [plan], bases_of([plan]), (date.min, date.max))
    found = engine.rows(charges.meeting([one.tree for one in using], _NAMES))
    met = ((row, day_of(row["own_day"]), row["place"]) for row in found)
    return cuts(terms, _uses(using, met, book))


def cuts_in_memory(charges: Sequence[Charge], book: Sources, plan: Plan, terms: Terms) -> Cuts:
    """Return the same of charges in memory, which have `import_id` and `row_no`."""
    using = list(uses_up(terms))
    days = [day_of_charge(plan, charge) for charge in charges] if using else ()
    met = (
        (charge, day, place)
        for charge, day in zip(charges, days)
        for place, one in enumerate(using)
        if is_met(one.tree, charge, day)
    )
    return cuts(terms, _uses(using, met, book))


def _uses(using: Sequence[Concerning], met: Iterable[_Met], book: Sources) -> Iterator[Use]:
    known = Owners(KnownBook(book))
    for charge, day, place in met:
        one = using[place]
        row, billed = (charge["import_id"], charge["row_no"]), number_of(charge, _BILLED)
        amount = (billed or _NOTHING) * (1 if one.table == "approvals" else -1)
        shares = known.shares(one, charge, day)
        parts = {who: _WIDE.multiply(amount, share) for who, share in shares.items()}
        yield Use(one.table, one.id, day, row, parts)


@dataclass
class Owners:
    """Owners of accounts and holders of roles, by day."""

    book: KnownBook
    _links: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._owners: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in self.book.owners():
            self._owners[row["of_kind"], f"{row['issuer']}{AT}{row['subject']}"].append(row)

    def shares(self, one: Concerning, charge: Charge, day: date) -> dict[str, Decimal]:
        """Return the shares of a charge that are of the customer and partner that a row names."""
        return {
            customer: share
            for customer, share in self._customers(charge, day)
            if one.customer in ("", customer)
            and (not one.partner or one.partner in self.sellers(charge, customer, day))
        }

    def _customers(self, charge: Charge, day: date) -> list[tuple[str, Decimal]]:
        """Return the customers of a charge, each with its share."""
        for kind, column in (("sub-account", "SubAccountId"), ("account", "BillingAccountId")):
            subject = f"{charge['InvoiceIssuerName']}{AT}{charge.get(column)}"
            rows = [
                row
                for row in self._owners[kind, subject]
                if row["valid_from"] <= day < row["valid_to"]
            ]
            if rows:
                return [(row["party"], row["share"]) for row in rows if row["sound"]]
        return []

    def sellers(self, charge: Charge, customer: str, day: date) -> set[str]:
        """Return who sells a charge: the holders of its order, resource or customer, in order."""
        issuer = charge["InvoiceIssuerName"]
        named = ((ORDER, "order"), ("ResourceId", "resource"))
        subjects = [(kind, charge.get(column) or "", issuer) for column, kind in named]
        for key in (*subjects, ("customer", customer, "")):
            if key[1] and key not in self._links:
                self._links[key] = self.book.links_of(*key)
            found = _holders(self._links.get(key, ()), day)
            if found:
                return found
        return set()


def _holders(links: Iterable[Mapping[str, Any]], day: date) -> set[str]:
    """Return who sells by some links on a day."""
    return {
        link["party"]
        for link in links
        if link["role"] == SELLER and link["valid_from"] <= day < link["valid_to"]
    }
