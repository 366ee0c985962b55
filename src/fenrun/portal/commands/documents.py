"""Self-billing documents: what a closed statement pays, with tax, as a finance department files it.

Who issues it, who is paid, their addresses and tax numbers stand in the book as labels; the rate of
tax in the plan's terms and the payee's figures. What nobody has stated is said to be not stated:
nothing is guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext

from fenrun.base.money import minor_units, plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.book.in_words import KnownBook
from fenrun.closing.close import closes
from fenrun.plan.rows import Pay
from fenrun.portal import models
from fenrun.portal.commands.book import book_of
from fenrun.portal.commands.plans import plans_in_force
from fenrun.portal.request_queue import outside_queue
from fenrun.pricing.lines import rounded
from fenrun.store.facts import Store

ISSUER = "document-issuer"
"""The label of the party that issues documents: whose name stands on them as the vendor's."""
LEGAL = ("legal-name", "address", "tax-number", "bank-account")
"""The labels of a party that stand on documents."""
_DIGITS = 60


@dataclass(frozen=True)
class Named:
    """A party as a document names it; what is not stated is empty."""

    party: str
    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """A payment: in which form, of which month, by which plan; net and tax sum to the gross."""

    plan: str
    form: str
    month: str
    gross: str
    rate: Decimal | None
    """None: no tax is stated, and neither are `net` and `tax`."""
    net: str = ""
    tax: str = ""


@dataclass(frozen=True)
class Document:
    """A self-billing document of a closed statement."""

    number: str
    """Of the close that froze it, with period, payee and currency: no other document has it."""
    issued: date
    """The day of the close."""
    first_day: date
    last_day: date
    vendor: Named | None
    """None: of the book's parties none, or more than one, is labelled to issue documents."""
    payee: Named
    currency: str
    rows: list[Row]
    gross: str
    net: str
    """Empty where some row has no tax stated."""
    tax: str


def document_of(store: Store, statement: models.Statement) -> Document:
    """Return the document of a closed statement. Raises Refused for one that is not closed."""
    period = statement.period
    if not period.closed or period.closed_at is None:
        values = {"payee": statement.payee, "period": period.key}
        raise Refused([Problem("document-open", Place(period.key), values)])
    span = parse_period(period.key)
    with outside_queue():
        book = book_of(store, period.known.replace(tzinfo=None))
        pays = {file.plan.id: file.plan.pay for file in plans_in_force(store, period)}
        close = next(one for one in closes(store) if one.period == span)
        seqs = {event.subject: event.seq for event in store.log.events("closes")}
        labels = _labels(book, span.last_day)
        rows = list(_rows(statement, book, pays))
    issuers = sorted(party for party, said in labels.items() if said.get(ISSUER))
    names = book.names()
    is_stated = all(row.rate is not None for row in rows)
    return Document(
        number=f"{period.key}/{statement.payee}/{statement.currency}/{seqs[close.id]}",
        issued=period.closed_at.date(),
        first_day=span.span.start,
        last_day=span.last_day,
        vendor=_named(issuers[0], names, labels) if len(issuers) == 1 else None,
        payee=_named(statement.payee, {statement.payee: statement.name}, labels),
        currency=statement.currency,
        rows=rows,
        gross=statement.payable,
        net=_sum(row.net for row in rows) if is_stated else "",
        tax=_sum(row.tax for row in rows) if is_stated else "",
    )


def _sum(texts: Iterator[str]) -> str:
    return plain(sum(map(Decimal, texts), Decimal(0)))


def _labels(book: KnownBook, day: date) -> dict[str, dict[str, str]]:
    """Return the labels of documents that hold on a day, by party."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in book.labels():
        is_ours = row["label"] in (ISSUER, *LEGAL)
        if is_ours and row["valid_from"] <= day < row["valid_to"]:
            found[row["party"]][row["label"]] = row["value"]
    return found


def _named(party: str, names: Mapping[str, str], labels: Mapping[str, Mapping[str, str]]) -> Named:
    said = labels.get(party, {})
    name = said.get("legal-name") or names.get(party) or party
    return Named(party, name, {key: said.get(key, "") for key in LEGAL[1:]})


def _rows(
    statement: models.Statement, book: KnownBook, pays: Mapping[str, tuple[Pay, ...]]
) -> Iterator[Row]:
    """Yield what a statement pays, and what it pays for closed months, each with its tax."""
    body, places = statement.body, minor_units(statement.currency)
    paid = [
        (row["plan_id"], row["form"], row["month"], row["paid"])
        for row in body["payments"]
        if Decimal(row["paid"])
    ]
    if not body["payments"] and Decimal(body["paid"]):
        plans = sorted({line["plan"] for line in body["lines"]})
        paid = [(", ".join(plans), models.Payment.CASH, statement.period_id, body["paid"])]
    late: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in body["differences"]:
        if row["what"] == "paid":
            late[row["plan_id"], row["component"], row["month"]] += Decimal(row["amount"])
    paid += [(*key, plain(amount)) for key, amount in sorted(late.items()) if amount]
    for plan, form, month, gross in paid:
        rate = _rate(book, pays.get(plan, ()), statement.payee, month)
        if rate is None:
            yield Row(plan, form, month, gross, None)
            continue
        with localcontext(prec=_DIGITS):
            net = rounded(Decimal(gross) / (1 + rate), places)
        yield Row(plan, form, month, gross, rate, plain(net), plain(Decimal(gross) - net))


def _rate(book: KnownBook, pays: tuple[Pay, ...], payee: str, month: str) -> Decimal | None:
    """Return the rate of tax that is in a payment; None where nobody states one.

    The plan's own; or the payee's figure that the plan names, of the month or else of its year.
    """
    stated = {(p.tax_included, p.tax_added, p.tax_figure) for p in pays}
    if len(stated) != 1:
        return None
    ((included, added, figure),) = stated
    if not figure:
        return added if included or added else None
    for period in (month, month[:4]):
        found = book.figures(party=payee, figure=figure, period=period)
        rates = {row["amount"] for row in found if not row["currency"]}
        if len(rates) == 1:
            return Decimal(rates.pop())
    return None
