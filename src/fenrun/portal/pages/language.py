"""The choice of a language."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

_YEAR = 365 * 86400


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Change the language and stay on the page."""
    home = reverse("home")
    wanted, back = request.POST.get("language", ""), request.POST.get("next", home)
    own = back.startswith("/") and url_has_allowed_host_and_scheme(back, {request.get_host()})
    response = HttpResponseRedirect(back if own else home)
    if check_for_language(wanted):
        response.set_cookie(
            "django_language",
            wanted,
            max_age=_YEAR,
            path=settings.LANGUAGE_COOKIE_PATH,
            samesite="Lax",
            httponly=True,
            secure=request.is_secure(),
        )
    return response
