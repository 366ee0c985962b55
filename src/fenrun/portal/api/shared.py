"""Shared by the resources: refusals, pages of rows, and checks of who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ninja
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from ninja import Field, Path, Schema
from ninja.errors import HttpError

from fenrun.base.words import say
from fenrun.portal.access.permissions import is_operations, sees_everything
from fenrun.portal.commands.periods import read_asked
from fenrun.portal.language import lang

NUMBER: Any = Path(..., ge=1, le=2**62)  # type: ignore[type-arg]  # a function, to those who run it
MOST = 200
"""Rows of a page at most."""


class Said(Schema):
    """A reason of a refusal: what, why, and how to fix it."""

    code: str
    what: str
    why: str = ""
    fix: str = ""
    place: str = ""


class Refusal(Schema):
    """A refusal, with all its reasons."""

    problems: list[Said]


class Paged(Schema):
    """A page of a list; `total` counts all its rows."""

    page: int
    size: int
    total: int


class Window(Schema):
    """A page that is asked for: its number and size."""

    page: int = Field(1, ge=1, le=1_000_000)
    size: int = Field(50, ge=1, le=MOST)


class Part(Schema):
    """A part of a report that is asked for; without a page it is whole, as commands print it."""

    page: int | None = Field(None, ge=1, le=1_000_000)
    size: int = Field(50, ge=1, le=MOST)


ERRORS: dict[Any, Any] = dict.fromkeys((400, 401, 403, 404, 409, 422), Refusal)
"""The answers of every resource besides its own."""


class _Refused(Schema):
    """A refusal, as ninja holds what an operation answers."""

    response: Refusal


class Router(ninja.Router):
    """The operations of a resource.

    They share the models of their refusals: else ninja makes six of each, a third of a start.
    """

    def add_api_operation(
        self, path: str, methods: list[str], view_func: Callable[..., Any], **said: Any
    ) -> None:
        answers = said["response"]
        own = {code: model for code, model in answers.items() if code not in ERRORS}
        super().add_api_operation(path, methods, view_func, **{**said, "response": own})
        models = self.path_operations[path].operations[-1].response_models
        models |= {code: _Refused for code in answers if code in ERRORS}


def page_of(rows: QuerySet[Any] | Sequence[Any], window: Window) -> dict[str, Any]:
    """Return a page of rows; of a query only these are read."""
    start = (window.page - 1) * window.size
    return {
        "page": window.page,
        "size": window.size,
        "total": rows.count() if isinstance(rows, QuerySet) else len(rows),
        "rows": list(rows[start : start + window.size]),
    }


def part_of(report: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """Return a page of each of a report's tables, with how many rows each has; or the whole."""
    if part.page is None:
        return dict(report)
    start = (part.page - 1) * part.size
    tables = {key: rows for key, rows in report.items() if isinstance(rows, list)}
    pages = {key: rows[start : start + part.size] for key, rows in tables.items()}
    totals = {key: len(rows) for key, rows in tables.items()}
    return {**report, **pages, "page": part.page, "size": part.size, "totals": totals}


def clean(text: str) -> str:
    """Return a text without NUL bytes: PostgreSQL would refuse the whole query. Raises Http404."""
    if "\x00" in text:
        raise Http404
    return text


def wanted(**values: str) -> dict[str, str]:
    """Return the values of a filter that are given."""
    return {key: clean(value) for key, value in values.items() if value}


def of_period(text: str, column: str = "period_id") -> dict[str, str]:
    """Return the filter of rows by a period, where one is asked for. Raises Refused for none."""
    return {column: read_asked(clean(text)).key} if text else {}


def forbidden(key: str) -> HttpError:
    """Return the refusal of what the asker may not do; `key` names its words."""
    return HttpError(403, say(key, lang()))


def only_operations(request: HttpRequest) -> None:
    """Refuse whoever is not of operations."""
    if not is_operations(request):
        raise forbidden("api-only-operations")


def only_who_see_everything(request: HttpRequest) -> None:
    """Refuse whoever is neither of operations nor an auditor."""
    if not sees_everything(request):
        raise forbidden("api-only-everybody")
