"""Targets and other figures of the book: who is to reach what in which period, entered by whom."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal.access.permissions import is_operations, operations, signed_in, store_of
from fenrun.portal.commands import targets
from fenrun.portal.commands.periods import read_filters
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS
from fenrun.portal.pages.paging import page_of

_SOUGHT = ("party", "figure", "period")
_FIELDS = ("party", "figure", "period", "amount", "currency", "reason")


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the figures of the book, latest periods first: of a party, a figure, a period."""
    sought = read_filters(request.GET, *_SOUGHT)
    found = targets.Figures(store_of(request), **sought)
    shown = {
        "page": page_of(request, found),
        "sought": dict.fromkeys(_SOUGHT, "") | sought,
        "figures": targets.known_figures(store_of(request)),
        "may_act": is_operations(request),
    }
    return render(request, "targets.html", shown)


@require_POST
@operations
def undo(request: HttpRequest) -> HttpResponse:
    """Put back what a figure was before it was entered here, within a day."""
    names = (request.POST.get(key, "").strip() for key in _SOUGHT)
    amount = targets.undo(store_of(request), *names)
    messages.success(request, say("portal-target-undone", lang(), amount=amount))
    return redirect("targets")


@require_POST
@operations
def give(request: HttpRequest) -> HttpResponse:
    """Enter a figure, in place of an earlier one."""
    party, figure, period, amount, currency, reason = (request.POST.get(key, "") for key in _FIELDS)
    targets.set_target(store_of(request), party, figure, period, amount, currency, reason)
    messages.success(request, say("portal-target-set", lang(), party=party.strip()))
    return redirect("targets")
