"""Targets and other figures of the book: who is to reach what in which period, and by whose word."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from fenrun.base.money import plain
from fenrun.base.words import say
from fenrun.book.as_of import load_book, sources_of
from fenrun.engine.duckdb import DuckDB
from fenrun.portal import acts
from fenrun.portal.models import AUDITOR, OPERATIONS
from fenrun.portal.pages.common import operations, roles_of, signed_in, store_of
from fenrun.portal.publish import events_by_source
from fenrun.portal.request_queue import outside_queue
from fenrun.portal.words import lang
from fenrun.store.facts import Store

_FIGURES = """
SELECT f.party, coalesce(p.name, f.party) AS name, f.figure, f.period, f.amount, f.currency, f.source, f.valid_to
FROM figures_as_of AS f LEFT JOIN parties AS p ON p.party = f.party
WHERE (? = '' OR f.party = ?) AND (? = '' OR f.figure = ?) AND (? = '' OR f.period = ?) ORDER BY f.valid_to DESC, f.figure, f.party, f.period"""
MOST = 2000
"""Figures that are listed at most; a narrower question shows the rest."""


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """The figures of the book, latest periods first: of a party, a figure, a period."""
    said = {key: request.GET.get(key, "").strip() for key in ("party", "figure", "period")}
    with outside_queue():
        found = figures_of(store_of(request), **said)
    extra = "&" + urlencode({k: v for k, v in said.items() if v})
    return render(
        request,
        "targets.html",
        {
            "page": Paginator(found, 50).get_page(request.GET.get("page")),
            "extra": extra,
            "said": said,
            "figures": sorted({f["figure"] for f in found}),
            "more": len(found) == MOST,
            "may_act": OPERATIONS in roles_of(request),
        },
    )


def figures_of(
    store: Store, party: str = "", figure: str = "", period: str = ""
) -> list[dict[str, Any]]:
    """Figures as last known: party, name, figure, period, amount (exact text), currency, source, actor, at (the day it was entered), reason. At most MOST."""
    engine, brought = DuckDB(), events_by_source(store)
    load_book(engine, sources_of(store.imports("book")))
    rows = engine.query(
        f"{_FIGURES} LIMIT {MOST}", [party, party, figure, figure, period, period]
    ).to_pylist()
    found = []
    for row in rows:
        act = brought.get(row["source"])
        found.append(
            {
                **{k: row[k] for k in ("party", "name", "figure", "period", "currency", "source")},
                "amount": plain(row["amount"]),
                "actor": act.actor if act else "",
                "at": act.at[:10] if act else "",
                "reason": act.reason if act else "",
            }
        )
    return found


@require_POST
@operations
def give(request: HttpRequest) -> HttpResponse:
    """Enter a figure, in place of an earlier one."""
    said = [
        request.POST.get(key, "")
        for key in ("party", "figure", "period", "amount", "currency", "reason")
    ]
    acts.set_target(store_of(request), *said)
    messages.success(request, say("portal-target-set", lang(), party=said[0].strip()))
    return redirect("targets")
