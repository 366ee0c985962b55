"""Sign-in: with a password, or through a provider of OpenID Connect; who may, and as whom."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.openid_connect.views import login
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from requests import RequestException

from fenrun.portal.access import journal
from fenrun.portal.access.addresses import sender_of
from fenrun.portal.access.authority import is_taken_up
from fenrun.portal.access.budgets import Failures
from fenrun.portal.access.encryption import decrypt, encrypt
from fenrun.portal.access.middleware import error_response
from fenrun.portal.events import now, record_event
from fenrun.portal.models import Grant, Opening
from fenrun.portal.request_queue import hashing

_LONGEST_NAME = 150
_failures = Failures()
CONNECTING = "connecting"
"""Set in the session by the form that asks to connect."""


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Accounts of operations' making: nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Return who signs in. After wrong passwords it takes ever longer until one may try again.

        Raises ValidationError meanwhile.
        """
        account = str(credentials.get("username", "")).lower()[:_LONGEST_NAME]
        sender = sender_of(self.get_client_ip(request))
        if _failures.wait(account, sender):
            journal.write_failure(request, account, "sign-in must wait")
            raise self.validation_error("too_many_login_attempts")
        with hashing():
            user: User | None = super().authenticate(request, **credentials)
        if user:
            _failures.forget(account, sender)
        else:
            _failures.record(account, sender)
        return user

    def add_message(self, *said: Any, **more: Any) -> None:
        """Say nothing: that somebody has signed in or out can be seen."""


@login_not_required
def by_provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Go to the provider.

    An account is connected only right after the form that asks for it, so no link from elsewhere
    does it. Nothing but `process` and `next` is handed on.
    """
    process = request.GET.get("process", "")
    asked_to_connect = process == "connect" and request.session.pop(CONNECTING, False)
    if process not in ("", "login") and not asked_to_connect:
        raise PermissionDenied
    handed_on = {key: request.GET[key] for key in ("process", "next") if key in request.GET}
    request.GET = QueryDict(urlencode(handed_on))
    try:
        response: HttpResponse = login(request, provider_id)
    except RequestException:
        return render(request, "socialaccount/authentication_error.html", status=502)
    return response


class SecondFactors(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Second factors, whose secrets are kept encrypted."""

    def encrypt(self, text: str) -> str:
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text)


class Provided(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Accounts that a provider vouches for.

    Whom it names takes up the account of that name which nobody has taken up, and has it from
    then on, by the provider's own number. An account with a password is connected by its owner,
    signed in: so nobody who may choose a name at the provider gets another's.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("access")

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        if sociallogin.state.get("process") == "connect" and request.user.is_authenticated:
            _record_opening(request.user, sociallogin.account.uid)
            record_event(request.user.get_username(), "connect account", sociallogin.account.uid)
            return
        if sociallogin.is_existing:
            return
        with transaction.atomic(using="default"):
            user = _waiting_account(_name_of(sociallogin))
            if not user:
                raise ImmediateHttpResponse(error_response(request, 403, "provider"))
            sociallogin.connect(request, user)
            _record_opening(user, sociallogin.account.uid)
            record_event(user.get_username(), "take up account", sociallogin.account.uid)


def _name_of(sociallogin: Any) -> str:
    """Return the account's name as the provider states it; nothing for an unverified address."""
    data = sociallogin.account.get_provider_account().get_user_data() or {}
    if settings.OIDC_CLAIM == "email" and data.get("email_verified") is not True:
        return ""
    return str(data.get(settings.OIDC_CLAIM) or "")


def _waiting_account(name: str) -> User | None:
    """Return the account of that name that nobody has ever taken up.

    None where it has a role that takes two: who takes up an account is known to the second who
    approves such a role, and nobody comes into it afterwards by a name.
    """
    if not name:
        return None
    users = User.objects.using("default")
    # Locked: of two whom providers name alike, one takes it up.
    user = users.select_for_update().filter(username=name, is_active=True).first()
    if not user or is_taken_up(user) or user.last_login:
        return None
    grants = Grant.objects.using("default").filter(user=user, role__in=Grant.TWO, ended_at=None)
    return None if grants.exclude(holds_at=None).exists() else user


def _record_opening(user: Any, number: str) -> None:
    Opening.objects.using("default").create(user=user, way=Opening.PROVIDER, by=number, at=now())
