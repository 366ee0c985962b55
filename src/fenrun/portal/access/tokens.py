"""Tokens, as a request brings them: the user and the scopes that one stands for."""

from __future__ import annotations

import hashlib

from django.contrib.auth.models import User

from fenrun.portal import models
from fenrun.portal.access.authority import authority_of
from fenrun.portal.events import now


def digest_of(secret: str) -> str:
    """Return what is kept of a token.

    A token is random enough that a plain digest cannot be undone.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def user_of_token(secret: str) -> tuple[User, set[str]] | None:
    """Return the user and the scopes of a token that is in force, else None.

    It is so for the authority that its user had when it was made.
    """
    tokens = models.Token.objects.using("default").select_related("user")
    found = tokens.filter(
        digest=digest_of(secret), ended_at=None, until__gt=now(), user__is_active=True
    ).first()
    if not found or found.authority != authority_of(found.user):
        return None
    return found.user, set(found.scopes.split())
