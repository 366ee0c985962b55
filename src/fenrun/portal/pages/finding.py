"""One search over parties, customers, orders and statements; pages of a party and a customer."""

from __future__ import annotations

import re
from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode

from fenrun.portal.access.isolation import rows_seen
from fenrun.portal.access.permissions import parties_of, sees_everything, signed_in, store_of
from fenrun.portal.access.request import PortalRequest
from fenrun.portal.commands import finding, parties, requests
from fenrun.portal.commands.finding import Hit
from fenrun.portal.models import (
    AUDITOR,
    OPERATIONS,
    PARTNER,
    REP,
    Crediting,
    Dispute,
    Request,
    Statement,
)
from fenrun.portal.request_queue import outside_queue

_A_PAGE = 50
_PERIOD = re.compile(r"\d{4}-\d\d")
_OFFERED = {
    "party": (finding.PAYEE, finding.CUSTOMER),
    "partner": (finding.PARTNER,),
    "customer": (finding.CUSTOMER,),
    "order": (finding.ORDER,),
}
"""By what a picker asks for, the kinds that it offers."""
_LATEST = """
SELECT payee, max(period_id) FROM portal_statement WHERE payee IN ({payees}) GROUP BY payee"""
Found = dict[str, list[dict[str, str]]]
"""By kind, what was found: its address, id, name, and what else tells it from others."""


@signed_in()
def found(request: HttpRequest) -> HttpResponse:
    """Show what is found, all of it; the first of each kind while somebody types."""
    text = request.GET.get("q", "").strip()
    is_part = cast(PortalRequest, request).htmx
    shown = {
        "text": text,
        "found": _found(request, text, finding.MOST if is_part else _A_PAGE),
        "most": _A_PAGE,
    }
    return render(request, "found_part.html" if is_part else "found.html", shown)


def _found(request: HttpRequest, text: str, most: int) -> Found:
    periods = [word for word in text.split() if _PERIOD.fullmatch(word)]
    words = " ".join(word for word in text.split() if word not in periods)
    if sees_everything(request):
        with outside_queue():
            finding.refresh(store_of(request))
        hits = [hit for kind in finding.KINDS for hit in finding.find(kind, words, most)]
    else:
        hits = finding.find_own(words, most) + finding.find_credited(words, most)
    statements = _statements([hit.key for hit in hits if hit.kind == finding.PAYEE], periods)
    listed = {
        kind: [_listed(hit) for hit in hits if hit.kind == kind][:most] for kind in finding.KINDS
    }
    names = {hit.key: hit.name for hit in hits}
    listed["statement"] = [
        {
            "address": reverse("statement", args=[period, payee]),
            "key": payee,
            "name": names[payee],
            "more": period,
        }
        for payee, period in statements
    ]
    return {kind: rows for kind, rows in listed.items() if rows}


def _statements(payees: list[str], periods: list[str]) -> list[tuple[str, str]]:
    """Return payee and period of statements: those of periods that are named, or the latest."""
    if not payees:
        return []
    if periods:
        named = Statement.objects.filter(payee__in=payees, period_id__in=periods)
        return sorted(set(named.values_list("payee", "period_id")))
    marks = ", ".join(["%s"] * len(payees))
    return [(payee, period) for payee, period in rows_seen(_LATEST.format(payees=marks), *payees)]


def _listed(hit: Hit) -> dict[str, str]:
    name = {finding.PAYEE: "party", finding.CUSTOMER: "customer"}.get(hit.kind, "order")
    address = reverse(name, args=[hit.key])
    if hit.issuer:
        address += "?" + urlencode({"issuer": hit.issuer})
    return {"address": address, "key": hit.key, "name": hit.name, "more": hit.issuer}


@signed_in()
def offered(request: HttpRequest, kind: str) -> HttpResponse:
    """Return what a picker offers for what is typed into its field."""
    kinds = _OFFERED.get(kind)
    if kinds is None:
        raise Http404
    text = str(next(iter(request.GET.values()), ""))
    if sees_everything(request):
        with outside_queue():
            finding.refresh(store_of(request))
        hits = [hit for one in kinds for hit in finding.find(one, text)]
    else:
        hits = [hit for hit in finding.find_own(text) if hit.kind in kinds]
    return render(request, "offered.html", {"hits": hits})


@signed_in(PARTNER, REP, OPERATIONS, AUDITOR)
def party(request: HttpRequest, payee: str) -> HttpResponse:
    """Show a party: months, customers, what it holds and since when, what is asked and disputed."""
    statements = Statement.objects.filter(payee=payee).select_related("period").defer("body")
    months = list(statements.order_by("-period_id", "currency"))
    is_all = sees_everything(request)
    if not months and not is_all:
        raise Http404
    shown: dict[str, Any] = {
        "payee": payee,
        "name": months[0].name if months else "",
        "role": months[0].role if months else "",
        "months": months,
        "customers": months[0].customers[: parties.MOST] if months else [],
        "customer_count": len(months[0].customers) if months else 0,
        "is_all": is_all,
        "book": None,
        "disputes": _disputes(payee),
        "requests": _requests(request, parties.MOST, party=payee),
    }
    if is_all:
        with outside_queue():
            shown["book"] = parties.of_party(store_of(request), payee)
        shown["name"] = shown["name"] or shown["book"].name
        if not months and not shown["book"].is_known:
            raise Http404
    return render(request, "party.html", shown)


def _requests(request: HttpRequest, most: int, **of: str) -> list[Request]:
    """Return the latest requests about somebody, each as the asker is told of it."""
    own = parties_of(request, PARTNER)
    found = Request.objects.filter(**of).order_by("-pk")[:most]
    return [requests.as_shown(one, one.party in own) for one in found]


def _disputes(party: str) -> list[Dispute]:
    return list(Dispute.objects.filter(party=party).order_by("-pk")[: parties.MOST])


@signed_in()
def customer(request: HttpRequest, customer: str) -> HttpResponse:
    """Show a customer: who held it and when, its spend by month and payee, what is asked of it."""
    is_all = sees_everything(request)
    credited = list(Crediting.objects.filter(customer=customer).order_by("-period_id", "role"))
    own = [] if is_all else parties.credited_to(parties_of(request, PARTNER, REP), customer)
    if not (is_all or credited or own):
        raise Http404
    shown: dict[str, Any] = {
        "customer": customer,
        "name": next((row["name"] for row in own if row["name"]), ""),
        "credited": credited[: parties.MOST_CREDITS],
        "own": own,
        "is_all": is_all,
        "book": None,
        "disputes": _disputes(customer),
        "requests": _requests(request, _A_PAGE, customer=customer),
    }
    if is_all:
        with outside_queue():
            shown["book"] = parties.of_customer(store_of(request), customer)
        shown["name"] = shown["book"].name
        if not credited and not shown["book"].is_known:
            raise Http404
    return render(request, "customer.html", shown)


@signed_in()
def order(request: HttpRequest, order: str) -> HttpResponse:
    """Show an order: who has it, who had it, and who is credited by it."""
    is_all = sees_everything(request)
    credited = list(Crediting.objects.filter(order=order).order_by("-period_id", "role"))
    if not (is_all or credited):
        raise Http404
    links = []
    if is_all:
        with outside_queue():
            issuer = request.GET.get("issuer", "")
            links = parties.of_order(store_of(request), order, issuer)
        if not (links or credited):
            raise Http404
    shown = {"order": order, "credited": credited, "links": links}
    return render(request, "order.html", shown)
