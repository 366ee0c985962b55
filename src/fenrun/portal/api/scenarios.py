"""Scenarios: checking, saving and running one; asking for its publishing, and approving that."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    NUMBER,
    Paged,
    Router,
    Window,
    clean,
    only_operations,
    only_who_see_everything,
    page_of,
)
from fenrun.portal.commands import scenarios as commands
from fenrun.portal.language import lang

router = Router()


class ScenarioIn(Schema):
    """The text of a scenario."""

    text: str = Field(max_length=1_000_000)


class ScenarioOut(Schema):
    """A saved scenario, with the answer of its last run."""

    number: int = Field(alias="pk")
    name: str
    text: str
    saved_by: str
    saved_at: datetime
    outcome: dict[str, Any] | None
    reason: str
    asked_by: str
    published_by: str


class ScenarioPage(Paged):
    """A page of scenarios."""

    rows: list[ScenarioOut]


class RunIn(Schema):
    """The period that is settled as it is and under the scenario."""

    period: str = Field(max_length=40)


class AskIn(Schema):
    """The reason for publishing a scenario."""

    reason: str = Field(max_length=500)


class ProblemsOut(Schema):
    """Problems of a text; none, where it can be read."""

    problems: list[dict[str, Any]]


@router.get("/scenarios", response={200: ScenarioPage, **ERRORS}, summary="The saved scenarios")
def scenarios(request: HttpRequest, window: Query[Window]) -> Any:
    """Return each saved scenario, the last first; for operations and auditors."""
    only_who_see_everything(request)
    return page_of(commands.all_rows(), window)


@router.post("/scenarios", response={201: ScenarioOut, **ERRORS}, summary="Save a scenario")
def save_scenario(request: HttpRequest, said: ScenarioIn) -> Any:
    """Save a text under the name of its scenario; nothing of it enters the workspace."""
    only_operations(request)
    return 201, commands.save(store_of(request), clean(said.text))


@router.post(
    "/scenarios/check",
    response={200: ProblemsOut, **ERRORS},
    summary="What the checker says of a scenario's text",
)
def check_scenario(request: HttpRequest, said: ScenarioIn) -> Any:
    """Return what is wrong with a text, each with its line; nothing is kept."""
    only_who_see_everything(request)
    _, problems = commands.check(clean(said.text))
    return {"problems": [problem.as_json(lang()) for problem in problems]}


@router.post(
    "/scenarios/{number}/run",
    response={200: ScenarioOut, **ERRORS},
    summary="Settle a period under a scenario",
)
def run_scenario(request: HttpRequest, said: RunIn, number: int = NUMBER) -> Any:
    """Settle a period as it is and under a scenario; the answer is kept with it."""
    only_operations(request)
    _found(number)
    return commands.run(store_of(request), number, clean(said.period))


@router.post(
    "/scenarios/{number}/ask",
    response={200: ScenarioOut, **ERRORS},
    summary="Ask that a scenario be published",
)
def ask_scenario(request: HttpRequest, said: AskIn, number: int = NUMBER) -> Any:
    """Ask, as the first of two, that what it says of plans, book and agreements be entered."""
    only_operations(request)
    _found(number)
    return commands.ask(store_of(request), number, clean(said.reason))


@router.post(
    "/scenarios/{number}/publish",
    response={200: ScenarioOut, **ERRORS},
    summary="Approve that a scenario is published",
)
def publish_scenario(request: HttpRequest, number: int = NUMBER) -> Any:
    """Enter what it says of plans, book and agreements, as the second of two."""
    only_operations(request)
    _found(number)
    return commands.publish(store_of(request), number)


def _found(number: int) -> None:
    """Raise Http404 for a scenario that there is not."""
    if not commands.find(number):
        raise Http404
