"""Terms at work: sales below a floor, coupons, and what is drawn of agreements."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from fenrun.base.when import parse_day, parse_period, span_in_words
from fenrun.base.words import Unreadable, say
from fenrun.portal import events
from fenrun.portal.access.permissions import parties_of, sees_everything, signed_in, store_of
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, CUSTOMER, OPERATIONS, PARTNER, REP, Period, Statement
from fenrun.portal.pages.paging import page_of
from fenrun.portal.pages.price_pictures import coupon_bar, drawdown_plot
from fenrun.portal.request_queue import outside_queue
from fenrun.pricing.agreements import Agreements, Drawdown, agreements_of
from fenrun.pricing.breaches import Breaches, Sale, breaches_of
from fenrun.pricing.coupons import coupons_of
from fenrun.pricing.lines import ratio
from fenrun.settle.terms_in_force import terms_in_force

_PLOTS = 24
"""Agreements of a page, each with its picture."""
_LISTED = 50
"""The partners with a listing of which thresholds are shown."""
_REASONS = 3
"""The approvals that are named which do not cover a breach."""


@signed_in(OPERATIONS, AUDITOR, PARTNER, REP)
def breaches(request: HttpRequest) -> HttpResponse:
    """Show what was sold below a floor in a period; to partners and reps what they have sold."""
    keys = list(Period.objects.order_by("-key").values_list("key", flat=True))
    text = request.GET.get("period", "") or next(iter(keys), "")
    sees_all = sees_everything(request)
    found = _breaches_of(request, text) if text else None
    sales = (
        [_shown(sale, sees_all) for sale in _concerning(request, found.breaches)] if found else []
    )
    covered = [_shown(s, sees_all) for s in _concerning(request, found.covered)] if found else []
    shown = {
        "period": text,
        "periods": keys,
        "sees_all": sees_all,
        "breaches": page_of(request, sales),
        "covered": page_of(request, covered, name="covered"),
        "steps": page_of(request, found.steps if found and sees_all else (), name="steps"),
        "problems": [p.as_json(lang()) for p in found.problems] if found and sees_all else [],
        "of_list": lambda sale: ratio(sale.billed, sale.listed, 4),
        "why": _why,
    }
    return render(request, "breaches.html", shown)


def _breaches_of(request: HttpRequest, text: str) -> Breaches:
    """Return the sales below floors of a period. Raises Http404 for a text that is none."""
    try:
        period = parse_period(text)
    except Unreadable as error:
        raise Http404 from error
    with outside_queue():
        return breaches_of(store_of(request), period)


def _concerning(request: HttpRequest, sales: Collection[Sale]) -> list[Sale]:
    """Return the sales that the asker may see: all, or those of its own party."""
    if sees_everything(request):
        return list(sales)
    own = {f"{role} {party}" for role in (PARTNER, REP) for party in parties_of(request, role)}
    return [sale for sale in sales if own & set(sale.sold_by)]


def _shown(sale: Sale, sees_all: bool) -> Sale:
    """Return a sale as it is told: to who sold it without the others, approvers, and files."""
    if sees_all:
        return sale
    return replace(sale, sold_by=(), approved_by=(), rows=[], nearest=())


def _why(sale: Sale) -> str:
    """Return why no approval covers a breach, in words."""
    nearest = sale.nearest[:_REASONS]
    reasons = [f"{name}: {say(f'uncovered-{why}', lang())}" for name, why in nearest]
    more = len(sale.nearest) - len(nearest)
    reasons += [f"+{more}"] if more else []
    return say("list-comma", lang()).join(reasons) or say("uncovered-none", lang())


@signed_in(OPERATIONS, AUDITOR, CUSTOMER)
def coupons(request: HttpRequest) -> HttpResponse:
    """Show the coupons at the end of a day, and what is diverted; to a customer its own."""
    on, sees_all = _day(request), sees_everything(request)
    own = parties_of(request, CUSTOMER)
    with outside_queue():
        found = coupons_of(store_of(request), on)
    shown = {
        "on": on,
        "sees_all": sees_all,
        "coupons": page_of(
            request, [one for one in found.balances if sees_all or one.customer in own]
        ),
        "diverted": page_of(request, found.diverted if sees_all else (), name="diverted"),
        "coupon_bar": coupon_bar,
    }
    return render(request, "coupons.html", shown)


@signed_in(OPERATIONS, AUDITOR, PARTNER, CUSTOMER)
def agreements(request: HttpRequest) -> HttpResponse:
    """Show what is drawn of agreements at the end of a day; to parties those that name them."""
    on, sees_all = _day(request), sees_everything(request)
    with outside_queue():
        found = agreements_of(store_of(request), on)
        others = terms_in_force(store_of(request), on)["agreements"]
    listed = [row for row in others if row["amount"] is None and _is_with(request, **row)]
    page = page_of(request, _agreed_with(request, found), _PLOTS)
    shown = {
        "on": on,
        "sees_all": sees_all,
        "page": page,
        "gates": _gates_of({row["partner"] for row in listed if row["kind"] == "marketplace"}),
        "agreements": [(row, _plot(row, on)) for row in page],
        "others": page_of(request, listed, name="others"),
        "days_of": lambda row: span_in_words(row["valid_from"], row["valid_to"]).words(lang()),
        "problems": [p.as_json(lang()) for p in found.problems] if sees_all else [],
    }
    return render(request, "agreements.html", shown)


def _agreed_with(request: HttpRequest, found: Agreements) -> list[Drawdown]:
    """Return the agreements that the asker may see."""
    return [row for row in found.rows if _is_with(request, row.customer, row.partner)]


def _is_with(request: HttpRequest, customer: str, partner: str, **_: Any) -> bool:
    """Return whether the asker may see an agreement: any, or one that names its own party."""
    own = customer in parties_of(request, CUSTOMER) or partner in parties_of(request, PARTNER)
    return sees_everything(request) or own


def _gates_of(partners: set[str]) -> list[tuple[Statement, dict[str, Any]]]:
    """Return the lines of listed partners that earn nothing for a threshold, as statements say.

    Of each partner those of its latest statement that the asker sees.
    """
    found = []
    for partner in sorted(partners)[:_LISTED]:
        latest = Statement.objects.filter(payee=partner).order_by("-period_id").first()
        lines = latest.body["lines"] if latest else []
        found += [(latest, line) for line in lines if latest and line["reason"] == "gate"]
    return found


def _plot(row: Drawdown, on: date) -> Any:
    said = say("portal-drawdown-says", lang(), agreement=row.agreement)
    return drawdown_plot(row, min(on, row.valid_to), said)


def _day(request: HttpRequest) -> date:
    """Return the day that is asked about; without one the last of what is settled, else today."""
    text = request.GET.get("on", "").strip()
    if text:
        try:
            return parse_day(text)
        except Unreadable as error:
            raise Http404 from error
    latest = Period.objects.order_by("-ends").values_list("ends", flat=True).first()
    return latest or events.now().date()
