"""The page of one's own access: grants and ways in; for operations, everybody's."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.paginator import Page
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal.access.authority import hindrances, openings_of
from fenrun.portal.access.encryption import secret_of
from fenrun.portal.access.permissions import (
    is_operations,
    operations,
    reasons_of,
    sees_everything,
    signed_in,
    user_of,
)
from fenrun.portal.access.sign_in import CONNECTING
from fenrun.portal.commands import grants, tokens, ways, webhooks
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, ROLES, Grant
from fenrun.portal.pages.paging import page_of

_GRANTS_A_PAGE = 100
_ACCOUNTS_A_PAGE = 50
_ACCOUNTS_SOUGHT = 1000
"""Accounts whose name holds what is sought, at most."""


@signed_in()
def mine(request: HttpRequest) -> HttpResponse:
    """Show one's own grants, each with its reason; to those who see everything, all grants."""
    user = user_of(request)
    everybody, rows = None, []
    sought = request.GET.get("q", "").strip()
    if sees_everything(request):
        everybody = page_of(request, _matching(sought), _GRANTS_A_PAGE)
        rows = _rows(request, everybody)
    shown = {
        "mine": reasons_of(request),
        "everybody": everybody,
        "sought": sought,
        "rows": rows,
        "connected": SocialAccount.objects.filter(user=user).exists(),
        "roles": ROLES,
        "ways": _by_kind(ways.ways_of([user])),
        "may_act": is_operations(request),
    }
    return render(request, "access.html", shown)


def _matching(sought: str) -> QuerySet[Grant]:
    """Return the grants, latest first, whose account or party holds a text."""
    found = Grant.objects.order_by("-id")
    if not sought:
        return found
    accounts = get_user_model().objects.using("default").filter(username__icontains=sought)
    numbers = list(accounts.values_list("pk", flat=True)[:_ACCOUNTS_SOUGHT])
    return found.filter(Q(party__icontains=sought) | Q(user_id__in=numbers))


def _by_kind(found: list[ways.Way]) -> dict[str, list[ways.Way]]:
    return {kind: [way for way in found if way.kind == kind] for kind in ways.KINDS}


def _rows(request: HttpRequest, page: Page[Grant]) -> list[dict[str, Any]]:
    """Return each grant of a page with what the asker may do about it."""
    me = request.user.get_username()
    may_act = is_operations(request)
    users = get_user_model().objects.in_bulk([grant.user_id for grant in page])
    rows = []
    for grant in page:
        grant.user = users[grant.user_id]
        name = grant.user.get_username()
        waits = not grant.holds_at and not grant.ended_at
        may_approve = may_act and waits and me not in (grant.given_by, name)
        rows.append(
            {
                "grant": grant,
                "name": name,
                "waits": waits,
                "opened": openings_of(grant.user) if waits else [],
                "first": grants.first_of(grant.user) if waits else None,
                "may_approve": may_approve,
                "hindrances": hindrances(grants.refuse_approval, me, grant) if may_approve else [],
                "may_link": may_act and grants.may_link(me, grant),
            }
        )
    return rows


@require_POST
@operations
def give(request: HttpRequest) -> HttpResponse:
    """Grant somebody a role for a party."""
    user, role, party, reason = (
        request.POST.get(key, "").strip() for key in ("user", "role", "party", "reason")
    )
    grant = grants.give(request.user.get_username(), user, role, party, reason)
    done = "portal-granted" if grant.holds_at else "portal-grant-waits"
    messages.success(request, say(done, lang(), user=user))
    return redirect("access")


@require_POST
@operations
def approve(request: HttpRequest, number: int) -> HttpResponse:
    """Approve a grant that another has given."""
    grant = grants.approve(request.user.get_username(), number)
    messages.success(request, say("portal-granted", lang(), user=grant.user.get_username()))
    return redirect("access")


@require_POST
@operations
def first_link(request: HttpRequest, number: int) -> HttpResponse:
    """Show the link by which a new account is taken up, to hand on."""
    path = grants.first_link(request.user.get_username(), number)
    shown = {"secret": request.build_absolute_uri(path), "link": True}
    return render(request, "token.html", shown)


@require_POST
@operations
def end(request: HttpRequest, number: int) -> HttpResponse:
    """End a grant."""
    grants.end(request.user.get_username(), number)
    return redirect("access")


@require_POST
@signed_in()
def connect(request: HttpRequest) -> HttpResponse:
    """Show the step that connects one's account with one at the provider; it is good once."""
    request.session[CONNECTING] = True
    return render(request, "connect.html")


@require_POST
@signed_in()
def token(request: HttpRequest) -> HttpResponse:
    """Make a token for the API; it is shown this once."""
    days = request.POST.get("days", "")
    number = int(days) if days.isdecimal() and len(days) < 6 else 0
    name, scopes = request.POST.get("name", ""), request.POST.get("scopes", "")
    secret = tokens.make(request.user, name, scopes, number)
    return render(request, "token.html", {"secret": secret})


@require_POST
@signed_in()
def end_way(request: HttpRequest, kind: str, number: int) -> HttpResponse:
    """End a session, token, webhook or connection of one's own; as operations, anybody's."""
    user = user_of(request)
    ways.end(user.get_username(), kind, number, None if is_operations(request) else user)
    return redirect("ways" if request.POST.get("back") == "ways" else "access")


@signed_in(OPERATIONS, AUDITOR)
def everybody(request: HttpRequest) -> HttpResponse:
    """Show the ways into all accounts."""
    users = get_user_model().objects.using("default").order_by("username")
    page = page_of(request, users, _ACCOUNTS_A_PAGE)
    shown = {"page": page, "ways": ways.ways_of(page), "may_act": is_operations(request)}
    return render(request, "ways.html", shown)


@require_POST
@signed_in()
def hook(request: HttpRequest) -> HttpResponse:
    """Subscribe another system; the secret that signs what it gets is shown this once."""
    url, events = request.POST.get("url", "").strip(), request.POST.getlist("events")
    made = webhooks.make(request.user, url, " ".join(events))
    return render(request, "token.html", {"secret": secret_of(made.secret), "hook": made})
