"""The book: who held a customer, since when, by whose act; and what a move would do before it is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.table import from_rows
from fenrun.base.when import OPEN_END, parse_period
from fenrun.book.as_of import load_book, sources_of
from fenrun.book.read import book_from
from fenrun.book.rows import Link
from fenrun.engine.duckdb import DuckDB
from fenrun.portal.consents import handed_over
from fenrun.portal.models import AUDITOR, OPERATIONS, Period
from fenrun.portal.pages.common import signed_in, store_of
from fenrun.portal.publish import events_by_source
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.facts import facts_as_of
from fenrun.statement.rows import payees
from fenrun.store.facts import Store
from fenrun.whatif.change import Live


@signed_in(OPERATIONS, AUDITOR)
def customer(request: HttpRequest) -> HttpResponse:
    """A customer's links over time; with `to` and `since`, what moving it would do in a period."""
    sought = request.GET.get("customer", "").strip()
    said: dict[str, Any] = {
        "customer": sought,
        "links": [],
        "to": request.GET.get("to", ""),
        "since": request.GET.get("since", ""),
        "period": request.GET.get("period", ""),
        "moved": None,
        "problems": [],
    }
    store = store_of(request)
    with outside_queue():
        if sought:
            said["links"] = links_of(store, sought)
        if sought and said["to"]:
            try:
                said["moved"] = moved(
                    store,
                    sought,
                    said["to"],
                    date.fromisoformat(said["since"]),
                    get_object_or_404(Period, pk=said["period"]),
                )
            except ValueError:
                said["problems"] = [
                    Problem(
                        "request-wrong",
                        Place("since"),
                        {"kind": said["since"] or "-", "known": "2024-10-01"},
                    )
                ]
            except Refused as refused:
                said["problems"] = refused.problems
    return render(
        request,
        "book.html",
        {**said, "periods": list(Period.objects.order_by("-key").values_list("key", flat=True))},
    )


def links_of(store: Store, subject: str) -> list[dict[str, Any]]:
    """A customer's links as last known, and those of its accounts: the book's columns, name, until (None: open) and the act that brought each."""
    engine, acts = DuckDB(), events_by_source(store)
    load_book(engine, sources_of(store.imports("book")))
    rows = engine.query(
        """
        SELECT l.*, coalesce(p.name, l.party) AS name FROM links_as_of AS l LEFT JOIN parties AS p ON p.party = l.party
        WHERE (l.of_kind = 'customer' AND l.subject = ?) OR (l.role = 'customer' AND l.party = ?) ORDER BY l.role, l.valid_from, l.party""",
        [subject, subject],
    ).to_pylist()
    return [
        {
            **r,
            "until": None if r["valid_to"] == OPEN_END else r["valid_to"],
            "act": acts.get(r["source"]),
        }
        for r in rows
    ]


def moved(store: Store, subject: str, to: str, since: date, period: Period) -> list[dict[str, Any]]:
    """Whose pay in the period differs if the customer is the partner's from a day on: payee, before, after, more. Settled by the same steps; nothing is kept."""
    known = period.known.replace(tzinfo=None)
    facts = facts_as_of(store, known)
    live = Live(facts, parse_period(period.key), known)
    before = _earned(live)
    rows = handed_over(live.engine, subject, to, since)
    book, problems = book_from(
        {"links": [(n, {k: str(v) for k, v in row.items()}) for n, row in enumerate(rows, 2)]},
        "what-if",
    )
    if problems:
        raise Refused(problems)
    live.change(
        replace(
            facts,
            book=[
                *facts.book,
                ("what-if", known + timedelta(seconds=1), {"links": from_rows(Link, book.links)}),
            ],
        )
    )
    after = _earned(live)
    differing = [
        (p, before.get(p, Decimal(0)), after.get(p, Decimal(0)))
        for p in {*before, *after}
        if before.get(p, 0) != after.get(p, 0)
    ]
    return [
        {"payee": p, "before": plain(a), "after": plain(b), "more": plain(b - a)}
        for p, a, b in sorted(differing, key=lambda row: (row[2] - row[1], row[0]))
    ]


def _earned(live: Live) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for row in payees(live.engine):
        found[row["payee"]] = found.get(row["payee"], Decimal(0)) + row["earned"]
    return found
