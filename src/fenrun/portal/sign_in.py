"""Who may sign in, and as whom: with a password, or through a provider of OpenID Connect."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect.views import login
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from requests import RequestException

from fenrun.portal.events import record_event
from fenrun.portal.middleware import error_response

CONNECTING = "connecting"
"""Set in the session by the form that asks to connect."""


class Accounts(DefaultAccountAdapter):
    """Accounts are made by operations, never by signing up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *said: Any, **more: Any) -> None:
        """That somebody has signed in or out is seen without being told."""


@login_not_required
def by_provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Go to the provider. To connect an account only right after the form that asks for it, so that no link from elsewhere does."""
    process = request.GET.get("process", "")
    if process not in ("", "login") and not (
        process == "connect" and request.session.pop(CONNECTING, False)
    ):
        raise PermissionDenied
    request.GET = QueryDict(
        urlencode({k: v for k, v in request.GET.items() if k in ("process", "next")})
    )  # and nothing else is handed on
    try:
        return login(request, provider_id)
    except RequestException:
        return render(request, "socialaccount/authentication_error.html", status=502)


class Provided(DefaultSocialAccountAdapter):
    """Whom a provider names takes up the account of that name which has no password yet, and has it from then on, by the provider's own number for him.

    An account with a password is connected by its owner, signed in: so nobody who may choose his name at the provider gets another's.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("access")

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        if sociallogin.state.get("process") == "connect" and request.user.is_authenticated:
            record_event(request.user.get_username(), "connect account", sociallogin.account.uid)
            return
        if sociallogin.is_existing:
            return
        said = sociallogin.account.get_provider_account().get_user_data() or {}
        name = str(said.get(settings.OIDC_CLAIM) or "")
        if settings.OIDC_CLAIM == "email" and said.get("email_verified") is not True:
            name = ""
        user = (
            get_user_model().objects.using("default").filter(username=name, is_active=True).first()
            if name
            else None
        )
        if (
            not user
            or user.has_usable_password()
            or SocialAccount.objects.using("default").filter(user=user).exists()
        ):
            raise ImmediateHttpResponse(error_response(request, 403, "provider"))
        sociallogin.connect(request, user)
        record_event(name, "take up account", sociallogin.account.uid)
