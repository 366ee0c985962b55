"""Deliveries: what came, what replaced what, what is kept aside or open; decided by two people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.ids import short
from fenrun.base.problem import ERROR, NOTE, WARNING, Place, Problem, Refused
from fenrun.base.words import say
from fenrun.charges.delivered import share_months
from fenrun.charges.mendable import MendableRow
from fenrun.portal.access import authority
from fenrun.portal.access.permissions import is_operations, operations, signed_in, store_of
from fenrun.portal.commands import deliveries
from fenrun.portal.commands.deliveries import IN_FORCE, Delivery
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, DeliveryDecision
from fenrun.portal.pages.downloads import disposition
from fenrun.portal.pages.paging import page_of
from fenrun.settle.deliveries import BY_ITSELF
from fenrun.settle.mend_files import write_rows
from fenrun.settle.passed_over import files_passed_over
from fenrun.settle.sources import read_sources

_ROWS_SHOWN, _PASSED_SHOWN = 5, 200
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CELL = "cell-"
"""What the names of a form's fields begin with, before the name of a column."""


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show all deliveries, latest first, with what is open and which files were passed over."""
    store, problems = store_of(request), []
    try:
        sources = list(read_sources(store.path))
    except Refused as refused:
        sources, problems = [], list(refused.problems)
    passed = files_passed_over(store)
    shown = {
        **_deciding(request),
        "page": page_of(request, deliveries.deliveries(store)),
        "problems": _in_words([*problems, *deliveries.open_problems(store)]),
        "sources": sources,
        "passed": [(one, one.reason.words(lang())) for one in passed[:_PASSED_SHOWN]],
        "more_passed": max(0, len(passed) - _PASSED_SHOWN),
    }
    return render(request, "deliveries.html", shown)


def _deciding(request: HttpRequest, delivery: str = "") -> dict[str, Any]:
    """Return what waits for a second, of all deliveries or one, and what the asker may do."""
    me, refuse = request.user.get_username(), authority.refuse_second

    def hindrances(asked: DeliveryDecision) -> list[Problem]:
        said = (asked.asked_by, asked.authority, me, Place(asked.source))
        return authority.hindrances(refuse, *said)

    return {
        "waiting": deliveries.waiting(delivery),
        "hindrances": hindrances,
        "may_act": is_operations(request),
        "me": me,
    }


def _in_words(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [problem.as_json(lang()) for problem in problems]


@signed_in(OPERATIONS, AUDITOR)
def one(request: HttpRequest, delivery: str) -> HttpResponse:
    """Show a delivery: its history, its problems, the rows that are kept aside."""
    return _shown(request, _found(request, delivery))


def _found(request: HttpRequest, name: str) -> Delivery:
    found = deliveries.find_delivery(store_of(request), name)
    if not found:
        raise Http404
    return found


def _shown(
    request: HttpRequest,
    found: Delivery,
    refused: Iterable[Problem] = (),
    typed: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the page of a delivery; after a refusal with what was typed."""
    store = store_of(request)
    asked = request.POST.get("page") if typed is not None else request.GET.get("page")
    rows = Paginator(deliveries.rows_to_mend(store, found), _ROWS_SHOWN).get_page(asked)
    problems = _in_words(refused)
    open_ = deliveries.open_problems(store, found)
    shown = {
        **_deciding(request, found.item.id),
        "d": found,
        "history": deliveries.history_of(store, found),
        "faults": problems,
        "problems": _in_words(sorted([*open_, *found.item.problems], key=_gravity)),
        "page": rows,
        "rows": [(row, _cells(row, typed or {})) for row in rows],
        "others": [*_beside(store, found), *([found] if any(map(_is_within, open_)) else [])],
        "may_leave_out": _may_leave_out(found),
        "reason": (typed or {}).get("reason", ""),
    }
    return render(request, "delivery.html", shown, status=409 if problems else 200)


def _gravity(problem: Problem) -> int:
    """Return the place of a problem among others: errors first, then warnings."""
    return (ERROR, WARNING, NOTE).index(problem.severity)


