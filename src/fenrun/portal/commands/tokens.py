"""Tokens: letting a program ask as its user."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal import models
from fenrun.portal.access.authority import authority_of
from fenrun.portal.access.tokens import digest_of
from fenrun.portal.events import now, record_event

_DB = "default"
MOST_DAYS = 366
"""Days that a token is valid for at most."""
SCOPES = ("read", "read act")


def make(user: Any, name: str, scopes: str, days: int) -> str:
    """Make a token and return it. It is said once: only its digest is kept.

    Raises Refused for no name, other scopes, or more days than MOST_DAYS.
    """
    if scopes not in SCOPES or not name.strip() or not 0 < days <= MOST_DAYS:
        values = {"scopes": scopes, "days": days, "most": MOST_DAYS}
        raise Refused([Problem("token-wrong", Place("token"), values)])
    secret = f"fenrun_{secrets.token_urlsafe(32)}"
    with transaction.atomic(using=_DB):
        models.Token.objects.using(_DB).create(
            user=user,
            name=name.strip()[:100],
            digest=digest_of(secret),
            scopes=scopes,
            authority=authority_of(User.objects.using(_DB).get(pk=user.pk)),
            made_at=now(),
            until=now() + timedelta(days=days),
        )
        record_event(user.get_username(), "make token", name, scopes=scopes, days=days)
    return secret
