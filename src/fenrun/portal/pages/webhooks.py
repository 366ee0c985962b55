"""Webhooks: what was sent to one, whether it arrived; sending it again, and a test."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal.access.permissions import is_operations, signed_in, user_of
from fenrun.portal.commands import webhooks
from fenrun.portal.language import lang
from fenrun.portal.models import Hook
from fenrun.portal.pages.paging import page_of


def _hook(request: HttpRequest, number: int) -> Hook:
    """Return a webhook of one's own; as operations, anybody's."""
    found = webhooks.find(number, None if is_operations(request) else user_of(request))
    if not found:
        raise Http404
    return found


@signed_in()
def log(request: HttpRequest, number: int) -> HttpResponse:
    """Show what was sent to a webhook, the last messages first."""
    hook = _hook(request, number)
    page = page_of(request, webhooks.deliveries_of(hook))
    return render(request, "webhook.html", {"hook": hook, "page": page})


@require_POST
@signed_in()
def test(request: HttpRequest, number: int) -> HttpResponse:
    """Send a webhook a test."""
    webhooks.test(request.user.get_username(), _hook(request, number))
    messages.success(request, say("portal-hook-sent", lang()))
    return redirect("webhook", number)


@require_POST
@signed_in()
def resend(request: HttpRequest, number: int) -> HttpResponse:
    """Send a message to a webhook again."""
    of = None if is_operations(request) else user_of(request)
    hook = webhooks.resend(request.user.get_username(), number, of)
    if not hook:
        raise Http404
    messages.success(request, say("portal-hook-sent", lang()))
    return redirect("webhook", hook.pk)
