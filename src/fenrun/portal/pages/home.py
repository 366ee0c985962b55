"""Home: where somebody begins. For operations the steps of the month, and what waits for them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fenrun.portal.access.permissions import (
    is_operations,
    parties_of,
    sees_everything,
    signed_in,
    store_of,
)
from fenrun.portal.commands import month_steps
from fenrun.portal.commands.periods import read_asked
from fenrun.portal.models import CUSTOMER, PARTNER, REP, Statement


@signed_in()
def home(request: HttpRequest) -> HttpResponse:
    """Show where somebody begins.

    Operations and auditors with the steps of the month, customers with who is credited for their
    spend, others with their latest statement.
    """
    if sees_everything(request):
        return _month(request)
    own = Statement.objects.filter(payee__in=parties_of(request, PARTNER, REP))
    latest = own.order_by("-period_id", "payee").values_list("period_id", "payee").first()
    if latest:
        return redirect("statement", *latest)
    if parties_of(request, CUSTOMER):
        return redirect("crediting")
    return render(request, "nothing.html")


def _month(request: HttpRequest) -> HttpResponse:
    store = store_of(request)
    asked = request.GET.get("month", "")
    month = month_steps.month_of(store, read_asked(asked).key if asked else "")
    shown = {
        "month": month,
        "may_act": is_operations(request),
        "waiting": month_steps.waiting_for(request.user.get_username()),
    }
    return render(request, "home.html", shown)
