"""The language of a page: the words of fenrun's one catalogue, amounts and days as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jinja2
from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.template.backends.utils import csrf_input
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language
from markupsafe import Markup

from fenrun.base.money import show
from fenrun.base.words import catalogue, language, say
from fenrun.portal import charts
from fenrun.portal.pages.common import grants_of
from fenrun.statement.explain import why


def lang() -> str:
    """The language of the request."""
    return language(get_language())


def context(request: HttpRequest) -> dict[str, Any]:
    """What every page knows."""
    user = getattr(request, "user", None)  # a request can be refused before anybody asks who it is
    signed_in = user is not None and user.is_authenticated
    return {
        "lang": lang(),
        "home": reverse("home"),
        "who": user.get_username() if user and signed_in else "",
        "grants": grants_of(request) if signed_in else [],
        "messages": get_messages(request),
        "csrf_input": csrf_input(request),
        "provider": settings.OIDC_NAME or settings.OIDC_URL,
    }


def environment(**options: Any) -> jinja2.Environment:
    """The pages' environment: everything is escaped, an unknown name is an error."""
    made = jinja2.Environment(
        **{
            **options,
            "autoescape": True,
            "undefined": jinja2.StrictUndefined,
            "trim_blocks": True,
            "lstrip_blocks": True,
        }
    )
    made.globals.update(
        static=lru_cache(200)(static), url=lru_cache(20_000)(_url), say=_say, charts=charts
    )
    made.filters.update(money=money, title=title, role=role, reason=reason, percent=percent)
    return made


@jinja2.pass_context
def _say(context: Any, key: str, **values: Any) -> str:
    return say(key, context["lang"], **values)


def _url(name: str, *parts: Any) -> str:
    return reverse(name, args=parts)


def money(text: str | None) -> str:
    """An exact amount with separators; nothing for none."""
    return "" if text is None else Markup(show(Decimal(text)))


@jinja2.pass_context
def title(context: Any, words: Mapping[str, str]) -> str:
    """A clause's title in the page's language."""
    return words[context["lang"]]


@jinja2.pass_context
def role(context: Any, names: str) -> str:
    """A role, or several with commas, as people say it: the field's own ones in their language, a plan's others as it names them."""
    return _role(names, context["lang"])


@lru_cache(500)
def _role(names: str, lang: str) -> str:
    known = catalogue()
    return ("、" if lang == "zh-CN" else ", ").join(
        say(f"role-{name}", lang) if f"role-{name}" in known else name for name in names.split(", ")
    )


def percent(part: str, whole: str) -> str:
    """A share as people read it, cut to a tenth of a percent; a dash of nothing."""
    of = Decimal(whole)
    return "–" if not of else f"{(Decimal(part) * 100 / of).quantize(Decimal('0.1'))} %"


def reason(line: Mapping[str, Any]) -> str:
    """A statement line's reason in words."""
    return why(
        line["reason"], lang(), line["band"], money(line["cap"]), line["who"], line["detail"]
    )
