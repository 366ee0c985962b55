"""Who may sign in, and as whom: with a password, or through a provider of OpenID Connect."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.urls import reverse

from fenrun.portal.events import note
from fenrun.portal.middleware import told


class Accounts(DefaultAccountAdapter):
    """Accounts are made by operations, never by signing up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *said: Any, **more: Any) -> None:
        """That somebody has signed in or out is seen without being told."""


class Provided(DefaultSocialAccountAdapter):
    """Whom a provider names takes up the account of that name which has no password yet, and has it from then on, by the provider's own number for him.

    An account with a password is connected by its owner, signed in: so nobody who may choose his name at the provider gets another's.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("access")

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        if sociallogin.is_existing or (sociallogin.state.get("process") == "connect" and request.user.is_authenticated):
            return
        said = sociallogin.account.get_provider_account().get_user_data() or {}
        name = str(said.get(settings.OIDC_CLAIM) or "")
        if settings.OIDC_CLAIM == "email" and said.get("email_verified") is not True:
            name = ""
        user = get_user_model().objects.using("default").filter(username=name, is_active=True).first() if name else None
        if not user or user.has_usable_password() or SocialAccount.objects.using("default").filter(user=user).exists():
            raise ImmediateHttpResponse(told(request, 403, "provider"))
        sociallogin.connect(request, user)
        note(name, "take up account", sociallogin.account.uid)
