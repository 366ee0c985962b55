"""Disputes: what is held to be wrong, with its evidence, and what became of it."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fenrun.portal.access.permissions import is_operations, may_answer, owns, signed_in
from fenrun.portal.commands import disputes
from fenrun.portal.commands.periods import read_filters
from fenrun.portal.models import CUSTOMER, OPERATIONS, PARTNER, REP, Dispute, DisputeEntry
from fenrun.portal.pages.paging import open_first, page_of

_SOUGHT = ("state", "period", "party")


@signed_in()
def listed(request: HttpRequest) -> HttpResponse:
    """Show the disputes that one may see, open ones first; of a state, period or party."""
    sought = read_filters(request.GET, *_SOUGHT)
    found = open_first(Dispute.objects.filter(**sought), *disputes.OPEN)
    shown = {
        "page": page_of(request, found),
        "sought": dict.fromkeys(_SOUGHT, "") | sought,
        "states": Dispute.STATES,
    }
    return render(request, "disputes.html", shown)


@signed_in()
def one(request: HttpRequest, number: int) -> HttpResponse:
    """Show a dispute: what was said, in order; the evidence is the line's explanation."""
    dispute = get_object_or_404(Dispute, pk=number)
    states: tuple[str, ...] = ()
    if may_answer(request, dispute.party, dispute.period):
        states = disputes.next_states(dispute, is_operations(request))
    shown = {
        "dispute": dispute,
        "entries": list(DisputeEntry.objects.filter(dispute_id=number).order_by("id")),
        "may": states,
    }
    return render(request, "dispute.html", shown)


@require_POST
@signed_in(PARTNER, REP, CUSTOMER)
def open_(request: HttpRequest) -> HttpResponse:
    """Open a dispute about one's own statement, a line of it, or who is credited."""
    party, period, line, text = (
        request.POST.get(key, "") for key in ("party", "period", "line", "text")
    )
    if not owns(request, party, period, line):
        raise Http404
    dispute = disputes.open_dispute(request.user.get_username(), party, period, line, text)
    return redirect("dispute", dispute.pk)


@require_POST
@signed_in(PARTNER, REP, CUSTOMER, OPERATIONS)
def answer(request: HttpRequest, number: int) -> HttpResponse:
    """Add to a dispute."""
    dispute = get_object_or_404(Dispute, pk=number)
    if not may_answer(request, dispute.party, dispute.period):
        raise PermissionDenied
    state, text = request.POST.get("state", ""), request.POST.get("text", "")
    actor = request.user.get_username()
    disputes.answer(actor, dispute, state, text, is_operations(request))
    return redirect("dispute", number)
