"""Statements: in full, as a signed bundle, line by line; what additional sales would earn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    Paged,
    Router,
    Window,
    clean,
    of_period,
    page_of,
    wanted,
)
from fenrun.portal.commands import statements as commands
from fenrun.portal.commands.documents import document_of
from fenrun.portal.models import Statement

router = Router()
_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


class StatementHead(Schema):
    """A statement without its lines, in one of the payee's currencies."""

    period: str = Field(alias="period_id")
    payee: str
    name: str
    currency: str
    role: str
    credited: str
    earned: str
    payable: str


class StatementPage(Paged):
    """A page of statements."""

    rows: list[StatementHead]


def _find(period: str, payee: str) -> Statement:
    return commands.find(clean(period), clean(payee))


@router.get("/statements", response={200: StatementPage, **ERRORS}, summary="Statements")
def statements(
    request: HttpRequest, window: Query[Window], period: str = "", payee: str = ""
) -> Any:
    """Return all that the asker sees; of a period, of a payee."""
    found = Statement.objects.defer("body", "customers").order_by("-period_id", "rank")
    return page_of(found.filter(**of_period(period), **wanted(payee=payee)), window)


@router.get(
    "/statements/{period}/{id:payee}",
    response={200: dict[str, Any], **ERRORS},
    summary="A statement",
)
def statement(request: HttpRequest, period: str, payee: str) -> Any:
    """Return the statement as `fenrun statement --json` prints it, and more.

    Under `attained` how far each line has come in its table; under `under_way` how far the
    quarters and years that go on, to date; under `elsewhere` what of its customers' spend is
    credited to others (how much and since when, never to whom). What the payee has in other
    currencies stands under `other_currencies`, each like this.
    """
    return commands.with_others(_find(period, payee))


@router.get(
    "/statements/{period}/{id:payee}/change",
    response={200: dict[str, Any], **ERRORS},
    summary="Why it pays other than the month before",
)
def change(request: HttpRequest, period: str, payee: str, currency: str = "") -> Any:
    """Return what makes the two statements pay differently, by component and cause.

    The causes of a component sum to its difference, the components with what is paid otherwise to
    the whole; of a cause `name` is a customer, a clause or the periods that fall due.
    """
    said = commands.find(clean(period), clean(payee), clean(currency)).body.get("change")
    if said is None:
        raise Http404
    return said


@router.get(
    "/statements/{period}/{id:payee}/bundle",
    response={200: bytes, **ERRORS},
    openapi_extra={"responses": {200: {"content": _ZIP}}},
    summary="The signed bundle of a closed statement",
)
def bundle(request: HttpRequest, period: str, payee: str) -> Any:
    """Return a ZIP file that `fenrun verify` derives again anywhere."""
    content = commands.signed_bundle(store_of(request), _find(period, payee))
    return HttpResponse(content, content_type="application/zip")


@router.get(
    "/statements/{period}/{id:payee}/document",
    response={200: dict[str, Any], **ERRORS},
    summary="The self-billing document of a closed statement",
)
def document(request: HttpRequest, period: str, payee: str, currency: str = "") -> Any:
    """Return number, vendor, payee, dates, and what is paid with its tax; `rate` null: not stated.

    Nothing is guessed: what neither book nor terms state is empty.
    """
    found = commands.find(clean(period), clean(payee), clean(currency))
    return asdict(document_of(store_of(request), found))


@router.get(
    "/statements/{period}/{id:payee}/estimate",
    response={200: dict[str, Any], **ERRORS},
    summary="What additional sales would earn",
)
def estimate(request: HttpRequest, period: str, payee: str, amount: str, service: str = "") -> Any:
    """Return what the payee would earn in the period with additional sales, line by line.

    They are at list price, to one of its customers; each line before and after.
    """
    return commands.estimated(_find(period, payee), clean(amount), clean(service))


@router.get(
    "/charges/{period}/{line:line}",
    response={200: dict[str, Any], **ERRORS},
    summary="All charges behind a line, each with whether it counts",
)
def charges(
    request: HttpRequest, period: str, line: str, window: Query[Window], q: str = ""
) -> Any:
    """Return a page of the charges of a line, largest first, and by clause what counts or not.

    With `q` those alone whose customer, service, account or order holds that text.
    """
    found = commands.find_line(clean(period), clean(line))
    if not found:
        raise Http404
    start = (window.page - 1) * window.size
    said = commands.charges_of(found, line, start, window.size, clean(q))
    return {**said, "page": window.page, "size": window.size}


@router.get(
    "/lines/{period}/{line:line}",
    response={200: dict[str, Any], **ERRORS},
    summary="Why a line is what it is",
)
def line(request: HttpRequest, period: str, line: str) -> Any:
    """Return the explanation as `fenrun explain --json` prints it: clauses, bands, charges."""
    found = commands.find_line(clean(period), clean(line))
    if not found:
        raise Http404
    return commands.explained(found, line)
