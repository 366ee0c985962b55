"""Requests: who is to be credited is asked of the customer, who consents or refuses."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal import events
from fenrun.portal.access.authority import hindrances
from fenrun.portal.access.permissions import (
    is_operations,
    may_ask,
    may_decide,
    parties_of,
    signed_in,
    store_of,
)
from fenrun.portal.commands import notices, requests
from fenrun.portal.commands.periods import read_filters
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, CUSTOMER, OPERATIONS, PARTNER, Request
from fenrun.portal.pages.notices import own_links
from fenrun.portal.pages.paging import open_first, page_of

_NOTICES = ("request-asked", "request-others", "request-decided", "request-entered")
"""The notices that this page delivers."""
_LONGEST = 200
_SOUGHT = ("state", "customer", "party")
_FIELDS = ("kind", "customer", "party", "order", "issuer", "since")


@signed_in(PARTNER, CUSTOMER, OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the requests that one sees, waiting ones first, and what one may do about them."""
    me, partners = request.user.get_username(), parties_of(request, PARTNER)
    sought = read_filters(request.GET, *_SOUGHT)
    told = requests.with_shown_state(Request.objects.all(), partners)
    states = set(told.order_by().values_list("shown_state", flat=True).distinct())
    wanted = {"shown_state" if name == "state" else name: text for name, text in sought.items()}
    page = page_of(request, open_first(told.filter(**wanted), "waiting", column="shown_state"))
    shown = {
        "page": page,
        "requests": [requests.as_shown(r, r.party in partners) for r in page],
        "sought": dict.fromkeys(_SOUGHT, "") | sought,
        "states": [state for state in Request.STATES if state in states],
        "mine": set(parties_of(request, CUSTOMER)),
        "partners": partners,
        "may_ask": is_operations(request),
        "offered": {name: request.GET.get(name, "")[:_LONGEST] for name in ("of", "to", "since")},
        "today": events.now().date(),
        "silence": requests.silence(store_of(request)),
        "me": me,
        "hindrances": lambda asked: hindrances(requests.refuse_consent, me, asked),
        "sign_up": own_links(request),
    }
    response = render(request, "requests.html", shown)
    notices.read(me, *_NOTICES)
    return response


@require_POST
@signed_in(PARTNER, OPERATIONS)
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for an association or transfer, as operations; for one's own order, as a partner."""
    kind, customer, party, order, issuer, since = (
        request.POST.get(key, "").strip()[:_LONGEST] for key in _FIELDS
    )
    if not may_ask(request, kind, party):
        raise PermissionDenied
    reason = request.POST.get("reason", "")
    store = store_of(request)
    of_vendor = is_operations(request)
    requests.ask(store, kind, customer, party, _day(since), reason, order, issuer, of_vendor)
    messages.success(request, say("portal-asked", lang()))
    return redirect("requests")


def _day(text: str) -> date:
    """Return the day of a text; today for what is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return events.now().date()


@require_POST
@signed_in(CUSTOMER, PARTNER, OPERATIONS)
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Consent or refuse, as the customer alone; withdraw, as who asked."""
    found = get_object_or_404(Request, pk=number)
    state = request.POST.get("state", "")
    if not may_decide(request, found, state):
        raise PermissionDenied
    requests.decide(store_of(request), found, state)
    messages.success(request, say("portal-decided", lang()))
    return redirect("requests")
