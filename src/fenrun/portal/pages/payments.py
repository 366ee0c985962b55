"""Payments: what closed periods pay, how far it has come, and files for banks and ledgers."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_day
from fenrun.base.words import say
from fenrun.ledger.shown import LEDGERS, ledger_of
from fenrun.portal import events
from fenrun.portal.access.permissions import is_operations, operations, sees_everything, signed_in
from fenrun.portal.commands import payment_files, payments
from fenrun.portal.commands.periods import read_filters
from fenrun.portal.commands.questions import ask_run
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, PARTNER, REP, Payment, Period
from fenrun.portal.pages.downloads import disposition
from fenrun.portal.pages.paging import page_of

_A_PAGE = 100
_FILTERS = ("period", "state", "payee", "currency")


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show payments, latest period first: all, or of a period, state, payee or currency."""
    return _page(request, request.GET)


def _page(request: HttpRequest, asked: Any, problems: Any = (), status: int = 200) -> HttpResponse:
    sought = dict.fromkeys(_FILTERS, "") | read_filters(asked, *_FILTERS)
    found = _sought(sought)
    page = page_of(request, found, _A_PAGE)
    shown = {
        "page": page,
        "sought": sought,
        "periods": sorted(set(Payment.objects.values_list("period", flat=True)), reverse=True),
        "currencies": sorted(set(Payment.objects.values_list("currency", flat=True))),
        "states": payments.NEXT,
        "totals": payments.totals_by_state(found),
        "may_act": is_operations(request),
        "sees_all": sees_everything(request),
        "today": events.now().date(),
        "problems": [problem.as_json(lang()) for problem in problems],
        "given": {key: asked.get(key, "") for key in ("name", "iban", "bic", "reason")},
    }
    return render(request, "payments.html", shown, status=status)


def _sought(sought: dict[str, str]) -> QuerySet[Payment]:
    given = {key: value for key, value in sought.items() if value}
    return Payment.objects.filter(**given).order_by("-period", "payee", "currency", "form")


@require_POST
@operations
def change(request: HttpRequest) -> HttpResponse:
    """Bring the payments that were ticked, or all that are shown, into another state."""
    try:
        numbers = _numbers(request)
        day = _day(request.POST.get("day", ""))
        state, reason = request.POST.get("to", ""), request.POST.get("reason", "")
        done = payments.change(request.user.get_username(), numbers, state, day, reason)
    except Refused as refused:
        return _page(request, request.POST, refused.problems, status=409)
    messages.success(request, say("portal-payments-changed", lang(), count=len(done)))
    sought = {key: request.POST.get(key, "") for key in _FILTERS if key != "state"}
    given = urlencode({key: value for key, value in sought.items() if value})
    return redirect(f"{reverse('payments')}?{given}")


def _numbers(request: HttpRequest) -> list[int]:
    if request.POST.get("all"):
        sought = {key: request.POST.get(key, "").strip() for key in _FILTERS}
        return list(_sought(sought).values_list("pk", flat=True))
    ticked = request.POST.getlist("number")
    return [int(text) for text in ticked if text.isdecimal() and len(text) < 18]


def _day(text: str) -> date:
    try:
        return parse_day(text.strip())
    except ValueError as error:
        raise Refused([Problem("payment-day", Place("payments"), {"day": text})]) from error


@require_POST
@signed_in(OPERATIONS, AUDITOR)
def file(request: HttpRequest) -> HttpResponse:
    """Hand out payments as a file: CSV, a bank's credit transfer, or a ledger's entries."""
    kind = request.POST.get("kind", "")
    sought = {key: request.POST.get(key, "").strip() for key in _FILTERS}
    name = "-".join(filter(None, ("payments", sought["period"], sought["state"])))
    if kind == "csv":
        found = list(_sought(sought))
        return _file(payment_files.to_csv(found).encode(), f"{name}.csv", "text/csv")
    if kind in LEDGERS:
        period = get_object_or_404(Period, pk=sought["period"], closed=True)
        text = ask_run(period, ledger_of, kind)
        return _file(text.encode(), f"ledger-{period.key}.{kind}", "text/plain")
    if kind != "pain":
        raise Http404
    try:
        data = _transfer(request, sought)
    except Refused as refused:
        return _page(request, request.POST, refused.problems, status=409)
    return _file(data, f"{name}.xml", "application/xml")


def _transfer(request: HttpRequest, sought: dict[str, str]) -> bytes:
    """Return the due cash payments that are sought as a credit transfer."""
    given = request.FILES.get("accounts")
    payer = payment_files.account_of(
        *(request.POST.get(key, "") for key in ("name", "iban", "bic"))
    )
    if not payer:
        raise Refused([Problem("account-wrong", Place("payer"), {"payee": "–", "iban": "–"})])
    accounts = payment_files.read_accounts(given.read() if given else b"")
    found = list(_sought({**sought, "state": payments.DUE}).filter(form=Payment.CASH))
    return payment_files.to_pain(found, payer, accounts, _day(request.POST.get("day", "")))


def _file(data: bytes, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(data, content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = disposition(name)
    return response
