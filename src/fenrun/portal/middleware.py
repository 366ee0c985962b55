"""What holds for every request: who asks, which headers the answer carries, and how a refusal is told."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fenrun.base.problem import Refused
from fenrun.portal.isolation import asking

Answer = Callable[[HttpRequest], HttpResponse]
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; "
          "frame-ancestors 'none'; base-uri 'none'")


def headers(answer: Answer) -> Answer:
    """Nothing but the portal's own scripts and styles runs; what somebody sees is kept by no cache."""

    def handle(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        response.setdefault("Content-Security-Policy", POLICY)
        response.setdefault("X-Frame-Options", "DENY")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if not request.path.startswith("/static/"):
            response.setdefault("Cache-Control", "no-store")
        return response

    return handle


def asker(answer: Answer) -> Answer:
    """Say to the database who asks, for as long as the request lasts."""

    def handle(request: HttpRequest) -> HttpResponse:
        with asking(request.user.pk if request.user.is_authenticated else None):
            return answer(request)

    return handle


class refusals:
    """What is refused is a page that says what, why and what to do: as a page."""

    def __init__(self, answer: Answer):
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, Refused):
            return render(request, "refused.html", {"problems": error.problems}, status=409)
        return None


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that did not come from this portal's own page, or too late."""
    return render(request, "error.html", {"code": 403, "kind": "form"}, status=403)


class Accounts(DefaultAccountAdapter):
    """Accounts are made by operations, never by signing up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


