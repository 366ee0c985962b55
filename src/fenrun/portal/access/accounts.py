"""Accounts as each request finds them: read without the time that Django takes to write the query.

All else, such as signing in, is allauth's own.
"""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import User
from django.db import connections

_FIELDS = ("id", "password", "username", "is_active")
"""In the order of the model's."""
_FOUND = f"SELECT {', '.join(_FIELDS)} FROM auth_user WHERE id = %s"


class Backend(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    """Accounts with a password; what a request does not need of one is read when it is asked."""

    def get_user(self, user_id: Any) -> User | None:
        """Return the account of that number as it is now; None without one that is active."""
        with connections["default"].cursor() as cursor:
            cursor.execute(_FOUND, [user_id])
            row = cursor.fetchone()
        user = User.from_db("default", _FIELDS, row) if row else None
        return user if user and user.is_active else None
