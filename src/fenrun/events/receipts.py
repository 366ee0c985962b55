"""Payments of invoices: from payments to figures of the invoices, for a settlement.

Of an invoice it is known what it is for in all, and what was paid of it by the end of each month in
which that changed. More than the whole is never paid, nor less than nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from fenrun.base.money import show
from fenrun.base.problem import Place, Problem
from fenrun.base.table import from_rows
from fenrun.base.when import period_of
from fenrun.book.rows import Figure
from fenrun.charges.rows import DAYS
from fenrun.events.as_of import events_of
from fenrun.plan.rows import Plan
from fenrun.tables.kept import Sources
from fenrun.tables.latest import Known

PAID, TOTAL, NO_TOTAL = "(paid)", "(total)", "(no total)"
"""The figures of an invoice: what was paid of it by the end of a month, and what it is for; or that
no payment says that."""
KINDS = ("invoice", "refund")
"""The kinds of payments that are of an invoice."""
_SOURCE = "events"
_KNOWN = datetime(9000, 1, 1)
"""After all that a book can say."""
_NOTHING = Decimal(0)


@dataclass(frozen=True)
class Invoice:
    """An invoice, or whatever else payments refer to, with its payments in order."""

    name: str
    total: Decimal | None
    """Not 0; below 0 of a credit note; None where no payment says it."""
    currency: str
    """That of the first payment: others in another count for nothing."""
    payments: Sequence[Known]

    def paid_by(self, day: date) -> Decimal:
        """Return what is paid before a day, and not paid back: at most the whole."""
        mine = (row for row in self.payments if row["currency"] == self.currency)
        paid = sum((row["amount"] for row in mine if row["day"] < day), _NOTHING)
        least, most = sorted((_NOTHING, self.total or _NOTHING))
        return min(max(paid, least), most)

    def months(self) -> list[tuple[date, date]]:
        """Return the months with payments, each as its first day and the first after."""
        spans = {period_of(max(row["day"], DAYS[0]), 1, 1).span for row in self.payments}
        return sorted((span.start, span.end) for span in spans)


def counts_payments(plans: Iterable[Plan]) -> bool:
    """Return whether some component counts as far as the customer has paid."""
    return any(c.counts_payments for plan in plans for c in plan.components)


def invoices_of(sources: Sources) -> list[Invoice]:
    """Return the invoices that payments are of."""
    of: dict[str, list[Known]] = defaultdict(list)
    for row in events_of(sources)["payments"].rows:
        if row["kind"] in KINDS and row["reference"]:
            of[row["reference"]].append(row)
    return [_invoice(name, rows) for name, rows in sorted(of.items())]


def _invoice(name: str, rows: Sequence[Known]) -> Invoice:
    """Return the invoice of some payments; the last that says what it is for decides that."""
    rows = sorted(rows, key=lambda row: (row["day"], row["payment"]))
    currency = rows[0]["currency"]
    mine = [row for row in rows if row["currency"] == currency]
    totals = [row["total"] for row in mine if row.get("total")]
    return Invoice(name, totals[-1] if totals else None, currency, rows)


def _odd(invoice: Invoice) -> Iterator[Problem]:
    """Yield what is odd about the payments of an invoice."""
    total = invoice.total or _NOTHING
    said = {"invoice": invoice.name, "total": show(total), "currency": invoice.currency}
    paid, (least, most) = _NOTHING, sorted((_NOTHING, total))
    for row in invoice.payments:
        if row["currency"] != invoice.currency:
            other = {"payment": row["payment"], "other": row["currency"]}
            yield Problem("payment-currency", _place(row, "currency"), said | other)
            continue
        if row.get("total") not in (None, invoice.total):
            other = {"payment": row["payment"], "other": show(row["total"])}
            yield Problem("payment-totals", _place(row, "total"), said | other)
        paid += row["amount"]
        if invoice.total is not None and not least <= paid <= most:
            over = {"payment": row["payment"], "paid": show(paid)}
            yield Problem("payment-over", _place(row, "amount"), said | over)


def _place(row: Known, column: str) -> Place:
    return Place(row["file"], row["row_no"], column)


def payment_problems(plans: Iterable[Plan], sources: Sources) -> list[Problem]:
    """Return what is odd about payments, if plans count them."""
    if not counts_payments(plans):
        return []
    return [problem for invoice in invoices_of(sources) for problem in _odd(invoice)]


def paid_figures(plans: Iterable[Plan], sources: Sources, end: date) -> Sources:
    """Return what is paid of invoices before a day, as figures of these, if plans count it."""
    if not counts_payments(plans):
        return ()
    rows = [row for invoice in invoices_of(sources) for row in _figures(invoice, end)]
    return [(_SOURCE, _KNOWN, {"figures": from_rows(Figure, rows)})] if rows else ()


def _figures(invoice: Invoice, end: date) -> Iterator[Figure]:
    months = [(start, after) for start, after in invoice.months() if start < end]
    for number, (start, after) in enumerate(months):
        days = (period_of(start, 1, 1).key, start, after)
        if invoice.total is not None:
            yield Figure(invoice.name, PAID, *days, invoice.paid_by(after), "", row_no=0)
        if number == 0:
            name, total = (TOTAL, invoice.total) if invoice.total else (NO_TOTAL, _NOTHING)
            yield Figure(invoice.name, name, *days, total or _NOTHING, "", row_no=0)
