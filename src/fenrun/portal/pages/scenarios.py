"""Scenarios: their text with the checker beside it, what they would bring, and their publishing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.problem import Place, Problem, read_problem
from fenrun.base.words import say
from fenrun.portal import models
from fenrun.portal.access import authority
from fenrun.portal.access.permissions import is_operations, operations, signed_in, store_of, user_of
from fenrun.portal.commands import scenarios
from fenrun.portal.commands.finding import names_of
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, Period
from fenrun.portal.pages.paging import page_of
from fenrun.portal.pages.scenario_pictures import pictures_of

_FIRST = """scenario: my-scenario
from: 2024-01-01
usage:
  - {by: -10 %, where: "ServiceName = 'CDN'"}
"""
_SHOWN, _A_PAGE = 50, 20


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the saved scenarios beside each other, and a text to begin with."""
    return render(request, "scenarios.html", _shown(request, None))


@signed_in(OPERATIONS, AUDITOR)
def one(request: HttpRequest, number: int) -> HttpResponse:
    """Show a saved scenario: its text, and what it was last found to bring."""
    return render(request, "scenarios.html", _shown(request, _found(number)))


def _found(number: int) -> models.Scenario:
    found = scenarios.find(number)
    if not found:
        raise Http404
    return found


def _shown(request: HttpRequest, row: models.Scenario | None) -> dict[str, Any]:
    outcome = row.outcome if row else None
    payees = _by_change(outcome["payees"]) if outcome else []
    names = names_of(payee["payee"] for payee in payees)
    problems = [read_problem(p).as_json(lang()) for p in outcome["problems"]] if outcome else []
    return {
        "page": page_of(request, scenarios.all_rows(), _A_PAGE),
        "row": row,
        "text": row.text if row else _FIRST,
        "outcome": outcome,
        "payees": payees[:_SHOWN],
        "names": names,
        "problems": problems,
        "pictures": pictures_of(outcome, names, lang()) if outcome else [],
        "may_act": is_operations(request),
        "me": request.user.get_username(),
        "hindrances": _hindrances(request, row) if row and row.asked_by else [],
        "periods": list(Period.objects.order_by("-key").values_list("key", flat=True)),
    }


def _hindrances(request: HttpRequest, row: models.Scenario) -> list[Problem]:
    """Return why the asker could not publish what another asked for."""
    said = (row.asked_by, row.authority, request.user.get_username(), Place(row.name))
    return authority.hindrances(authority.refuse_second, *said)


def _by_change(payees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return payees, those first whose pay changes most."""
    return sorted(payees, key=lambda row: -abs(Decimal(row["earned_more"])))


@require_POST
@signed_in(OPERATIONS, AUDITOR)
def check(request: HttpRequest) -> HttpResponse:
    """Show what is wrong with a text, or what each of its patches says."""
    scenario, problems = scenarios.check(request.POST.get("text", ""))
    said = [problem.as_json(lang()) for problem in problems]
    patches = []
    if scenario:
        for path in scenario.paths:
            kind = say(f"patch-{path[0]}", lang())
            patches.append((scenario.place(path).row, kind, scenario.words(path)))
    return render(request, "scenario_checked.html", {"problems": said, "patches": patches})


@require_POST
@operations
def save(request: HttpRequest) -> HttpResponse:
    """Save a text under the name of its scenario."""
    row = scenarios.save(store_of(request), request.POST.get("text", ""))
    messages.success(request, say("portal-scenario-saved", lang(), scenario=row.name))
    return redirect("scenario", row.pk)


@require_POST
@operations
def run(request: HttpRequest, number: int) -> HttpResponse:
    """Begin to settle a period as it is and under a scenario; the answer stays with it."""
    _found(number)
    user, period = user_of(request).pk, request.POST.get("period", "")
    return redirect("work", scenarios.begin(store_of(request), user, number, period).pk)


@require_POST
@operations
def ask(request: HttpRequest, number: int) -> HttpResponse:
    """Ask, as the first of two, that a scenario be published."""
    _found(number)
    scenarios.ask(store_of(request), number, request.POST.get("reason", ""))
    messages.success(request, say("portal-scenario-asked", lang()))
    return redirect("scenario", number)


@require_POST
@operations
def publish(request: HttpRequest, number: int) -> HttpResponse:
    """Publish what a scenario says of plans, book and terms, as the second of two."""
    _found(number)
    scenarios.publish(store_of(request), number)
    messages.success(request, say("portal-scenario-published", lang()))
    return redirect("scenario", number)
