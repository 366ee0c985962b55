"""Words of the pages: fenrun's one catalogue, amounts and days as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import jinja2
from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.template.backends.utils import csrf_input
from django.templatetags.static import static
from django.urls import reverse
from markupsafe import Markup, escape

from fenrun.base.money import minor_units, show, show_rate
from fenrun.base.words import say
from fenrun.plan.bands import band_words
from fenrun.portal.access.isolation import rows_seen
from fenrun.portal.access.permissions import grants_of
from fenrun.portal.commands.publishing import CUSTOMERS_SHOWN
from fenrun.portal.language import lang
from fenrun.portal.pages import charts
from fenrun.portal.pages.environment import Pages
from fenrun.portal.pages.paging import address_of, others_asked
from fenrun.pricing.lines import rounded
from fenrun.settle.imports import content_of
from fenrun.statement.sentences import role_words, why

_UNREAD = """
SELECT count(reader) FROM portal_notice WHERE seen_at IS NULL AND over_at IS NULL AND reader = %s"""
_LIST = {"en": ", ", "zh-CN": "、"}


def context(request: HttpRequest) -> dict[str, Any]:
    """Return what every page knows."""
    user = getattr(request, "user", None)  # a request can be refused before anybody asks who it is
    signed_in = user is not None and user.is_authenticated
    return {
        "lang": lang(),
        # Not of the context: one that is called in a loop would copy it each time.
        "say": partial(_say, lang()),
        "home": reverse("home"),
        "current": _page_of(request),
        "who": user.get_username() if user and signed_in else "",
        "grants": grants_of(request) if signed_in else [],
        "refused": getattr(request, "problems", ()),
        "typed": getattr(request, "typed", {}),
        "unread": _unread(user.get_username()) if user and signed_in else 0,
        "messages": get_messages(request),
        "csrf_input": csrf_input(request),
        "provider": settings.OIDC_NAME or settings.OIDC_URL,
    }


def _page_of(request: HttpRequest) -> tuple[str, ...]:
    """Return the name of the page that is shown, as the menu knows it; nothing for none."""
    found = request.resolver_match
    return (found.url_name or "",) if found else ()


def _unread(name: str) -> int:
    """Return how many notices an account has not opened yet, and still should."""
    ((count,),) = rows_seen(_UNREAD, f" {name} ")
    return int(count)


def environment(**options: Any) -> jinja2.Environment:
    """Return the pages' environment, with what templates may call."""
    made = Pages(**options)
    made.globals.update(
        static=lru_cache(200)(static),
        url=lru_cache(20_000)(_url),
        others_asked=others_asked,
        page_address=address_of,
        charts=charts,
        CUSTOMERS_SHOWN=CUSTOMERS_SHOWN,
    )
    made.filters.update(
        money=money,
        title=title,
        role=role,
        band=band,
        reason=reason,
        percent=percent,
        content=content,
        form=form,
        cents=cents,
        amount=amount,
        sign=sign,
        short=short,
        signed=signed,
        rate=rate,
        exact=exact,
    )
    return made


def _say(lang: str, key: str, **values: Any) -> str:
    return say(key, lang, **values)


def _url(name: str, *parts: Any) -> str:
    return reverse(name, args=parts)


def short(text: str | None, currency: str = "") -> str:
    """Return an amount for a sentence, rounded to the smallest of a currency."""
    places = minor_units(currency)
    return "" if text is None else show(rounded(Decimal(text), places), places)


def money(text: str | None) -> str:
    """Return an exact amount with separators; nothing for none."""
    return "" if text is None else Markup(show(Decimal(text)))


def amount(text: str | None, currency: str = "", with_currency: bool = False) -> str:
    """Return an amount rounded to the smallest of a currency, with its exact text beside it.

    That is shown where somebody points at it, comes to it by key, or taps on it.
    """
    if text is None:
        return ""
    places, value = minor_units(currency), Decimal(text)
    exactly = show(value, places)
    unit = f" {escape(currency)}" if with_currency else ""
    if len(exactly.partition(".")[2]) <= places:
        return Markup(exactly + unit)
    on_screen = show(rounded(value, places), places)
    return Markup(
        f'<span class="amount" tabindex="0">{on_screen}{unit}'
        f'<span class="exact" role="tooltip">{exactly}{unit}</span></span>'
    )


def sign(text: str) -> int:
    """Return whether an amount is above (1), below (-1) or nothing (0)."""
    value = Decimal(text)
    return (value > 0) - (value < 0)


def cents(value: Decimal | None, currency: str) -> str:
    """Return an amount rounded to the smallest of its currency; a dash where it is unknown."""
    places = minor_units(currency)
    return "–" if value is None else show(rounded(value, places), places)


def signed(value: Decimal, currency: str, is_change: bool) -> str:
    """Return an amount as `cents` does; one that changes another has its sign before it."""
    before = ("−" if value < 0 else "+") if is_change else ""
    return before + cents(abs(value) if is_change else value, currency)


def rate(value: Decimal | None) -> str:
    """Return a part as a percentage; a dash where it is unknown."""
    return "–" if value is None else show_rate(value).replace("-", "−")


def exact(value: Decimal | None) -> str:
    """Return a number with all its decimals; a dash where it is unknown."""
    return "–" if value is None else show(value.normalize(), 0).replace("-", "−")


@jinja2.pass_context
def title(context: Any, words: Mapping[str, str]) -> str:
    """Return a clause's title in the page's language."""
    return words[context["lang"]]


@jinja2.pass_context
def role(context: Any, names: str) -> str:
    """Return a role, or several with commas, as people say it.

    The field's own in the page's language, a plan's others as it names them.
    """
    return _roles(names, context["lang"])


@lru_cache(500)
def _roles(names: str, lang: str) -> str:
    return _LIST[lang].join(role_words(name, lang) for name in names.split(", "))


@jinja2.pass_context
def content(context: Any, facts: Mapping[str, Any]) -> str:
    """Return what an imported file holds: charges, a plan, or rows of the book by table."""
    return content_of(facts, context["lang"])


def percent(part: str, whole: str) -> str:
    """Return a share as people read it, cut to a tenth of a percent; a dash of nothing."""
    of = Decimal(whole)
    return "–" if not of else f"{(Decimal(part) * 100 / of).quantize(Decimal('0.1'))} %"


@jinja2.pass_context
def form(context: Any, name: str) -> str:
    """Return a form of payment: cash in the page's language, a plan's others as it names them."""
    return say("form-cash", context["lang"]) if name == "cash" else name


@jinja2.pass_context
def band(context: Any, words: str) -> str:
    """Return a band's words in the page's language."""
    return band_words(words, context["lang"])


def reason(line: Mapping[str, Any]) -> str:
    """Return a statement line's reason in words."""
    cap = money(line["cap"])
    return why(line["reason"], lang(), line["band"], cap, line["who"], line["detail"])