def _may_leave_out(found: Delivery) -> bool:
    """Return whether a delivery can have rows, parts or invoices that nobody waits for."""
    facts = found.item.facts
    part = facts.get("part_of", {})
    differs = part.get("rows", facts.get("rows")) != facts.get("rows") or "rows_of_run" in part
    return (
        bool(facts.get("quarantined") or part.get("missing") or differs)
        or found.item.kind == "datasets"
    )


def _is_within(problem: Problem) -> bool:
    """Return whether a problem is of a delivery by itself: it can be meant beside itself."""
    one, other = problem.values.get("one_id"), problem.values.get("other_id")
    by_itself = problem.code in BY_ITSELF
    return by_itself or (problem.code == "billed-by-two" and one == other)


def _beside(store: Any, found: Delivery) -> list[Delivery]:
    """Return the deliveries of charges in force that may bill what this one does."""
    if found.item.kind != "charges" or found.state != IN_FORCE:
        return []
    return [
        other
        for other in deliveries.deliveries(store)
        if other.item.kind == "charges"
        and other.state == IN_FORCE
        and other.id != found.id
        and share_months(found.item.facts, other.item.facts)
    ]


def _cells(row: MendableRow, typed: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the fields of a row, those at fault first: name, value, faulty, long."""
    is_this = typed.get("row") == str(row.row)
    values = {
        name: typed.get(f"{_CELL}{name}", text) if is_this else _as_shown(text)
        for name, text in row.values.items()
    }
    found = [
        {
            "name": name,
            "field": f"{_CELL}{name}",
            "value": text,
            "faulty": name in row.faults,
            "long": "\n" in text or len(text) > 200,
        }
        for name, text in values.items()
    ]
    return sorted(found, key=lambda cell: not cell["faulty"])


def _as_shown(text: str) -> str:
    """Return a text as a form sends it back if nobody changes it."""
    return re.sub(r"\r\n?", "\n", text.replace("\0", ""))


@signed_in(OPERATIONS, AUDITOR)
def rows_file(request: HttpRequest, delivery: str) -> HttpResponse:
    """Return the rows that are kept aside as a workbook, to be corrected and imported."""
    found = _found(request, delivery)
    rows = deliveries.rows_to_mend(store_of(request), found)
    headers = {"Content-Disposition": disposition(f"{found.item.source}-{found.id}.xlsx")}
    return HttpResponse(write_rows(found.item, rows), content_type=_XLSX, headers=headers)


@require_POST
@operations
def mend_row(request: HttpRequest, delivery: str) -> HttpResponse:
    """Import a row that was kept aside as it is mended."""
    found = _found(request, delivery)
    typed = {name: request.POST.get(name, "") for name in request.POST}
    number = int(typed["row"]) if re.fullmatch(r"[0-9]{1,9}", typed.get("row", "")) else 0
    row = deliveries.row_to_mend(store_of(request), found, number)
    changes = {} if row is None else _changed(row, typed)
    try:
        deliveries.mend_rows(
            store_of(request), found.item.id, {number: changes}, typed.get("reason", "")
        )
    except Refused as refused:
        return _shown(request, found, refused.problems, typed)
    messages.success(request, say("portal-row-mended", lang(), row=number))
    return redirect("delivery", delivery)


def _changed(row: MendableRow, typed: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of which a form says something else than the row."""
    found = {}
    for name, text in row.values.items():
        said = typed.get(f"{_CELL}{name}")
        if said is not None and (_as_shown(said) != _as_shown(text) or "\0" in text):
            found[name] = _as_shown(said)
    return found


@require_POST
@operations
def ask(request: HttpRequest, delivery: str) -> HttpResponse:
    """Ask for a decision about a delivery."""
    found, said = _found(request, delivery), request.POST
    kind, other, reason = (said.get(name, "") for name in ("kind", "other", "reason"))
    deliveries.ask(store_of(request), found.item.id, kind, other, reason)
    messages.success(request, say("portal-decision-asked", lang()))
    return redirect("delivery", delivery)


@require_POST
@operations
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Approve a decision that was asked for, or take it back."""
    is_approved = request.POST.get("state") == "approved"
    command = deliveries.approve if is_approved else deliveries.end
    done = command(store_of(request), number)
    key = "portal-decision-approved" if is_approved else "portal-decision-ended"
    messages.success(request, say(key, lang()))
    return redirect("delivery", short(done.delivery))
