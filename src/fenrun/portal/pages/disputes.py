"""Disputes: what is held to be wrong, with its evidence, and what became of it."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fenrun.portal import acts
from fenrun.portal.models import CUSTOMER, OPERATIONS, PARTNER, REP, Dispute, DisputeEntry
from fenrun.portal.pages.common import owns, roles_of, signed_in


@signed_in()
def listed(request: HttpRequest) -> HttpResponse:
    """All disputes that one may see, open ones first."""
    found = sorted(Dispute.objects.all(), key=lambda d: (d.state not in acts.OPEN, -d.pk))
    return render(request, "disputes.html", {"disputes": found})


@signed_in()
def one(request: HttpRequest, number: int) -> HttpResponse:
    """A dispute: what was said, in order; the evidence is the line's explanation."""
    dispute = get_object_or_404(Dispute, pk=number)
    may = (
        ("answered", "accepted", "refused")
        if OPERATIONS in roles_of(request)
        else ("open", "withdrawn")
        if owns(request, dispute.party, dispute.period)
        else ()
    )
    return render(
        request,
        "dispute.html",
        {
            "dispute": dispute,
            "entries": list(DisputeEntry.objects.filter(dispute_id=number).order_by("id")),
            "may": may if dispute.state in acts.OPEN else (),
        },
    )


@require_POST
@signed_in(PARTNER, REP, CUSTOMER)
def open_(request: HttpRequest) -> HttpResponse:
    """Open a dispute about one's own statement, a line of it, or who is credited for one's own spend."""
    party, period, line = (request.POST.get(key, "") for key in ("party", "period", "line"))
    if not owns(request, party, period, line):
        raise Http404
    made = acts.open_dispute(
        request.user.get_username(), party, period, line, request.POST.get("text", "")
    )
    return redirect("dispute", made.pk)


@require_POST
@signed_in(PARTNER, REP, CUSTOMER, OPERATIONS)
def answer(request: HttpRequest, number: int) -> HttpResponse:
    """Add to a dispute."""
    dispute, operations = get_object_or_404(Dispute, pk=number), OPERATIONS in roles_of(request)
    if not operations and not owns(request, dispute.party, dispute.period):
        raise PermissionDenied
    acts.answer_dispute(
        request.user.get_username(),
        dispute,
        request.POST.get("state", ""),
        request.POST.get("text", ""),
        operations,
    )
    return redirect("dispute", number)
