"""The book: who held a customer, since when, entered by whom; what a move would do."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.access.permissions import signed_in, store_of
from fenrun.portal.commands.book import links_of, preview_move
from fenrun.portal.commands.finding import names_of
from fenrun.portal.models import AUDITOR, OPERATIONS, Period
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Store


@signed_in(OPERATIONS, AUDITOR)
def customer(request: HttpRequest) -> HttpResponse:
    """Show a customer's links over time; with `to` and `since`, what moving it would do."""
    sought = request.GET.get("customer", "").strip()
    to, since, period = (request.GET.get(key, "") for key in ("to", "since", "period"))
    shown: dict[str, Any] = {
        "customer": sought,
        "to": to,
        "since": since,
        "period": period,
        "periods": list(Period.objects.order_by("-key").values_list("key", flat=True)),
        "links": [],
        "moved": None,
        "problems": [],
    }
    if sought:
        store = store_of(request)
        with outside_queue():
            shown["links"] = links_of(store, sought)
            if to:
                shown |= _moved(store, sought, to, since, period)
    return render(request, "book.html", shown)


def _moved(store: Store, customer: str, to: str, since: str, period: str) -> dict[str, Any]:
    """Return what a move would do, or the problems why that cannot be said."""
    try:
        day = date.fromisoformat(since)
    except ValueError:
        values = {"kind": since or "-", "known": "2024-10-01"}
        return {"problems": [Problem("request-wrong", Place("since"), values)]}
    shown = get_object_or_404(Period, pk=period)
    try:
        moved = preview_move(store, customer, to, day, shown)
    except Refused as refused:
        return {"problems": refused.problems}
    return {"moved": moved, "names": names_of(row["payee"] for row in moved)}
