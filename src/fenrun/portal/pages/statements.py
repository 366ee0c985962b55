"""Statements: what one is paid and why, down to clauses and charges; what is missing to the next band; what is credited elsewhere."""

from __future__ import annotations

import io
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string

from fenrun.base.problem import Refused
from fenrun.base.words import say
from fenrun.portal.isolation import rows_seen
from fenrun.portal.models import (
    AUDITOR,
    CUSTOMER,
    OPERATIONS,
    PARTNER,
    REP,
    Crediting,
    Period,
    Statement,
)
from fenrun.portal.pages.common import (
    bundled,
    estimated,
    explained,
    grants_of,
    run_of,
    sees_everything,
    signed_in,
    whole,
)
from fenrun.portal.pdf import to_pdf
from fenrun.portal.request_queue import outside_queue
from fenrun.portal.words import lang
from fenrun.statement.explain import in_words
from fenrun.statement.files import to_csv, to_xlsx
from fenrun.statement.rows import statement_of

_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}


@signed_in()
def home(request: HttpRequest) -> HttpResponse:
    """Where somebody begins: operations and auditors with the periods, customers with who is credited, others with their latest statement."""
    grants = grants_of(request)
    if sees_everything(request):
        return redirect("periods")
    parties = [g.party for g in grants if g.role in (PARTNER, REP)]
    latest = (
        Statement.objects.filter(payee__in=parties)
        .order_by("-period_id", "payee")
        .values_list("period_id", "payee")
        .first()
    )
    if latest:
        return redirect("statement", *latest)
    if any(g.role == CUSTOMER for g in grants):
        return redirect("crediting")
    return render(request, "nothing.html")


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """All statements that one may see, latest first."""
    found = (
        Statement.objects.select_related("period")
        .order_by("-period_id", "rank")
        .defer("body", "customers")
    )
    if period := request.GET.get("period", ""):
        found = found.filter(period_id=period)
    if sought := request.GET.get("q", "").strip():
        found = found.filter(payee=sought) | found.filter(name__icontains=sought)
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    return render(
        request,
        "statements.html",
        {
            "page": page,
            "periods": Period.objects.order_by("-key"),
            "period": period,
            "sought": sought,
        },
    )


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def one(request: HttpRequest, period: str, payee: str) -> HttpResponse:
    """A statement: as a page, or with ?format= as JSON, CSV or XLSX."""
    statement = get_object_or_404(
        Statement.objects.select_related("period").defer("customers"), period_id=period, payee=payee
    )
    if kind := request.GET.get("format"):
        return _file(request, statement, kind)
    return render(request, "statement.html", _shown(statement))


def _shown(statement: Statement) -> dict[str, Any]:
    """What a statement's page shows."""
    body, payee, period = statement.body, statement.payee, statement.period_id
    past = rows_seen(
        "SELECT period_id, earned, credited FROM portal_statement WHERE payee = %s ORDER BY period_id",
        payee,
    )
    today = min(
        statement.period.known.date(), statement.period.ends + timedelta(days=1)
    )  # of a month that is over, the day after it
    earns = any(
        Decimal(earned) for _, earned, _ in past
    )  # whoever is only rolled up to looks at what
    return {
        "statement": statement,
        "body": body,
        "via": lambda name: say(f"via-{name}", lang()),
        "trend": [(key[2:], earned if earns else credited) for key, earned, credited in past],
        "trend_of": "earned" if earns else "credited",
        "periods": [key for key, *_ in reversed(past)],
        "disputes": [
            {"id": number, "state": state}
            for number, state in rows_seen(
                "SELECT id, state FROM portal_dispute WHERE party = %s AND period = %s ORDER BY id",
                payee,
                period,
            )
        ],
        "days": {
            line: (date.fromisoformat(said["ends"]) - today).days + 1
            for line, said in [
                *body["attained"].items(),
                *((x["line"], x) for x in body["under_way"]),
            ]
        },
    }


def _file(request: HttpRequest, statement: Statement, kind: str) -> HttpResponse:
    name = f"{statement.payee}-{statement.period_id}"
    if kind == "json":
        return HttpResponse(
            json.dumps(whole(statement), ensure_ascii=False, indent=2),
            content_type="application/json",
        )
    if kind == "pdf":
        page = render_to_string("statement.html", _shown(statement), request)
        with outside_queue():
            made = to_pdf(page)
        return _download(f"{name}.pdf", made)
    if kind == "bundle":
        return _download(f"{name}.zip", bundled(request, statement))
    if kind not in ("csv", "xlsx"):
        raise Http404
    with run_of(statement.period) as run:
        full, out = statement_of(run, statement.payee), io.BytesIO()
    if kind == "csv":
        out.write(to_csv(full, lang()).encode("utf-8-sig"))
    else:
        to_xlsx(full, out, lang())
    return _download(f"{name}.{kind}", out.getvalue())


def _download(name: str, content: bytes) -> HttpResponse:
    return HttpResponse(
        content,
        content_type=_TYPES[name.rpartition(".")[2]],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def line(request: HttpRequest, period: str, line: str) -> HttpResponse:
    """Why a line is what it is."""
    statement, said = explained(period, line)
    head, *sentences = in_words(said, lang())
    page = "line_part.html" if request.htmx else "line.html"
    return render(
        request, page, {"statement": statement, "said": said, "head": head, "sentences": sentences}
    )


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def estimate(request: HttpRequest, period: str, payee: str) -> HttpResponse:
    """If I sell so much more: what that would earn, line by line."""
    statement = get_object_or_404(
        Statement.objects.select_related("period").defer("customers"), period_id=period, payee=payee
    )
    try:
        found = {
            "said": estimated(
                statement, request.GET.get("amount", ""), request.GET.get("service", "")
            ),
            "problems": [],
        }
    except Refused as refused:
        found = {"said": None, "problems": refused.problems}
    return render(
        request,
        "estimate_part.html" if request.htmx else "estimate.html",
        {
            "statement": statement,
            "amount": request.GET.get("amount", ""),
            "service": request.GET.get("service", ""),
            **found,
        },
    )


@signed_in(CUSTOMER, OPERATIONS, AUDITOR)
def crediting(request: HttpRequest) -> HttpResponse:
    """Who is credited for a customer's spend, since when and by whose act."""
    parties = [g.party for g in grants_of(request) if g.role == CUSTOMER]
    customer = request.GET.get("customer", "") or (parties[0] if parties else "")
    rows = list(
        Crediting.objects.filter(customer=customer).order_by(
            "-period_id", "role", "-since", "party"
        )
    )
    months: dict[str, list[Crediting]] = {}
    for row in rows:
        months.setdefault(row.period_id, []).append(row)
    return render(
        request,
        "crediting.html",
        {
            "customer": customer,
            "customers": parties,
            "months": months,
            "parties": list(dict.fromkeys((r.party, r.name) for r in rows)),
        },
    )
