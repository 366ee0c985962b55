"""Cases of findings: the queue, a case with its evidence and life; what parties are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from fenrun.base.ids import short
from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.base.words import Unreadable, say
from fenrun.book.in_words import KnownBook
from fenrun.integrity.checks import CHECKS
from fenrun.integrity.findings import Case, Evidence, Findings, Month
from fenrun.integrity.life import OPEN, STATES, lives, next_states
from fenrun.integrity.sheets import findings_as_csv, findings_as_xlsx
from fenrun.integrity.written import contradiction
from fenrun.portal.access.permissions import (
    is_operations,
    operations,
    parties_of,
    signed_in,
    store_of,
)
from fenrun.portal.commands import cases, notices
from fenrun.portal.commands.cases import Wanted
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, PARTNER, REP, CaseEntry, CaseQuestion
from fenrun.portal.pages.downloads import disposition
from fenrun.portal.pages.paging import open_first, page_of
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.facts import known_book
from fenrun.store.facts import Store
from fenrun.tables.latest import Known

_SHOWN = 50
_LEASTS = ("1000", "10000", "100000", "1000000")
_FALSE_SHARES = ("0.05", "0.01")
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WRITERS = {"csv": (findings_as_csv, "text/csv"), "xlsx": (findings_as_xlsx, _XLSX)}
_FIELDS = ("state", "owner", "check", "party", "due", "least", "q")
_PAGES = {"coupons": "coupons", "agreements": "agreements", "approvals": "quotes"}
"""The pages that show the rows of a table."""


@dataclass(frozen=True)
class Row:
    """A row of evidence, as the page of a case shows it."""

    key: str
    address: str = ""
    """The page that shows it; empty for none."""
    says: str = ""


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the queue of cases, and how many of those that were decided were confirmed.

    With ?format= the cases that are shown, as CSV or XLSX.
    """
    form = {name: request.GET.get(name, "").strip() for name in _FIELDS}
    whole, wanted = cases.queue(store_of(request)), _wanted(form)
    found = [case for case in whole.cases if wanted.fits(case)] if whole else []
    if whole and (kind := request.GET.get("format", "")):
        return _file(whole, found, kind)
    decisions = [case.decision for case in (whole.cases if whole else ()) if case.decision]
    shown = {
        "form": form,
        "page": page_of(request, found, _SHOWN),
        "whole": whole,
        "checks": whole.checks if whole else (),
        "contradicted": [contradiction(one).words(lang()) for one in whole.contradicted]
        if whole
        else (),
        "names": [check.name for check in CHECKS],
        "states": STATES,
        "owners": sorted({one.owner for one in decisions} - {""}),
        "leasts": _LEASTS,
        "false_shares": _FALSE_SHARES,
        "may_act": is_operations(request),
    }
    return render(request, "cases.html", shown)


def _wanted(form: Mapping[str, str]) -> Wanted:
    """Return what a form asks for. Raises BadRequest for what is no day or number."""
    texts = {name: form[name] for name in ("state", "owner", "check", "party")}
    try:
        least, q = (Decimal(form[name] or 0) for name in ("least", "q"))
        due = date.fromisoformat(form["due"]) if form["due"] else None
    except (ValueError, InvalidOperation) as error:
        raise BadRequest from error
    if not least.is_finite() or not q.is_finite():
        raise BadRequest
    return Wanted(**texts, due=due, least=least, q=q if form["q"] else None)


def _file(whole: Findings, found: Sequence[Case], kind: str) -> HttpResponse:
    if kind not in _WRITERS:
        raise Http404
    write, content_type = _WRITERS[kind]
    part = Findings(whole.start, whole.end, whole.checks, found, whole.record)
    headers = {"Content-Disposition": disposition(f"cases-{whole.record}.{kind}")}
    return HttpResponse(write(part, lang()), content_type=content_type, headers=headers)


@require_POST
@operations
def examine(request: HttpRequest) -> HttpResponse:
    """Run the checks over some months; what they find is kept."""
    first, last = (request.POST.get(name, "").strip() for name in ("from", "to"))
    try:
        period = parse_period(first if first == last else f"{first}/{last}")
    except Unreadable as error:
        raise BadRequest from error
    found = cases.examine(store_of(request), period)
    messages.success(request, say("portal-examined", lang(), count=len(found.cases)))
    return redirect("cases")


@signed_in(OPERATIONS, AUDITOR)
def one(request: HttpRequest, case: str) -> HttpResponse:
    """Show a case: what is unusual, its evidence, what is paid without it, its life."""
    return _page(request, _found(request, case))


def _found(request: HttpRequest, name: str) -> Case:
    found = cases.find(store_of(request), name)
    if not found:
        raise Http404
    return found


