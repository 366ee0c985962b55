"""What holds for every request: who asks, which headers the answer carries, and how a refusal is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from fenrun.base.problem import Refused
from fenrun.base.words import say
from fenrun.portal import acts, events, words
from fenrun.portal.isolation import asking
from fenrun.portal.models import IdempotentResponse
from fenrun.portal.request_queue import queued

Answer = Callable[[HttpRequest], HttpResponse]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def headers(answer: Answer) -> Answer:
    """Requests are answered in turn. Nothing but the portal's own scripts and styles runs; what somebody sees is kept by no cache."""

    def handle(request: HttpRequest) -> HttpResponse:
        with (
            nullcontext() if request.path.startswith("/account/oidc/") else queued()
        ):  # which waits for another server
            response = answer(request)
        response.setdefault("Content-Security-Policy", POLICY)
        response.setdefault("X-Frame-Options", "DENY")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if not request.path.startswith("/static/"):
            response.setdefault("Cache-Control", "no-store")
        return response

    return handle


def asker(answer: Answer) -> Answer:
    """Say to the database who asks, for as long as the request lasts: whoever has signed in, or, at the API, whose token it is."""

    def handle(request: HttpRequest) -> HttpResponse:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and request.path.startswith("/api/"):
            found = acts.user_of_token(secret.strip())
            request.user, request.scopes = found or (AnonymousUser(), set())
        with asking(request.user.pk if request.user.is_authenticated else None):
            return answer(request)

    return handle


def idempotent(answer: Answer) -> Answer:
    """An act at the API that carries an Idempotency-Key is done once: the same request again gets the same answer, another one under that key is refused."""

    def handle(request: HttpRequest) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "").replace("\x00", "")
        if (
            not key
            or request.method in ("GET", "HEAD")
            or not request.path.startswith("/api/")
            or not request.user.is_authenticated
        ):
            return answer(request)
        asked = hashlib.sha256(
            b"\0".join([request.method.encode(), request.path.encode(), request.body])
        ).hexdigest()
        kept, new = IdempotentResponse.objects.using("default").get_or_create(
            user_id=request.user.pk, key=key[:200], defaults={"request": asked, "at": events.now()}
        )
        if new:
            try:
                response = answer(request)
            except BaseException:
                kept.delete(using="default")
                raise
            if response.status_code >= 400:  # nothing was done: it may be tried again
                kept.delete(using="default")
            else:
                kept.status, kept.body = response.status_code, response.content.decode()
                kept.save(using="default")
            return response
        if kept.request != asked or kept.status is None:
            what = (
                "This key was used for another request."
                if kept.request != asked
                else "The first request with this key is still being answered."
            )
            return refusal(409, "idempotency", what, place="Idempotency-Key")
        return HttpResponse(
            kept.body, status=kept.status, content_type="application/json; charset=utf-8"
        )

    return handle


class refusals:
    """What is refused is a page that says what, why and what to do: as a page."""

    def __init__(self, answer: Answer):
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        forms = [request.GET] if request.path.startswith("/api/") else [request.GET, request.POST]
        said = [
            request.path,
            *(v for form in forms for values in form.lists() for v in [values[0], *values[1]]),
        ]
        if any("\x00" in text for text in said):  # PostgreSQL takes no text with a NUL byte
            return error_response(request, 400, "request")
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, Refused):
            return render(request, "refused.html", {"problems": error.problems}, status=409)
        return None


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that did not come from this portal's own page, or too late."""
    return error_response(request, 403, "form")


def error_response(request: HttpRequest, code: int, kind: str) -> HttpResponse:
    """An error as a page that says what to do; at the API as JSON."""
    if request.path.startswith("/api/"):
        lang = words.lang()
        return refusal(
            code, kind, say(f"portal-error-{kind}", lang), say(f"portal-error-{kind}-do", lang)
        )
    return render(request, "error.html", {"code": code, "kind": kind}, status=code)


def refusal(status: int, code: str, what: str, fix: str = "", place: str = "") -> JsonResponse:
    """A refusal as the API tells it."""
    return JsonResponse(
        {"problems": [{"code": code, "what": what, "why": "", "fix": fix, "place": place}]},
        status=status,
    )
