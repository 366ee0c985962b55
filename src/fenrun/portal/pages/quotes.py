"""Approvals: what is out of the ordinary is asked for, and decided step by step."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.problem import Problem, Refused
from fenrun.base.words import say
from fenrun.portal import events
from fenrun.portal.access.authority import hindrances
from fenrun.portal.access.permissions import (
    is_of_vendor,
    is_operations,
    may_quote,
    parties_of,
    roles_of,
    signed_in,
    store_of,
)
from fenrun.portal.commands import quotes
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, PARTNER, REP, Quote
from fenrun.portal.pages.paging import page_of
from fenrun.terms.policy import Policy
from fenrun.terms.policy_text import KINDS
from fenrun.terms.policy_words import (
    approver_words,
    in_words,
    policy_title,
    took_words,
    within_words,
)

_A_PAGE = 20
_LONGEST = 2000
_FIELDS = ("kind", "product", "party", *quotes.FIELDS)
"""The fields of the form."""


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show what waits for the asker, what else is open, and what was decided."""
    return _page(request, dict.fromkeys(_FIELDS, ""), ())


def _page(
    request: HttpRequest, form: dict[str, str], problems: Sequence[Problem], status: int = 200
) -> HttpResponse:
    """Show the page; `form` is what was typed and refused, with the `problems` of it."""
    store = store_of(request)
    quotes.end_overdue(store)
    policy = quotes.policy_of(store)
    found = Quote.objects.order_by("-pk")
    is_open = [_shown(request, quote, policy) for quote in found.filter(state="open")]
    over = page_of(request, found.exclude(state="open"), _A_PAGE)
    others = [row for row in is_open if not row["deciding"]]
    shown = {
        "mine": [row for row in is_open if row["deciding"]],
        "open": page_of(request, others, _A_PAGE, "open"),
        "over": over,
        "over_rows": [_shown(request, quote, policy) for quote in over],
        "steps": in_words(policy.text, lang()) if policy else (),
        "policy": policy.text.policy if policy else "",
        "policy_title": policy_title(policy.text, lang()) if policy else "",
        "by_vendor": is_of_vendor(request),
        "parties": _parties(request),
        "kinds": KINDS,
        "today": events.now().date(),
        "form": form,
        "problems": problems,
        "me": request.user.get_username(),
        "approvers": lambda names: approver_words(names, lang()),
        "within": lambda within: within_words(tuple(within), lang()),
        "took": lambda days, hours: took_words(days, Decimal(hours), lang()),
    }
    return render(request, "quotes.html", shown, status=status)


def _parties(request: HttpRequest) -> list[str]:
    """Return on whose behalf the asker may ask; an empty one is the vendor's."""
    return [*([""] if is_operations(request) else []), *parties_of(request, PARTNER, REP)]


def _shown(request: HttpRequest, quote: Quote, policy: Policy | None) -> dict[str, Any]:
    name = request.user.get_username()
    deciding = quotes.deciding(quote, policy, name, roles_of(request))
    return {
        "quote": quote,
        "steps": quotes.steps_shown(quote, is_of_vendor(request)),
        "deciding": deciding,
        "hindrances": hindrances(quotes.refuse_approval, quote, name) if deciding else [],
    }


@require_POST
@signed_in(PARTNER, REP, OPERATIONS)
def ask(request: HttpRequest) -> HttpResponse:
    """Ask, on behalf of a party of one's own or of the vendor; what is refused stays typed in."""
    form = {name: request.POST.get(name, "").strip()[:_LONGEST] for name in _FIELDS}
    if not may_quote(request, form["party"]):
        raise PermissionDenied
    if form["party"] in parties_of(request, PARTNER):
        form["partner"] = form["party"]
    try:
        quotes.ask(store_of(request), form["kind"], form["product"], form, form["party"])
    except Refused as refused:
        return _page(request, form, refused.problems, status=409)
    messages.success(request, say("portal-approval-asked", lang()))
    return redirect("quotes")


@require_POST
@signed_in(PARTNER, REP, OPERATIONS)
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Approve or refuse the present step, as its approver; withdraw, as who asked."""
    found = get_object_or_404(Quote, pk=number)
    outcome, reason = request.POST.get("outcome", ""), request.POST.get("reason", "")
    quotes.decide(store_of(request), found, outcome, reason, roles_of(request))
    messages.success(request, say("portal-decided", lang()))
    return redirect("quotes")
