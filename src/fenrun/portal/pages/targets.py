"""Targets and other figures of the book: who is to reach what in which period, entered by whom."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal.access.permissions import is_operations, operations, signed_in, store_of
from fenrun.portal.commands import targets
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS

_FIELDS = ("party", "figure", "period", "amount", "currency", "reason")


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the figures of the book, latest periods first: of a party, a figure, a period."""
    sought = {key: request.GET.get(key, "").strip() for key in ("party", "figure", "period")}
    found = targets.figures_of(store_of(request), **sought)
    shown = {
        "page": Paginator(found, 50).get_page(request.GET.get("page")),
        "extra": "&" + urlencode({key: value for key, value in sought.items() if value}),
        "sought": sought,
        "figures": targets.known_figures(store_of(request)),
        "more": len(found) == targets.MOST,
        "may_act": is_operations(request),
    }
    return render(request, "targets.html", shown)


@require_POST
@operations
def give(request: HttpRequest) -> HttpResponse:
    """Enter a figure, in place of an earlier one."""
    party, figure, period, amount, currency, reason = (request.POST.get(key, "") for key in _FIELDS)
    targets.set_target(store_of(request), party, figure, period, amount, currency, reason)
    messages.success(request, say("portal-target-set", lang(), party=party.strip()))
    return redirect("targets")
