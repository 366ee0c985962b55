"""Lists of statements: filtered, sorted, handed out as a file, and kept as views."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from django.contrib import messages
from django.db.models import DecimalField, F, Q, QuerySet
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal.access.permissions import signed_in
from fenrun.portal.commands import views
from fenrun.portal.commands.periods import read_filters
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, PARTNER, REP, Period, Statement
from fenrun.portal.pages.downloads import disposition
from fenrun.portal.pages.paging import page_of
from fenrun.statement.formats.cells import guarded
from fenrun.statement.sentences import role_words

_AMOUNTS = ("credited", "earned", "payable")
SORTED_BY = ("period", "name", "role", *_AMOUNTS)
"""The columns by which statements are sorted; with a minus before, the largest first."""
_EXACT = DecimalField(max_digits=38, decimal_places=15)
_WORDS = {"period": "period", "name": "payee", "payable": "portal-pays"}
"""The words of columns that are called otherwise."""


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def statements(request: HttpRequest) -> HttpResponse:
    """Show the statements that one sees, latest first; with ?format=csv hand out all of them."""
    names = ("period", "q", "role", "state", "sort")
    asked = dict.fromkeys(names, "") | read_filters(request.GET, *names)
    found = _sorted(_filtered(asked), asked["sort"])
    if request.GET.get("format") == "csv":
        headers = {"Content-Disposition": disposition("statements.csv")}
        content = _csv(found)
        return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)
    query = request.GET.copy()
    for key in ("page", "sort", "format"):
        query.pop(key, None)
    shown = {
        "page": page_of(request, found),
        "periods": Period.objects.order_by("-key"),
        "roles": sorted(set(Statement.objects.values_list("role", flat=True).distinct())),
        "asked": asked,
        "heads": [(key, _WORDS.get(key, key), key in _AMOUNTS) for key in SORTED_BY],
        "query": query.urlencode(),
        "whole_query": request.GET.urlencode(),
        "views": views.views_of(request.user.get_username(), "statements"),
    }
    return render(request, "statements.html", shown)


def _filtered(asked: Mapping[str, str]) -> QuerySet[Statement]:
    found = Statement.objects.select_related("period").defer("body", "customers")
    if asked["period"]:
        found = found.filter(period_id=asked["period"])
    if asked["q"]:
        found = found.filter(Q(payee__icontains=asked["q"]) | Q(name__icontains=asked["q"]))
    if asked["role"]:
        found = found.filter(role=asked["role"])
    if asked["state"] in ("open", "closed"):
        found = found.filter(period__closed=asked["state"] == "closed")
    return found


def _sorted(found: QuerySet[Statement], sort: str) -> QuerySet[Statement]:
    key = sort.removeprefix("-")
    if key not in SORTED_BY:
        return found.order_by("-period_id", "rank")
    field = Cast(key, _EXACT) if key in _AMOUNTS else F("period_id" if key == "period" else key)
    order = field.desc() if sort.startswith("-") else field.asc()
    return found.order_by(order, "-period_id", "rank")


def _csv(found: Iterable[Statement]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ("period", "payee", "name", "role", *_AMOUNTS, "currency", "state")
    writer.writerow([say(_WORDS.get(column, column), lang()) for column in columns])
    for one in found:
        role = ", ".join(role_words(name, lang()) for name in one.role.split(", "))
        state = "portal-state-closed" if one.period.closed else "portal-state-open"
        texts = [guarded(text) for text in (one.period_id, one.payee, one.name, role)]
        amounts = [getattr(one, name) for name in _AMOUNTS]
        writer.writerow([*texts, *amounts, one.currency, say(state, lang())])
    return out.getvalue().encode("utf-8-sig")


@require_POST
@signed_in()
def save(request: HttpRequest) -> HttpResponse:
    """Save a list as it is filtered and sorted, under a name."""
    page, name, query = (request.POST.get(key, "") for key in ("page", "name", "query"))
    views.save(request.user.get_username(), page, name, query)
    messages.success(request, say("portal-view-saved", lang(), name=name.strip()))
    return redirect(page)


@require_POST
@signed_in()
def drop(request: HttpRequest, number: int) -> HttpResponse:
    """Drop a view of one's own."""
    views.drop(request.user.get_username(), number)
    return redirect("statements")
