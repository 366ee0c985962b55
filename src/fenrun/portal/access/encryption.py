"""Secrets at rest: unreadable to whoever has the portal's database without the portal's secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from functools import cache

from cryptography.fernet import Fernet
from django.conf import settings

_ENCRYPTED = "gAAAA"
"""The beginning of what is encrypted (Fernet: AES-128, HMAC-SHA256); other text was kept before."""
_DERIVED = "derived:"


def encrypt(text: str) -> str:
    """Return a text that only the portal's secret opens."""
    return _box().encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """Return what was encrypted. Raises cryptography's InvalidToken where it was edited."""
    return _box().decrypt(text.encode()).decode() if text.startswith(_ENCRYPTED) else text


def new_seed() -> str:
    """Return what is kept of a new secret, from which it is derived."""
    return _DERIVED + secrets.token_urlsafe(32)


def secret_of(seed: str) -> str:
    """Return the secret of a seed. One that was kept before there were seeds is its own."""
    if not seed.startswith(_DERIVED):
        return seed
    return base64.urlsafe_b64encode(_key(seed)).decode().rstrip("=")


def _key(purpose: str) -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), f"fenrun {purpose}".encode(), hashlib.sha256)


@cache
def _box() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_key("box")))
