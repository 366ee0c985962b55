"""Statements: what one is paid and why; what is missing to the next band; credited to others."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from markupsafe import Markup

from fenrun.base.problem import Refused
from fenrun.base.words import say
from fenrun.plan.guide import html_part
from fenrun.portal.access.isolation import rows_seen
from fenrun.portal.access.permissions import parties_of, sees_everything, signed_in, store_of
from fenrun.portal.access.request import PortalRequest
from fenrun.portal.commands import statements
from fenrun.portal.commands.documents import LEGAL, document_of
from fenrun.portal.commands.plans import plans_in_force
from fenrun.portal.language import lang
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
from fenrun.portal.pages import charts
from fenrun.portal.pages.downloads import disposition
from fenrun.portal.pages.paging import page_of
from fenrun.portal.pages.pdf import to_pdf
from fenrun.portal.request_queue import outside_queue
from fenrun.statement.formats import FORMATS
from fenrun.statement.formats.charges import counts_by
from fenrun.statement.payment_tables import payment_tables
from fenrun.statement.sentences import in_words

_OFFERED = [found for found in FORMATS.values() if found.name != "json"]
"""The formats that are written from the run; JSON is what the page itself is made of."""
_CHARGES_AS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""The files that all charges of a line are handed out as."""
_MONTHS_A_PAGE = 12
_MONTHS = """
SELECT period_id, currency, earned, credited, payable, reached FROM portal_statement
WHERE payee = %s
ORDER BY period_id, currency
"""
_DISPUTES = """
SELECT id, state FROM portal_dispute
WHERE party = %s AND period = %s
ORDER BY id
"""


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def one(request: HttpRequest, period: str, payee: str) -> HttpResponse:
    """Show a statement as a page; with ?format= hand out JSON, CSV, XLSX, PDF or a bundle."""
    statement = statements.find_shown(period, payee, request.GET.get("currency", ""))
    if kind := request.GET.get("format"):
        return _file(request, statement, kind)
    return render(request, "statement.html", _shown(request, statement))


def _find(request: HttpRequest, period: str, payee: str) -> Statement:
    """Return the statement in the currency that is asked for, or in the payee's first."""
    return statements.find(period, payee, request.GET.get("currency", ""))


def _shown(request: HttpRequest, statement: Statement) -> dict[str, Any]:
    """Return what a statement's page shows."""
    payee, period = statement.payee, statement.period_id
    found = rows_seen(_MONTHS, payee)
    own = [row for row in found if row[1] == statement.currency]
    months = [(key, earned, credited) for key, _, earned, credited, *_ in own]
    reached = [point for *_, points in own for point in json.loads(points)]
    sections = [(of, payable) for key, of, *_, payable, _ in found if key == period]
    earns = any(Decimal(earned) for _, earned, _ in months)
    disputes = rows_seen(_DISPUTES, payee, period)
    return {
        "statement": statement,
        "body": statement.body,
        "via": lambda name: say(f"via-{name}", lang()),
        "trend": [(key[2:], earned if earns else credited) for key, earned, credited in months],
        "trend_of": "earned" if earns else "credited",
        "sections": [dict(zip(("currency", "payable"), row)) for row in sections],
        "periods": [key for key, *_ in reversed(months)],
        "disputes": [{"id": number, "state": state} for number, state in disputes],
        "changed": _changed(statement),
        "names": (statement.body["before"] or {}).get("names", {}),
        "gaps": statements.gaps(statement),
        "reached": statements.targets_by_period(statement, reached),
        "plans": sorted({line["plan"] for line in statement.body["lines"]}),
        "may_dispute": payee in parties_of(request, PARTNER, REP, CUSTOMER),
        "days": _days_left(statement),
        "formats": _OFFERED,
        "payment_tables": payment_tables(statement.body, statement.body["titles"], lang()),
    }


def _changed(statement: Statement) -> list[charts.Step]:
    """Return the way from what was credited the month before, by customer; nothing without one."""
    before = statement.body["before"]
    if not before:
        return []
    start, end = (before["period"], before["credited"]), (statement.period_id, statement.credited)
    return charts.steps_between(start, before["changes"], end)


def _days_left(statement: Statement) -> dict[str, int]:
    """Return, by line, the days to the end of its period, from what the statement knows.

    In a month that is over, from the day after it.
    """
    period = statement.period
    today = min(period.known.date(), period.ends + timedelta(days=1))
    attained = dict(statement.body["attained"])
    attained |= {line["line"]: line for line in statement.body["under_way"]}
    return {
        line: (date.fromisoformat(attainment["ends"]) - today).days + 1
        for line, attainment in attained.items()
    }


def _file(request: HttpRequest, statement: Statement, kind: str) -> HttpResponse:
    """Return a statement as a file of a kind."""
    name = f"{statement.payee}-{statement.period_id}"
    if kind == "json":
        text = json.dumps(statements.with_others(statement), ensure_ascii=False, indent=2)
        return HttpResponse(text, content_type="application/json")
    if kind == "pdf":
        page = render_to_string("statement.html", _shown(request, statement), request)
        with outside_queue():
            return _download(f"{name}.pdf", to_pdf(page), "application/pdf")
    if kind == "bundle":
        bundle = statements.signed_bundle(store_of(request), statement)
        return _download(f"{name}.zip", bundle, "application/zip")
    written = next((found for found in _OFFERED if found.name == kind), None)
    if written is None:
        raise Http404
    content = statements.written(statement, written.name, lang())
    return _download(f"{name}.{written.extension}", content, written.media_type)


