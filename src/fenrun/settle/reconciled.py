"""Charges beside what their providers say of them: invoices issued, and billing periods closed.

FOCUS wants the charges of an invoice to sum to it. What differs stands open until the right charges
or the right invoice come, or somebody leaves the invoice out by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from fenrun.base.ids import short
from fenrun.base.kept import keep, read_kept
from fenrun.base.money import minor_units, show
from fenrun.base.problem import Place, Problem
from fenrun.base.words import Message
from fenrun.charges.datasets import CLOSED, ISSUED
from fenrun.charges.delivered import months_billed
from fenrun.charges.stored import load_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.store.facts import Import, verified

_SUMS = """
SELECT InvoiceIssuerName AS issuer, {invoice} AS invoice, BillingCurrency AS currency,
       strftime(BillingPeriodStart + INTERVAL 1 DAY, '%Y-%m') AS month,
       CAST(sum(BilledCost) AS VARCHAR) AS billed
FROM charges GROUP BY ALL ORDER BY ALL"""
_HALF = Decimal("0.5")
LAST_MONTH = "9999-12"


class _Key(NamedTuple):
    """An invoice in a currency; without its id, all charges of a month that name none."""

    issuer: str
    invoice: str
    currency: str
    month: str = ""


class _Invoice(NamedTuple):
    """An invoice as its provider says it."""

    item: Import
    months: frozenset[str]
    lines: int
    billed: Decimal


def unreconciled(
    charges: Sequence[Import],
    datasets: Sequence[Import],
    left_out: set[str],
    last_month: str = LAST_MONTH,
    cache: Path | None = None,
) -> Iterator[Problem]:
    """Yield what charges and invoices differ by, and what providers say of their months.

    The datasets come in the order in which they became known. `left_out` are the ids of those whose
    invoices count for nothing, `cache` is a folder that keeps the sums of imports.
    """
    yield from _of_periods(charges, datasets, last_month)
    invoices = _latest(datasets)
    if not invoices:
        return
    charged = _charged(charges, cache)
    named = {(key.issuer, key.invoice) for key in charged if key.invoice}
    asked = {key: one for key, one in invoices.items() if min(one.months) <= last_month}
    by_item = dict[str, list[Problem]]()
    for item, problem in _differing(asked, charged, named):
        if item.id not in left_out:
            yield problem
        else:
            by_item.setdefault(item.id, []).append(problem)
    for found in by_item.values():
        values = {"count": len(found), "id": found[0].values["id"]}
        yield Problem("invoices-left-out", found[0].place, values)
    yield from _unknown(invoices, charged, last_month)


def _latest(datasets: Iterable[Import]) -> dict[_Key, _Invoice]:
    """Return the invoices that are issued, as last said."""
    found = dict[_Key, _Invoice]()
    for item in datasets:
        said = dict[_Key, _Invoice]()
        for one in item.facts.get("invoices", ()):
            key = _Key(one["issuer"], one["invoice"], one["currency"])
            found.pop(key, None)
            if one["status"] != ISSUED:
                continue
            before = said.get(key, _Invoice(item, frozenset(), 0, Decimal(0)))
            months, lines = before.months | {one["month"]}, before.lines + one["lines"]
            said[key] = _Invoice(item, months, lines, before.billed + Decimal(one["billed"]))
        found |= said
    return found


def _differing(
    invoices: Mapping[_Key, _Invoice],
    charged: Mapping[_Key, Decimal],
    named: set[tuple[str, str]],
) -> Iterator[tuple[Import, Problem]]:
    """Yield the invoices to which no charges sum, and the import that last said each.

    Those that no charge names are compared together, by month, with the charges that name none.
    """
    sums = dict[_Key, Decimal]()
    for key, amount in charged.items():
        if key.invoice:
            whole = key._replace(month="")
            sums[whole] = sums.get(whole, Decimal(0)) + amount
    nameless = dict[_Key, list[_Invoice]]()
    for key, one in invoices.items():
        if (key.issuer, key.invoice) in named or len(one.months) > 1:
            yield from _difference(key, [one], sums.get(key, Decimal(0)))
        else:
            of_month = _Key(key.issuer, "", key.currency, min(one.months))
            nameless.setdefault(of_month, []).append(one)
    for key, several in nameless.items():
        yield from _difference(key, several, charged.get(key, Decimal(0)))


def _difference(
    key: _Key, invoices: Sequence[_Invoice], charged: Decimal
) -> Iterator[tuple[Import, Problem]]:
    """Yield by how much charges differ from invoices, if by more than the rounding of lines."""
    billed = sum((one.billed for one in invoices), Decimal(0))
    lines = sum(one.lines for one in invoices)
    rounding = lines * _HALF * Decimal(1).scaleb(-minor_units(key.currency))
    differs, item = charged - billed, invoices[0].item
    if abs(differs) <= rounding:
        return
    what = Message("invoice-of", {"invoice": key.invoice})
    if not key.invoice:
        what = Message("invoices-of", {"count": len(invoices), "month": key.month})
    values = {
        "invoice": what,
        "issuer": key.issuer,
        "billed": show(billed),
        "charged": show(charged),
        "amount": show(differs),
        "currency": key.currency,
        "id": short(item.id),
    }
    yield item, Problem("invoice-differs", Place(item.source), values)


def _unknown(
    invoices: Mapping[_Key, _Invoice], charged: Mapping[_Key, Decimal], last_month: str
) -> Iterator[Problem]:
    """Yield the invoices that charges name and that are missing, where others of the month came."""
    there = {(key.issuer, month): one for key, one in invoices.items() for month in one.months}
    known = {(key.issuer, key.invoice) for key in invoices}
    for key, amount in charged.items():
        of_month = there.get((key.issuer, key.month))
        is_asked = key.invoice and key.month <= last_month and of_month
        if is_asked and of_month and (key.issuer, key.invoice) not in known:
            values = {"invoice": key.invoice, "issuer": key.issuer, "month": key.month}
            values |= {"amount": f"{show(amount)} {key.currency}"}
            yield Problem("invoice-missing", Place(of_month.item.source), values)


def _of_periods(
    charges: Sequence[Import], datasets: Iterable[Import], last_month: str
) -> Iterator[Problem]:
    """Yield of each issuer the months that it has closed, and those open that have charges."""
    said = dict[tuple[str, str], tuple[str, Import]]()
    for item in datasets:
        for one in item.facts.get("periods", ()):
            said[one["issuer"], one["month"]] = (one["status"], item)
    spans = [months_billed(item.facts) for item in charges if item.facts["first_billed"]]
    for issuer in sorted({issuer for issuer, _ in said}):
        months = {m: one for (name, m), one in said.items() if name == issuer and m <= last_month}
        closed = sorted(m for m, (status, _) in months.items() if status == CLOSED)
        still = [m for m in sorted(months.keys() - set(closed)) if _are_in(m, spans)]
        for code, some in (("provider-closed", closed), ("provider-open", still)):
            if some:
                values = {"issuer": issuer, "months": ", ".join(some)}
                yield Problem(code, Place(months[some[-1]][1].source), values)


def _are_in(month: str, spans: Iterable[tuple[str, str]]) -> bool:
    return any(first <= month <= last for first, last in spans)


def _charged(charges: Iterable[Import], cache: Path | None) -> dict[_Key, Decimal]:
    """Return what is charged, by invoice and month."""
    found = dict[_Key, Decimal]()
    for item in charges:
        for issuer, invoice, currency, month, billed in _charged_by(item, cache):
            key = _Key(issuer, invoice, currency, month)
            found[key] = found.get(key, Decimal(0)) + Decimal(billed)
    return found


def _charged_by(item: Import, cache: Path | None) -> list[list[Any]]:
    """Return the sums of an import; what is found of one does not change."""
    path = cache / f"{short(item.id)}.json" if cache else None
    known: list[list[Any]] | None = read_kept(path) if path else None
    if known is not None:
        return known
    engine = DuckDB()
    load_charges(engine, "charges", verified([item]))
    invoice = "coalesce(InvoiceId, '')" if "InvoiceId" in engine.columns("charges") else "''"
    found = [list(row.values()) for row in engine.rows(_SUMS.format(invoice=invoice))]
    if path:
        keep(path, found)
    return found