def _page(
    request: HttpRequest,
    case: Case,
    refused: Refused | None = None,
    typed: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the page of a case; after a refusal with what was typed."""
    store = store_of(request)
    questions = cases.questions_of(case.id)
    entries = CaseEntry.objects.filter(question__in=[one.pk for one in questions]).order_by("pk")
    state = case.decision.state if case.decision else OPEN
    with outside_queue():
        evidence = _evidence(store, case)
        steps = lives(store).get(case.id, ())
    shown = {
        "case": case,
        "state": state,
        "steps": steps,
        "names": store.names,
        "evidence": evidence,
        "may_act": is_operations(request),
        "next": (state, *next_states(state)),
        "pictures": _pictures(case),
        "questions": [(q, [e for e in entries if e.question_id == q.pk]) for q in questions],
        "problems": [p.as_json(lang()) for p in refused.problems] if refused else [],
        "given": {name: (typed or {}).get(name, "") for name in ("reason", "owner", "due", "text")},
    }
    return render(request, "case.html", shown, status=409 if refused else 200)


def _pictures(case: Case) -> list[tuple[str, list[Month], list[tuple[str, Decimal, Decimal]]]]:
    """Return by currency the months of a case, and the points of their picture."""
    found = []
    for currency in dict.fromkeys(one.currency for one in case.months):
        rows = [one for one in case.months if one.currency == currency]
        points = [(one.month[2:], one.of_customers, one.of_case) for one in rows]
        found.append((currency, rows, points))
    return found


def _evidence(store: Store, case: Case) -> list[tuple[str, str, list[Row]]]:
    """Return the rows of a case's evidence by what they show and by their table."""
    deliveries = {item.source: short(item.id) for item in store.imports("charges")}
    wanted = {row.key for row in case.evidence if row.table == "links"}
    links = _links_of(known_book(store), wanted) if wanted else {}
    found: dict[tuple[str, str], list[Row]] = {}
    for row in case.evidence:
        found.setdefault((row.what, row.table), []).append(_row(row, deliveries, links))
    return [(what, table, rows) for (what, table), rows in found.items()]


def _row(row: Evidence, deliveries: Mapping[str, str], links: Mapping[str, Known]) -> Row:
    """Return a row of evidence with the page that shows it, if one does, and what it says."""
    if row.table == "charges":
        delivery = deliveries.get(row.key.rpartition(":")[0])
        return Row(row.key, reverse("delivery", args=[delivery]) if delivery else "")
    link = links.get(row.key) if row.table == "links" else None
    if link is None:
        page = _PAGES.get(row.table, "")
        return Row(row.key, reverse(page) if page else "")
    is_customer = link["of_kind"] == "customer"
    address = f"{reverse('book')}?{urlencode({'customer': link['subject']})}" if is_customer else ""
    return Row(row.key, address, f"{link['subject']} → {link['party']}, {link['valid_from']}")


def _links_of(book: KnownBook, wanted: set[str]) -> dict[str, Known]:
    return {link["link_id"]: link for link in book.links() if link["link_id"] in wanted}


@require_POST
@operations
def decide(request: HttpRequest, case: str) -> HttpResponse:
    """Decide about a case."""
    found, said = _found(request, case), request.POST
    typed = {name: said.get(name, "") for name in ("state", "reason", "owner", "due")}
    try:
        due = date.fromisoformat(typed["due"]) if typed["due"] else None
    except ValueError as error:
        raise BadRequest from error
    try:
        cases.decide(store_of(request), found, typed["state"], typed["reason"], typed["owner"], due)
    except Refused as refused:
        return _page(request, found, refused, typed)
    messages.success(request, say("portal-case-decided", lang()))
    return redirect("case", case)


@require_POST
@operations
def ask(request: HttpRequest, case: str) -> HttpResponse:
    """Ask a party of a case something about it."""
    found, said = _found(request, case), request.POST
    party, text = said.get("party", ""), said.get("text", "")
    try:
        cases.ask(request.user.get_username(), found, party, text)
    except Refused as refused:
        return _page(request, found, refused, {"text": text})
    messages.success(request, say("portal-case-asked", lang(), party=party))
    return redirect("case", case)


# --- what parties are asked -------------------------------------------------------------------


@signed_in(OPERATIONS, AUDITOR, PARTNER, REP)
def questions(request: HttpRequest) -> HttpResponse:
    """Show the questions that one may see, with what was answered; open ones first."""
    found = open_first(CaseQuestion.objects.all(), "open", "answered")
    page = page_of(request, found, _SHOWN)
    entries = list(CaseEntry.objects.filter(question__in=[q.pk for q in page]).order_by("pk"))
    own = parties_of(request, PARTNER, REP)
    shown = {
        "page": page,
        "rows": [
            (
                question,
                [entry for entry in entries if entry.question_id == question.pk],
                question.state != cases.OVER and (is_operations(request) or question.party in own),
            )
            for question in page
        ],
        "may_end": is_operations(request),
    }
    response = render(request, "case_questions.html", shown)
    notices.read(request.user.get_username(), cases.ASKED, cases.REPLIED)
    return response


@require_POST
@signed_in(OPERATIONS, PARTNER, REP)
def answer(request: HttpRequest, number: int) -> HttpResponse:
    """Add to a question."""
    question = get_object_or_404(CaseQuestion, pk=number)
    is_own = question.party in parties_of(request, PARTNER, REP)
    if not (is_own or is_operations(request)):
        raise PermissionDenied
    text, state = request.POST.get("text", ""), request.POST.get("state", "")
    actor = request.user.get_username()
    cases.answer(actor, question, text, is_operations(request), state)
    return redirect("case-questions")