def _download(name: str, content: bytes, media_type: str) -> HttpResponse:
    headers = {"Content-Disposition": disposition(name)}
    return HttpResponse(content, content_type=media_type, headers=headers)


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def document(request: HttpRequest, period: str, payee: str) -> HttpResponse:
    """Show the self-billing document of a closed statement; with ?format=pdf hand it out."""
    statement = _find(request, period, payee)
    shown = {
        "statement": statement,
        "document": document_of(store_of(request), statement),
        "labels": LEGAL[1:],
    }
    if request.GET.get("format") != "pdf":
        return render(request, "document.html", shown)
    page = render_to_string("document.html", shown, request)
    name = f"{statement.payee}-{statement.period_id}-document.pdf"
    with outside_queue():
        return _download(name, to_pdf(page), "application/pdf")


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def line(request: HttpRequest, period: str, line: str) -> HttpResponse:
    """Show why a line is what it is."""
    statement = statements.find_line(period, line)
    if not statement:
        raise Http404
    explanation = statements.explained(statement, line)
    head, *sentences = in_words(explanation, lang())
    page = "line_part.html" if cast(PortalRequest, request).htmx else "line.html"
    shown = {
        "statement": statement,
        "explanation": explanation,
        "head": head,
        "sentences": sentences,
        "may_dispute": statement.payee in parties_of(request, PARTNER, REP),
    }
    return render(request, page, shown)


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def charges(request: HttpRequest, period: str, line: str) -> HttpResponse:
    """Show all charges behind a line, page by page; with ?format= hand them out as a file."""
    statement = statements.find_line(period, line)
    if not statement:
        raise Http404
    kind = request.GET.get("format", "")
    if kind in _CHARGES_AS:
        content = statements.charges_as(statement, line, kind, lang())
        return _download(f"{statement.payee}-{period}-charges.{kind}", content, _CHARGES_AS[kind])
    asked = request.GET.get("page", "")
    number = int(asked) if asked.isdecimal() and 0 < len(asked) < 7 else 1
    size = statements.CHARGES_A_PAGE
    sought = request.GET.get("q", "").strip()[:200]
    said = statements.charges_of(statement, line, (max(number, 1) - 1) * size, size, sought)
    titles = {one["rule"]: one["title"] for one in said["sums"]}
    shown = {
        "statement": statement,
        "line": line,
        "title": next(x["title"] for x in statement.body["lines"] if x["line"] == line),
        "said": said,
        "sought": sought,
        "page": Paginator(range(said["total"]), size).get_page(number),
        "names": {row["customer"]: row.get("name", "") for row in statement.customers},
        "by": lambda row: counts_by(row, titles, lang()),
        "may_dispute": statement.payee in parties_of(request, PARTNER, REP),
    }
    return render(request, "charges.html", shown)


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def estimate(request: HttpRequest, period: str, payee: str) -> HttpResponse:
    """Show what additional sales would earn, line by line."""
    statement = _find(request, period, payee)
    amount, service = request.GET.get("amount", ""), request.GET.get("service", "")
    shown: dict[str, Any] = {
        "statement": statement,
        "amount": amount,
        "service": service,
        "estimate": None,
        "problems": [],
    }
    try:
        if request.GET.get("curve"):
            shown["curve"] = statements.curve_of(statement, amount, service)
            return render(request, "estimate_curve.html", shown)
        shown["estimate"] = statements.estimated(statement, amount, service)
    except Refused as refused:
        shown["problems"] = refused.problems
    page = "estimate_part.html" if cast(PortalRequest, request).htmx else "estimate.html"
    return render(request, page, shown)


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def guide(request: HttpRequest, period: str, plan: str) -> HttpResponse:
    """Show the guide of a plan, as it was known to a period, to those whom it pays there."""
    shown = get_object_or_404(Period, pk=period)
    paid = Statement.objects.filter(period_id=period).values_list("body", flat=True)
    if not sees_everything(request) and not any(
        line["plan"] == plan for body in paid for line in body["lines"]
    ):
        raise Http404
    file = next((f for f in plans_in_force(store_of(request), shown) if f.plan.id == plan), None)
    if file is None:
        raise Http404
    page = {"period": shown, "plan": plan, "guide": Markup(html_part(file, lang(), ()))}
    return render(request, "guide.html", page)


@signed_in(CUSTOMER, OPERATIONS, AUDITOR)
def crediting(request: HttpRequest) -> HttpResponse:
    """Show who is credited for a customer's spend, since when, entered by whom."""
    customers = parties_of(request, CUSTOMER)
    customer = request.GET.get("customer", "") or next(iter(customers), "")
    found = Crediting.objects.filter(customer=customer)
    keys = found.order_by("-period_id").values_list("period_id", flat=True).distinct()
    page = page_of(request, keys, _MONTHS_A_PAGE)
    months: dict[str, list[Crediting]] = {key: [] for key in page}
    for row in found.filter(period_id__in=months).order_by("role", "-since", "party"):
        months[row.period_id].append(row)
    shown = {
        "customer": customer,
        "customers": customers,
        "page": page,
        "months": months,
        "parties": list(found.order_by("party").values_list("party", "name").distinct()),
        "came_about": _came_about,
    }
    return render(request, "crediting.html", shown)


def _came_about(row: Crediting) -> str:
    """Return how a link came about: by a sign-up link, a consent, an order, or the vendor."""
    if row.type in ("sign-up", "registration"):
        return row.type
    return "consent" if row.source.startswith("request-") else "entered"
