"""Plans: their text with the checker beside it, what a change to it changes, and for whom."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.words import say
from fenrun.portal.access.permissions import is_operations, operations, signed_in, store_of
from fenrun.portal.commands import plans
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, Period


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest, plan: str = "") -> HttpResponse:
    """Show the plans as they are known, one of them open."""
    known = plans.current_plans(store_of(request))
    if plan and plan not in known:
        raise Http404
    shown = {
        "plans": list(known),
        "file": known.get(plan) or next(iter(known.values()), None),
        "may_act": is_operations(request),
        "periods": list(Period.objects.order_by("-key").values_list("key", flat=True)),
    }
    return render(request, "plans.html", shown)


@require_POST
@signed_in(OPERATIONS, AUDITOR)
def check(request: HttpRequest) -> HttpResponse:
    """Show what the checker says of a text: problems, cases, changes, whose pay it changes."""
    text, period = request.POST.get("text", ""), request.POST.get("period", "")
    checked = plans.check(store_of(request), text, period)
    problems = [problem.as_json(lang()) for problem in checked.problems]
    return render(request, "plan_checked.html", {"checked": checked, "problems": problems})


@require_POST
@operations
def save(request: HttpRequest) -> HttpResponse:
    """Save a text as the plan, known from now on, with a reason."""
    text = request.POST.get("text", "").replace("\r\n", "\n")
    file = plans.save(store_of(request), text, request.POST.get("reason", ""))
    messages.success(request, say("portal-plan-saved", lang(), plan=file.plan.id))
    return redirect("plan", file.plan.id)
