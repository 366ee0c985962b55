"""The access log: sign-ins, refusals, downloads and the use of tokens, one line each.

It goes to standard error as `fenrun.access`. No password, token or link stands in it: a name that
no account has may be a password in the wrong field, and an address of a reset holds its link.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from allauth.mfa.signals import authentication_failed
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest, HttpResponse

from fenrun.portal.access.addresses import sender_of

_LONGEST = 200
_log = logging.getLogger("fenrun.access")


def middleware(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Write a line about each answer that is a refusal, a download, or asked for by a token."""

    def handle(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        if response.status_code >= 400:
            write("refused", request, status=response.status_code)
        elif response.get("Content-Disposition", "").startswith("attachment"):
            write("download", request)
        elif hasattr(request, "scopes"):
            write("token", request)
        return response

    return handle


def write(act: str, request: HttpRequest | None, **more: Any) -> None:
    """Write a line: what was done, by whom, from where, and by which request."""
    said: dict[str, Any] = {}
    if request is not None:
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated and "user" not in more:
            said["user"] = user.get_username()
        said["from"] = sender_of(request.META.get("REMOTE_ADDR", ""))
        said["asked"] = f"{request.method} {_address(request)}"
    words = (f"{key}={_written(value)}" for key, value in (said | more).items())
    _log.info("%s %s", act, " ".join(words))


def write_failure(request: HttpRequest | None, account: str, act: str = "sign-in failed") -> None:
    """Write a line about a sign-in that failed; of a name that no account has, not the name."""
    known = User.objects.using("default").filter(username=account.replace("\x00", "")).exists()
    write(act, request, user=account if known else "unknown")


def _address(request: HttpRequest) -> str:
    """Return the path that was asked for; of sign-in's pages the route, since links are secret."""
    found = request.resolver_match
    is_own = not request.path_info.startswith("/account/")
    return request.path if is_own or found is None else f"/{found.route}"


def _written(value: Any) -> str:
    """Return a value in one line, in quotes where it is text."""
    if not isinstance(value, str):
        return str(value)
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    return json.dumps(plain[:_LONGEST], ensure_ascii=False)


def _signed_in(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    write("sign-in", request, user=user.get_username())


def _signed_out(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    if user is not None:
        write("sign-out", request, user=user.get_username())


def _failed(sender: Any, credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    write_failure(request, str(credentials.get("username", "")))


def _factor_failed(sender: Any, request: HttpRequest | None, user: Any, **_: Any) -> None:
    write("second factor failed", request, user=user.get_username())


authentication_failed.connect(_factor_failed, dispatch_uid="fenrun.portal.journal")
user_logged_in.connect(_signed_in, dispatch_uid="fenrun.portal.journal")
user_logged_out.connect(_signed_out, dispatch_uid="fenrun.portal.journal")
user_login_failed.connect(_failed, dispatch_uid="fenrun.portal.journal")
