"""Prices and terms: what customers pay, and what was agreed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Query

from fenrun.base.problem import Problem
from fenrun.base.when import Period, parse_period
from fenrun.base.words import Unreadable
from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    Part,
    Router,
    clean,
    only_who_see_everything,
    part_of,
)
from fenrun.portal.language import lang
from fenrun.portal.request_queue import outside_queue
from fenrun.pricing.agreements import agreements_of
from fenrun.pricing.breaches import breaches_of
from fenrun.pricing.coupons import coupons_of
from fenrun.pricing.lines import prices_of
from fenrun.pricing.written import (
    agreements_as_json,
    breaches_as_json,
    coupons_as_json,
    prices_as_json,
)
from fenrun.settle.terms_in_force import terms_in_force
from fenrun.terms.written import terms_as_json

router = Router()


@router.get(
    "/prices", response={200: dict[str, Any], **ERRORS}, summary="The prices that customers pay"
)
def prices(
    request: HttpRequest, part: Query[Part], period: str, customer: str = "", sku: str = ""
) -> Any:
    """Return prices as `fenrun price --json` prints them; for operations and auditors."""
    only_who_see_everything(request)
    asked = _period(clean(period))
    with outside_queue():
        found = prices_of(store_of(request), asked)
    said = prices_as_json(found, clean(customer), clean(sku))
    return _with_problems(part_of(said, part), found.problems)


@router.get("/breaches", response={200: dict[str, Any], **ERRORS}, summary="Sales below a floor")
def breaches(request: HttpRequest, part: Query[Part], period: str) -> Any:
    """Return sales below a floor as `fenrun breaches --json` does; for operations and auditors."""
    only_who_see_everything(request)
    asked = _period(clean(period))
    with outside_queue():
        found = breaches_of(store_of(request), asked)
    return _with_problems(part_of(breaches_as_json(found), part), found.problems)


@router.get(
    "/terms", response={200: dict[str, Any], **ERRORS}, summary="The terms that hold on a day"
)
def terms(request: HttpRequest, part: Query[Part], on: date, about: str = "") -> Any:
    """Return terms as `fenrun terms show --json` prints them; for operations and auditors."""
    only_who_see_everything(request)
    with outside_queue():
        said = terms_as_json(terms_in_force(store_of(request), on, about=clean(about)), on)
    return part_of(said, part)


@router.get(
    "/terms/coupons",
    response={200: dict[str, Any], **ERRORS},
    summary="Coupons at the end of a day",
)
def coupons(request: HttpRequest, part: Query[Part], on: date) -> Any:
    """Return what `fenrun terms coupons --json` prints; for operations and auditors."""
    only_who_see_everything(request)
    with outside_queue():
        found = coupons_of(store_of(request), on)
    return _with_problems(part_of(coupons_as_json(found), part), found.problems)


@router.get(
    "/terms/agreements",
    response={200: dict[str, Any], **ERRORS},
    summary="Agreements at the end of a day",
)
def agreements(request: HttpRequest, part: Query[Part], on: date) -> Any:
    """Return what `fenrun terms agreements --json` prints; for operations and auditors."""
    only_who_see_everything(request)
    with outside_queue():
        found = agreements_of(store_of(request), on)
    return _with_problems(part_of(agreements_as_json(found), part), found.problems)


def _with_problems(said: dict[str, Any], found: Sequence[Problem]) -> dict[str, Any]:
    problems = [problem.as_json(lang()) for problem in found]
    return said | {"problem_count": len(problems), "problems": problems}


def _period(text: str) -> Period:
    """Read a period. Raises Http404 for a text that is none."""
    try:
        return parse_period(text)
    except Unreadable as error:
        raise Http404 from error
