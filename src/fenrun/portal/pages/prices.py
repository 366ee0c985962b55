"""Prices: what a customer pays from the list price down, and what others pay for the same."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from fenrun.base.problem import Refused
from fenrun.base.when import Period as Span
from fenrun.base.when import parse_period
from fenrun.base.words import Unreadable
from fenrun.portal.access.permissions import parties_of, sees_everything, signed_in, store_of
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, CUSTOMER, OPERATIONS, Period
from fenrun.portal.pages.paging import page_of
from fenrun.portal.pages.price_pictures import share_bar, summed, waterfall_of
from fenrun.portal.request_queue import outside_queue
from fenrun.pricing.deals import Dispersion, dispersion
from fenrun.pricing.lines import PriceLine, Prices, prices_of
from fenrun.pricing.waterfall import waterfall

_DEALS = 12
"""The deals of a sku that are shown at most; a customer's own and those nearest are among them."""
_SKUS, _SKUS_OF_ALL = 10, 3
"""The skus that are shown: of a customer or product that is asked about, and without one."""


@signed_in(OPERATIONS, AUDITOR, CUSTOMER)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the prices of a period: all of them to who sees everything, to a customer its own."""
    sees_all = sees_everything(request)
    own = parties_of(request, CUSTOMER)
    sought = {key: request.GET.get(key, "").strip() for key in ("customer", "product")}
    if not sees_all and sought["customer"] not in own:
        sought["customer"] = own[0]
    keys = list(Period.objects.order_by("-key").values_list("key", flat=True))
    period = _period(request.GET.get("period", "") or next(iter(keys), ""))
    found, problems = _prices_of(request, period)
    meant = [line for line in found.lines if _is_meant(line, sought)] if found else []
    lines = sorted(waterfall(meant), key=lambda line: (-(line.list or line.billed), line.customer))
    shown: dict[str, Any] = {
        "period": period.key if period else "",
        "periods": keys,
        "sought": sought,
        "sees_all": sees_all,
        "names": found.names if found else {},
        "products": sorted({line.product for line in found.lines}) if found and sees_all else [],
        "pictures": [
            (currency, total := summed(of), *waterfall_of(total))
            for currency, of in _by_currency(meant)
        ],
        "page": page_of(request, lines),
        "deals": _deals(found, sought) if found and sees_all else [],
        "problems": [problem.as_json(lang()) for problem in problems] if sees_all else [],
        "share_bar": share_bar,
    }
    return render(request, "prices.html", shown)


def _period(text: str) -> Span | None:
    """Read a period; None where nothing is settled. Raises Http404 for a text that is none."""
    try:
        return parse_period(text) if text else None
    except Unreadable as error:
        raise Http404 from error


def _prices_of(request: HttpRequest, period: Span | None) -> tuple[Prices | None, Sequence[Any]]:
    """Return the prices of a period with their problems; of one without charges only those."""
    if period is None:
        return None, ()
    try:
        with outside_queue():
            found = prices_of(store_of(request), period)
    except Refused as refused:
        return None, refused.problems
    return found, found.problems


def _is_meant(line: PriceLine, sought: dict[str, str]) -> bool:
    return sought["customer"] in ("", line.customer) and sought["product"] in ("", line.product)


def _by_currency(lines: Sequence[PriceLine]) -> list[tuple[str, list[PriceLine]]]:
    """Return lines by currency."""
    currencies = sorted({line.currency for line in lines})
    return [(one, [line for line in lines if line.currency == one]) for one in currencies]


def _deals(found: Prices, sought: dict[str, str]) -> list[dict[str, Any]]:
    """Return what customers pay for the same sku, of each some deals, the widest apart first.

    Of a customer that is asked about its own deal and those nearest to it, with the extremes.
    """
    lines = [line for line in found.lines if sought["product"] in ("", line.product)]
    mine = sought["customer"]
    sold = dispersion(lines)
    if mine:
        sold = [one for one in sold if mine in (deal.line.customer for deal in one.deals)]
    most = _SKUS if mine or sought["product"] else _SKUS_OF_ALL
    return [_of_sku(one, mine) for one in sold[:most]]


def _of_sku(one: Dispersion, mine: str) -> dict[str, Any]:
    deals = sorted(one.deals, key=lambda deal: deal.line.of_list or Decimal(0))
    if len(deals) > _DEALS:
        own = [deal for deal in deals if deal.line.customer == mine]
        near = {mine, *(name for deal in own for name in deal.nearest)}
        ends = {deals[0].line.customer, deals[-1].line.customer}
        kept = near | ends if own else {deal.line.customer for deal in _spread(deals)}
        deals = [deal for deal in deals if deal.line.customer in kept]
    axis = (min(one.least or Decimal(0), Decimal(0)), max(one.most or Decimal(1), Decimal(1)))
    return {"sku": one, "deals": deals, "axis": axis, "count": len(one.deals), "mine": mine}


def _spread(deals: Sequence[Any]) -> list[Any]:
    """Return some of many deals, evenly from the cheapest to the dearest."""
    last = len(deals) - 1
    return [deals[at * last // (_DEALS - 1)] for at in range(_DEALS)]
