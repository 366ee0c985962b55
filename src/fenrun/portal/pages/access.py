"""Who may see what and why; the log of all acts."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal import acts, webhooks
from fenrun.portal.models import AUDITOR, OPERATIONS, ROLES, Event, Grant, Hook, Token
from fenrun.portal.pages.common import (
    operations,
    reasons_of,
    roles_of,
    sees_everything,
    signed_in,
    store_of,
)
from fenrun.portal.request_queue import outside_queue
from fenrun.portal.sign_in import CONNECTING
from fenrun.portal.words import lang


@signed_in()
def mine(request: HttpRequest) -> HttpResponse:
    """Why may I see this: one's own grants, each with its reason; operations and auditors see everybody's."""
    everybody = (
        Paginator(Grant.objects.order_by("-id"), 100).get_page(request.GET.get("page"))
        if sees_everything(request)
        else None
    )
    users = get_user_model().objects.in_bulk([g.user_id for g in everybody or ()])
    me, may_act = request.user.get_username(), OPERATIONS in roles_of(request)
    rows = []
    for given in everybody or ():
        given.user = users[given.user_id]
        name, waits = given.user.get_username(), not given.holds_at and not given.ended_at
        rows.append(
            {
                "grant": given,
                "name": name,
                "waits": waits,
                "may_approve": may_act and waits and me not in (given.given_by, name),
                "may_link": may_act and acts.may_link(me, given),
            }
        )
    return render(
        request,
        "access.html",
        {
            "mine": reasons_of(request),
            "everybody": everybody,
            "rows": rows,
            "connected": SocialAccount.objects.filter(user_id=request.user.pk).exists(),
            "roles": ROLES,
            "hooks": list(Hook.objects.filter(user=request.user, ended_at=None).order_by("id")),
            "tokens": list(Token.objects.filter(user=request.user, ended_at=None).order_by("id")),
            "may_act": may_act,
        },
    )


@require_POST
@operations
def give(request: HttpRequest) -> HttpResponse:
    """Grant somebody a role for a party."""
    said = {key: request.POST.get(key, "").strip() for key in ("user", "role", "party", "reason")}
    given = acts.give(
        request.user.get_username(), said["user"], said["role"], said["party"], said["reason"]
    )
    messages.success(
        request,
        say(
            "portal-granted" if given.holds_at else "portal-grant-waits", lang(), user=said["user"]
        ),
    )
    return redirect("access")


@require_POST
@operations
def approve(request: HttpRequest, number: int) -> HttpResponse:
    """Approve a grant that another has given."""
    given = acts.approve_grant(request.user.get_username(), number)
    messages.success(request, say("portal-granted", lang(), user=given.user.get_username()))
    return redirect("access")


@require_POST
@operations
def first_link(request: HttpRequest, number: int) -> HttpResponse:
    """Show the link by which a new account is taken up, to hand on."""
    return render(
        request,
        "token.html",
        {
            "secret": request.build_absolute_uri(
                acts.first_link(request.user.get_username(), number)
            ),
            "link": True,
        },
    )


@require_POST
@operations
def end(request: HttpRequest, number: int) -> HttpResponse:
    """End a grant."""
    acts.end_grant(request.user.get_username(), number)
    return redirect("access")


@require_POST
@signed_in()
def connect(request: HttpRequest) -> HttpResponse:
    """Connect one's account with one at the provider: the next step, which holds once."""
    request.session[CONNECTING] = True
    return render(request, "connect.html")


@require_POST
@signed_in()
def token(request: HttpRequest) -> HttpResponse:
    """Make a token for the API; it is shown this once."""
    days = request.POST.get("days", "")
    secret = acts.make_token(
        request.user,
        request.POST.get("name", ""),
        request.POST.get("scopes", ""),
        int(days) if days.isdecimal() and len(days) < 6 else 0,
    )
    return render(request, "token.html", {"secret": secret})


@require_POST
@signed_in()
def end_token(request: HttpRequest, number: int) -> HttpResponse:
    """End one of one's own tokens."""
    acts.end_token(request.user, number)
    return redirect("access")


@require_POST
@signed_in()
def hook(request: HttpRequest) -> HttpResponse:
    """Ask that another system be told; its secret is shown this once."""
    made = webhooks.make(
        request.user, request.POST.get("url", "").strip(), " ".join(request.POST.getlist("events"))
    )
    return render(request, "token.html", {"secret": made.secret})


@require_POST
@signed_in()
def end_hook(request: HttpRequest, number: int) -> HttpResponse:
    """End one of one's own webhooks."""
    webhooks.end(request.user, number)
    return redirect("access")


@signed_in(AUDITOR, OPERATIONS)
def log(request: HttpRequest) -> HttpResponse:
    """The workspace's log, its chain verified, and what was done in the portal."""
    store = store_of(request)
    found = store.log.events()
    with outside_queue():
        verified = store.broken() if "verify" in request.GET else None
    page = Paginator(found[::-1], 50).get_page(request.GET.get("page"))
    return render(
        request,
        "log.html",
        {
            "page": page,
            "events": Event.objects.order_by("-id")[:50],
            "head": found[-1].hash if found else "",
            "acts": len(found),
            "problems": None if verified is None else [p.as_json(lang()) for p in verified],
        },
    )


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Change the language and stay where one was."""
    wanted, back = request.POST.get("language", ""), request.POST.get("next", "/")
    response = HttpResponseRedirect(
        back
        if back.startswith("/") and url_has_allowed_host_and_scheme(back, {request.get_host()})
        else "/"
    )
    if check_for_language(wanted):
        response.set_cookie(
            "django_language",
            wanted,
            max_age=365 * 86400,
            samesite="Lax",
            httponly=True,
            secure=request.is_secure(),
        )
    return response
