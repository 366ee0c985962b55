"""Slow work in a thread of its own: how far it is, and why it did not come to its end."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Field, Schema

from fenrun.portal.access.permissions import store_of, user_of
from fenrun.portal.api.scenarios import RunIn
from fenrun.portal.api.shared import ERRORS, NUMBER, Router, clean, only_operations
from fenrun.portal.commands import scenarios, work
from fenrun.portal.language import lang
from fenrun.portal.models import Work
from fenrun.portal.places import without_folders

router = Router()


class WorkOut(Schema):
    """Some work: how far it is."""

    number: int
    kind: str = Field(description="scenario or settle.")
    subject: str = Field(description="Number of the scenario, or key of the period.")
    now: str = Field(description="The step that is being done.")
    done: int = Field(description="Steps that were begun.")
    steps: int = Field(description="Steps in all; 0: nobody knows yet.")
    over: bool
    problems: list[dict[str, Any]]


def _as_json(found: Work) -> dict[str, Any]:
    problems = without_folders(work.problems_of(found))
    said = {key: getattr(found, key) for key in ("kind", "subject", "now", "done", "steps", "over")}
    return {"number": found.pk, **said, "problems": [one.as_json(lang()) for one in problems]}


@router.post(
    "/scenarios/{number}/runs",
    response={202: WorkOut, **ERRORS},
    summary="Begin to settle a period under a scenario",
)
def begin_scenario(request: HttpRequest, said: RunIn, number: int = NUMBER) -> Any:
    """Settle a period as it is and under a scenario while one asks how far it is."""
    only_operations(request)
    if not scenarios.find(number):
        raise Http404
    user, period = user_of(request).pk, clean(said.period)
    return 202, _as_json(scenarios.begin(store_of(request), user, number, period))


@router.get("/work/{number}", response={200: WorkOut, **ERRORS}, summary="How far some work is")
def how_far(request: HttpRequest, number: int = NUMBER) -> Any:
    """Return how far some work is; for operations."""
    only_operations(request)
    found = work.find(number)
    if not found:
        raise Http404
    return _as_json(found)
