"""Notices: what one was told; and sign-up by a partner's link."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal.access.permissions import parties_of, signed_in, store_of, user_of
from fenrun.portal.commands import notices, sign_up
from fenrun.portal.commands.book import book_of
from fenrun.portal.language import lang
from fenrun.portal.models import CUSTOMER, PARTNER, Notice, SignUpLink
from fenrun.portal.pages.paging import page_of

PAGES = {
    "request": ("requests", ""),
    "quote": ("quotes", ""),
    "case": ("case-questions", ""),
    "statement": ("statements", "?period="),
    "payment": ("payments", "?period="),
    "dispute": ("disputes", ""),
    "close": ("home", "?month="),
}
"""The page that a notice leads to, by its group, and how its address names the subject."""


@signed_in()
def listed(request: HttpRequest) -> HttpResponse:
    """Show one's own notices, latest first; they are delivered by it."""
    user = user_of(request)
    own = Notice.objects.filter(reader=f" {user.get_username()} ").order_by("-at", "-pk")
    page = page_of(request, own)
    chosen = notices.mail_of(user)
    shown = {
        "rows": [(row, _link(row)) for row in page],
        "page": page,
        "address": chosen.address,
        "muted": chosen.muted.split(),
        "digest": chosen.digest,
        "groups": notices.GROUPS,
        "always": notices.ALWAYS,
    }
    response = render(request, "notices.html", shown)
    notices.read(user.get_username())
    return response


def _link(row: Notice) -> str:
    name, query = PAGES[notices.group_of(row.kind)]
    return reverse(name) + (f"{query}{row.subject.split()[0]}" if query else "")


@require_POST
@signed_in()
def choose(request: HttpRequest) -> HttpResponse:
    """Say which notices of one's own are mailed, and whether as a digest."""
    mailed, digest = request.POST.getlist("group"), bool(request.POST.get("digest"))
    notices.choose(user_of(request), mailed, digest)
    messages.success(request, say("portal-notices-chosen", lang()))
    return redirect("notices")


@require_POST
@signed_in()
def address(request: HttpRequest) -> HttpResponse:
    """Say where one's own notices are mailed, or that they are not."""
    notices.set_address(user_of(request), request.POST.get("address", ""))
    messages.success(request, say("portal-address-set", lang()))
    return redirect("notices")


@require_POST
@signed_in(PARTNER)
def make_link(request: HttpRequest) -> HttpResponse:
    """Make the partner's sign-up link; an earlier one of the same account ends."""
    party = request.POST.get("party", "")
    if party not in parties_of(request, PARTNER):
        raise PermissionDenied
    sign_up.make_link(request.user.get_username(), party)
    return redirect("requests")


@signed_in(CUSTOMER)
def join(request: HttpRequest, code: str) -> HttpResponse:
    """Show a customer whose link it followed and what its consent means; take its consent."""
    link = sign_up.link_of(code)
    own = parties_of(request, CUSTOMER)
    if not link:
        raise Http404
    store = store_of(request)
    if request.method == "POST":
        customer = request.POST.get("customer", "")
        if customer not in own:
            raise PermissionDenied
        sign_up.accept(store, link, customer)
        messages.success(request, say("portal-decided", lang()))
        return redirect("requests")
    name = book_of(store).names().get(link.party, link.party)
    return render(request, "join.html", {"link": link, "name": name, "customers": own})


def own_links(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the sign-up links of one's own parties that are in force: party and address."""
    links = SignUpLink.objects.filter(ended_at=None, party__in=parties_of(request, PARTNER))
    return [
        (link.party, request.build_absolute_uri(reverse("join", args=[link.code])))
        for link in links.order_by("pk")
    ]
