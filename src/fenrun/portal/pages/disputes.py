"""Disputes: opened from a statement, a line, a charge or a customer; answered until they are over.

One that is accepted leads to where it is mended, and to what that changes.
"""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import say
from fenrun.portal import events
from fenrun.portal.access.permissions import is_operations, may_answer, operations, owns, signed_in
from fenrun.portal.commands import disputes, notices
from fenrun.portal.commands.periods import read_filters
from fenrun.portal.language import lang
from fenrun.portal.models import (
    CUSTOMER,
    OPERATIONS,
    PARTNER,
    REP,
    Crediting,
    Dispute,
    DisputeEntry,
    DisputeFile,
    Statement,
)
from fenrun.portal.pages.downloads import disposition
from fenrun.portal.pages.paging import open_first, page_of

_SOUGHT = ("state", "period", "party", "owner")
_ABOUT = ("party", "period", "line", "charge", "customer", "amount", "currency")
"""What an address says that a dispute is about."""


@signed_in()
def listed(request: HttpRequest) -> HttpResponse:
    """Show the disputes that one may see, open ones first; of a state, period, party or owner."""
    sought = read_filters(request.GET, *_SOUGHT)
    found = open_first(Dispute.objects.filter(**sought), *disputes.OPEN)
    shown = {
        "page": page_of(request, found),
        "sought": dict.fromkeys(_SOUGHT, "") | sought,
        "states": Dispute.STATES,
        "open": disputes.OPEN,
        "today": events.now().date(),
    }
    return render(request, "disputes.html", shown)


@signed_in()
def one(request: HttpRequest, number: int) -> HttpResponse:
    """Show a dispute: what was said, in order, what shows it, and what came of it."""
    dispute = get_object_or_404(Dispute, pk=number)
    states: tuple[str, ...] = ()
    if may_answer(request, dispute.party, dispute.period):
        states = disputes.next_states(dispute, is_operations(request))
    shown = {
        "dispute": dispute,
        "entries": list(DisputeEntry.objects.filter(dispute_id=number).order_by("id")),
        "files": DisputeFile.objects.filter(dispute_id=number).defer("content").order_by("id"),
        "may": states,
        "may_act": is_operations(request),
        "is_statement": Statement.objects.filter(
            payee=dispute.party, period_id=dispute.period
        ).exists(),
        "mended": disputes.mended(dispute),
        "mends": disputes.MENDS if is_operations(request) and dispute.state == "accepted" else (),
        "owners": sorted(notices.accounts_of(OPERATIONS)) if is_operations(request) else (),
        "most_files": disputes.MOST_FILES,
    }
    return render(request, "dispute.html", shown)


@signed_in(PARTNER, REP, CUSTOMER)
def open_(request: HttpRequest) -> HttpResponse:
    """Show the form of a dispute about what its address says; open it, with its files."""
    typed = getattr(request, "typed", None)
    asked = request.POST if request.method == "POST" else typed or request.GET
    about = {key: asked.get(key, "").strip() for key in _ABOUT}
    if not owns(request, about["party"], about["period"], about["line"]):
        raise Http404
    about["currency"] = _currency_of(about)
    if request.method != "POST":
        return render(request, "dispute_new.html", {"about": about, "lines": _lines_of(about)})
    claim = disputes.Claim(*(about[key] for key in ("amount", "currency", "charge", "customer")))
    actor, text = request.user.get_username(), request.POST.get("text", "")
    where = (about["party"], about["period"], about["line"])
    dispute = disputes.open_dispute(actor, *where, text, claim)
    for upload in request.FILES.getlist("file")[: disputes.MOST_FILES]:
        content = upload.read(disputes.MOST_BYTES + 1)
        disputes.add_file(actor, dispute, str(upload.name), content)
    return redirect("dispute", dispute.pk)


def _currency_of(about: dict[str, str]) -> str:
    """Return the currency of what a dispute is about: the statement's that has the line."""
    statements = Statement.objects.filter(payee=about["party"], period_id=about["period"])
    found = [one for one in statements if not about["line"] or about["line"] in one.line_ids()]
    currencies = [one.currency for one in found]
    if not currencies:
        credited = Crediting.objects.filter(customer=about["party"], period_id=about["period"])
        currencies = list(credited.order_by("currency").values_list("currency", flat=True)[:1])
    return about["currency"] if about["currency"] in currencies else next(iter(currencies), "")


def _lines_of(about: dict[str, str]) -> list[dict[str, object]]:
    statements = Statement.objects.filter(payee=about["party"], period_id=about["period"])
    return [line for one in statements for line in one.body["lines"]]


@require_POST
@signed_in(PARTNER, REP, CUSTOMER, OPERATIONS)
def answer(request: HttpRequest, number: int) -> HttpResponse:
    """Add to a dispute."""
    dispute = _answerable(request, number)
    state, text = request.POST.get("state", ""), request.POST.get("text", "")
    actor = request.user.get_username()
    disputes.answer(actor, dispute, state, text, is_operations(request))
    return redirect("dispute", number)


def _answerable(request: HttpRequest, number: int) -> Dispute:
    """Return a dispute that the asker may answer."""
    dispute = get_object_or_404(Dispute, pk=number)
    if not may_answer(request, dispute.party, dispute.period):
        raise PermissionDenied
    return dispute


@require_POST
@operations
def assign(request: HttpRequest, number: int) -> HttpResponse:
    """Say who answers a dispute, and by which day."""
    dispute, text = get_object_or_404(Dispute, pk=number), request.POST.get("due", "").strip()
    try:
        due = date.fromisoformat(text) if text else None
    except ValueError as error:
        place = Place(f"dispute {number}", 0, "due")
        raise Refused([Problem("payment-day", place, {"day": text})]) from error
    disputes.assign(request.user.get_username(), dispute, request.POST.get("owner", ""), due)
    messages.success(request, say("portal-dispute-assigned", lang()))
    return redirect("dispute", number)


@require_POST
@signed_in(PARTNER, REP, CUSTOMER, OPERATIONS)
def add_file(request: HttpRequest, number: int) -> HttpResponse:
    """Keep a file with a dispute."""
    dispute, upload = _answerable(request, number), request.FILES.get("file")
    content = upload.read(disputes.MOST_BYTES + 1) if upload else b""
    name = str(upload.name) if upload else ""
    disputes.add_file(request.user.get_username(), dispute, name, content)
    return redirect("dispute", number)


@signed_in()
def file(request: HttpRequest, number: int, file: int) -> HttpResponse:
    """Hand out a file of a dispute that one may see; a browser saves it, and never shows it."""
    found = get_object_or_404(DisputeFile, pk=file, dispute_id=number)
    headers = {"Content-Disposition": disposition(found.name)}
    kind = "application/octet-stream"
    return HttpResponse(bytes(found.content), content_type=kind, headers=headers)
