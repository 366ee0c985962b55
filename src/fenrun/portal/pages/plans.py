"""Plans: their text with the checker beside it, what a change to it changes, and for whom."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.base.words import say
from fenrun.plan.check.findings import examine
from fenrun.plan.diff import diff
from fenrun.plan.read import PlanFile, read_plan
from fenrun.portal import acts
from fenrun.portal.models import AUDITOR, OPERATIONS, Period
from fenrun.portal.pages.common import current_plans, operations, roles_of, signed_in, store_of
from fenrun.portal.request_queue import outside_queue
from fenrun.portal.words import lang
from fenrun.store.facts import Store
from fenrun.whatif.cases import run_cases
from fenrun.whatif.compare import compare_plans


@cache
def _pool() -> ProcessPoolExecutor:
    """A process of its own for the checker: its prover serves one thread, and lets nothing of it be freed by another."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest, plan: str = "") -> HttpResponse:
    """The plans as they are known, one of them open."""
    known = current_plans(request)
    if plan and plan not in known:
        raise Http404
    file = known.get(plan) or next(iter(known.values()), None)
    return render(
        request,
        "plans.html",
        {
            "plans": list(known),
            "file": file,
            "may_act": OPERATIONS in roles_of(request),
            "periods": list(Period.objects.order_by("-key").values_list("key", flat=True)),
        },
    )


@require_POST
@signed_in(OPERATIONS, AUDITOR)
def check(request: HttpRequest) -> HttpResponse:
    """What the checker says of a text: problems, cases, what it changes clause by clause; and, where a period is named, whose pay it changes. Nothing is kept."""
    return render(
        request,
        "plan_checked.html",
        checked(
            store_of(request),
            current_plans(request),
            request.POST.get("text", ""),
            request.POST.get("period", ""),
        ),
    )


def checked(store: Store, known: dict[str, PlanFile], text: str, period: str) -> dict[str, Any]:
    """What the checker says of a text: problems, cases (good, all), changes by clause to the plan known under its id, and in a period the payees whose pay it changes. Nothing is kept."""
    with outside_queue():
        return _checked(store, known, text, period)


def _checked(store: Store, known: dict[str, PlanFile], text: str, period: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "problems": [],
        "cases": None,
        "changes": None,
        "payees": None,
        "period": "",
    }
    try:
        file = read_plan(text, "plan.yaml")
        problems = _pool().submit(examine, file.plan, "plan.yaml").result()[0]
        outcomes, wrong = run_cases(file)
        found |= {
            "problems": [p.as_json(lang()) for p in [*problems, *wrong]],
            "cases": (sum(o.ok for o in outcomes), len(outcomes)),
        }
        before = known.get(file.plan.id)
        if before:
            found["changes"] = diff(before.plan, file.plan)
            if period and found["changes"]:
                rows = compare_plans(store, (before.plan, file.plan), parse_period(period))
                found |= {
                    "period": period,
                    "payees": [
                        {
                            "payee": r["payee"],
                            "role": r["role"],
                            **{k: plain(r[k]) for k in ("one", "other")},
                            "more": plain(r["other"] - r["one"]),
                        }
                        for r in rows
                    ],
                }
    except Refused as refused:
        found["problems"] = [p.as_json(lang()) for p in refused.problems]
    except BrokenProcessPool:
        _pool.cache_clear()
        raise
    except ValueError as error:  # a period that is none
        found["problems"] = [
            Problem("estimate-amount", Place("period"), {"amount": str(error)}).as_json(lang())
        ]
    return found


@require_POST
@operations
def save(request: HttpRequest) -> HttpResponse:
    """Make the text known as the plan from now on, with a reason. What is closed stays as it was closed."""
    file = acts.save_plan(
        store_of(request),
        request.POST.get("text", "").replace("\r\n", "\n"),
        request.POST.get("reason", ""),
    )
    messages.success(request, say("portal-plan-saved", lang(), plan=file.plan.id))
    return redirect("plan", file.plan.id)
