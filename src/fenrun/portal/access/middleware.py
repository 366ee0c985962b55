"""Middleware: who asks, which headers an answer carries, and how a refusal is told."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import cast

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connections
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, ResolverMatch, resolve, reverse

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import reason, say
from fenrun.portal import events
from fenrun.portal.access.addresses import sender_of
from fenrun.portal.access.budgets import Budget
from fenrun.portal.access.encryption import decrypt, encrypt
from fenrun.portal.access.isolation import asking
from fenrun.portal.access.request import PortalRequest
from fenrun.portal.access.tokens import digest_of, user_of_token
from fenrun.portal.language import lang
from fenrun.portal.models import IdempotentResponse
from fenrun.portal.places import without_folders
from fenrun.portal.request_queue import answer_at_once, name_asker, queued
from fenrun.store.facts import is_of_disk

_log = logging.getLogger(__name__)
_HERE = Place("portal")
KEPT_FOR = timedelta(days=1)
"""How long the same key gets the same answer."""
_FORMS = {
    "set-target": ("targets", ()),
    "undo-target": ("targets", ()),
    "undo-bulk": ("bulk", ()),
    "ask": ("requests", ()),
    "give": ("access", ()),
    "make-token": ("access", ()),
    "make-hook": ("access", ()),
    "save-plan": ("plans", ()),
    "set-address": ("notices", ()),
    "settle": ("periods", ()),
    "save-view": ("statements", ()),
    "ask-close": ("period", ("period",)),
    "approve-close": ("period", ("period",)),
    "answer-dispute": ("dispute", ("number",)),
    "open-dispute": ("open-dispute", ()),
    "assign-dispute": ("dispute", ("number",)),
    "add-dispute-file": ("dispute", ("number",)),
}
"""By the address of a form, the page on which it stands, and which of its values that names."""
Answer = Callable[[HttpRequest], HttpResponse]
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""The content security policy: nothing but the portal's own scripts and styles runs."""


def headers(answer: Answer) -> Answer:
    """Answer requests in their order, with headers for the browser's safety.

    No cache keeps what somebody sees.
    """
    answer_at_once(connections["default"].vendor)

    def handle(request: HttpRequest) -> HttpResponse:
        waits_for_provider = request.path_info.startswith("/account/oidc/")
        with nullcontext() if waits_for_provider else queued():
            response = answer(request)
        response.setdefault("Content-Security-Policy", POLICY)
        response.setdefault("X-Frame-Options", "DENY")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if not request.path_info.startswith("/static/"):
            response.setdefault("Cache-Control", "no-store")
        return response

    return handle


def asker(answer: Answer) -> Answer:
    """Say to the database who asks, for as long as the request lasts.

    That is whoever has signed in or, at the API, the user of the token.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and request.path_info.startswith("/api/"):
            asked = cast(PortalRequest, request)
            found = user_of_token(secret.strip())
            asked.user, asked.scopes = found or (AnonymousUser(), set())
        with asking(request.user.pk if request.user.is_authenticated else None):
            return answer(request)

    return handle


def budget(answer: Answer) -> Answer:
    """Answer as many requests of a user, a token, or an address without either, as it may make."""
    requests = Budget(settings.REQUESTS_A_MINUTE)

    def handle(request: HttpRequest) -> HttpResponse:
        who = _who(request)
        name_asker(who)
        wait = requests.spend(who)
        if not wait:
            return answer(request)
        response = error_response(request, 429, "budget")
        response["Retry-After"] = str(wait)
        return response

    return handle


def _who(request: HttpRequest) -> str:
    """Return whose budget a request spends: a token's, a user's, or that of an address."""
    if not request.user.is_authenticated:
        return sender_of(request.META.get("REMOTE_ADDR", ""))
    by_token = hasattr(request, "scopes")
    return digest_of(request.headers["Authorization"]) if by_token else f"user {request.user.pk}"


def idempotent(answer: Answer) -> Answer:
    """Do a command of the API that carries an Idempotency-Key once.

    The same request again gets the same answer, for a day; another one under that key is refused.
    Answers are kept encrypted: one may say a secret.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "").replace("\x00", "")
        if (
            not key
            or request.method in ("GET", "HEAD")
            or not request.path_info.startswith("/api/")
            or not request.user.is_authenticated
        ):
            return answer(request)
        asked = _digest(request)
        earliest = events.now() - KEPT_FOR
        IdempotentResponse.objects.using("default").filter(at__lt=earliest).delete()
        kept, new = IdempotentResponse.objects.using("default").get_or_create(
            user_id=request.user.pk, key=key[:200], defaults={"request": asked, "at": events.now()}
        )
        if new:
            return _answer_once(answer, request, kept)
        if kept.request != asked:
            return _conflict("portal-key-other")
        if kept.status is None:
            return _conflict("portal-key-busy")
        return HttpResponse(
            decrypt(kept.body), status=kept.status, content_type="application/json; charset=utf-8"
        )

    return handle


