"""Requests: who is to be credited is asked of the customer, who consents or refuses."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal import consents, events
from fenrun.portal.models import AUDITOR, CUSTOMER, OPERATIONS, PARTNER, Request
from fenrun.portal.pages.common import grants_of, may_ask, may_decide, roles_of, signed_in, store_of
from fenrun.portal.words import lang


@signed_in(PARTNER, CUSTOMER, OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """The requests that one sees, waiting ones first, and what one may do about them."""
    grants = grants_of(request)
    found = sorted(Request.objects.all(), key=lambda r: (r.state != "waiting", -r.pk))
    return render(
        request,
        "requests.html",
        {
            "requests": found[:200],
            "mine": {g.party for g in grants if g.role == CUSTOMER},
            "partners": [g.party for g in grants if g.role == PARTNER],
            "may_ask": OPERATIONS in roles_of(request),
            "today": events.now().date(),
            "silence": consents.silence(store_of(request)),
            "me": request.user.get_username(),
        },
    )


@require_POST
@signed_in(PARTNER, OPERATIONS)
def ask(request: HttpRequest) -> HttpResponse:
    """Operations ask for an association or transfer; a partner registers an order for itself."""
    said = {
        key: request.POST.get(key, "").strip()[:200]
        for key in ("kind", "customer", "party", "order", "issuer", "since")
    }
    try:
        since = date.fromisoformat(said["since"])
    except ValueError:
        since = events.now().date()
    if not may_ask(request, said["kind"], said["party"]):
        raise PermissionDenied
    consents.ask(
        store_of(request),
        said["kind"],
        said["customer"],
        said["party"],
        since,
        request.POST.get("reason", ""),
        said["order"],
        said["issuer"],
    )
    messages.success(request, say("portal-asked", lang()))
    return redirect("requests")


@require_POST
@signed_in(CUSTOMER, PARTNER, OPERATIONS)
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """The customer alone consents or refuses; who asked withdraws."""
    found, state = get_object_or_404(Request, pk=number), request.POST.get("state", "")
    if not may_decide(request, found, state):
        raise PermissionDenied
    consents.decide(store_of(request), found, state)
    messages.success(request, say("portal-decided", lang()))
    return redirect("requests")