def _digest(request: HttpRequest) -> str:
    """Return the digest by which a request is the same as another.

    Files are read by pieces, and count by what they hold: a client draws new separators each time.
    """
    found = hashlib.sha256(f"{request.method}\0{request.path}\0".encode())
    if request.content_type != "multipart/form-data":
        found.update(request.body)
        return found.hexdigest()
    for name, values in sorted(request.POST.lists()):
        found.update(repr((name, values)).encode())
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            found.update(repr((name, file.name, file.size)).encode())
            for chunk in file.chunks():
                found.update(chunk)
            file.seek(0)
    return found.hexdigest()


def _answer_once(answer: Answer, request: HttpRequest, kept: IdempotentResponse) -> HttpResponse:
    """Answer a request and keep the answer. One that fails is not kept: it may be tried again."""
    try:
        response = answer(request)
    except BaseException:
        kept.delete(using="default")
        raise
    if response.status_code >= 400:
        kept.delete(using="default")
        return response
    kept.status = response.status_code
    kept.body = encrypt(response.content.decode())
    kept.save(using="default")
    return response


def _conflict(key: str) -> JsonResponse:
    return refusal(409, "idempotency", say(key, lang()), place="Idempotency-Key")


class refusals:
    """Show what is refused as a page that says what, why and what to do."""

    def __init__(self, answer: Answer):
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        forms = (
            [request.GET] if request.path_info.startswith("/api/") else [request.GET, request.POST]
        )
        texts = [request.path]
        for form in forms:
            for name, values in form.lists():
                texts += [name, *values]
        if any("\x00" in text for text in texts):  # PostgreSQL takes no text with a NUL byte
            return error_response(request, 400, "request")
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, Refused):
            return form_again(request, error) or _refused(request, error)
        if isinstance(error, OSError) and is_of_disk(error):
            return full_disk(request, error)
        return broken_database(request) if isinstance(error, OperationalError) else None


def form_again(request: HttpRequest, error: Refused) -> HttpResponse | None:
    """Return the page of a form that was refused, with what was typed and why it was refused.

    None where the form has no page, or its page cannot be shown.
    """
    match = request.resolver_match
    if match is None or match.url_name not in _FORMS or request.method != "POST":
        return None
    name, parts = _FORMS[match.url_name]
    values = [match.kwargs.get(part) or request.POST.get(part, "") for part in parts]
    asked = cast(PortalRequest, request)
    asked.problems, asked.typed = without_folders(error.problems), request.POST
    try:
        address = reverse(name, args=values)
        page = resolve(address)
        response = _as_page(request, address, page)
    except (Http404, NoReverseMatch, PermissionDenied):
        return None
    response.status_code = 409
    return response


def _as_page(request: HttpRequest, address: str, page: ResolverMatch) -> HttpResponse:
    """Return a page as if it were asked for; the request then is what it was."""
    was = request.method, request.path, request.path_info
    request.method, request.path, request.path_info = "GET", address, address
    try:
        response: HttpResponse = page.func(request, *page.args, **page.kwargs)
    finally:
        request.method, request.path, request.path_info = was
    return response


def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return render(
        request, "refused.html", {"problems": without_folders(error.problems)}, status=409
    )


def full_disk(request: HttpRequest, error: OSError) -> HttpResponse:
    """Return that nothing can be written now; what was begun is undone."""
    _log.error("disk: %s", error.strerror)
    return _unavailable(request, Problem("workspace-unwritable", _HERE, {"detail": reason(error)}))


def broken_database(request: HttpRequest) -> HttpResponse:
    """Return that the portal's database takes nothing now, or cannot be read."""
    _log.exception("database")
    return _unavailable(request, Problem("database-unusable", _HERE))


def _unavailable(request: HttpRequest, problem: Problem) -> HttpResponse:
    if request.path_info.startswith("/api/"):
        what, fix = (problem.words(part, lang()) for part in ("what", "fix"))
        return refusal(503, problem.code, what, fix)
    try:
        return render(request, "refused.html", {"problems": [problem]}, status=503)
    except OperationalError:  # nor can it be read who asks
        text = "\n".join(problem.words(part, lang()) for part in ("what", "why", "fix"))
        return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form that did not come from this portal's own page, or came too late."""
    return error_response(request, 403, "form")


def error_response(request: HttpRequest, code: int, kind: str) -> HttpResponse:
    """Return an error as a page that says what to do; at the API as JSON."""
    if request.path_info.startswith("/api/"):
        what = say(f"portal-error-{kind}", lang())
        return refusal(code, kind, what, say(f"portal-error-{kind}-do", lang()))
    return render(request, "error.html", {"code": code, "kind": kind}, status=code)


def refusal(
    status: int, code: str, what: str, fix: str = "", place: str = "", why: str = ""
) -> JsonResponse:
    """Return a refusal as the API tells it."""
    problem = {"code": code, "what": what, "why": why, "fix": fix, "place": place}
    return JsonResponse({"problems": [problem]}, status=status)
