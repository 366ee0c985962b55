"""Plans: their texts, checking one, saving one."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    Paged,
    Router,
    Window,
    clean,
    only_operations,
    only_who_see_everything,
    page_of,
)
from fenrun.portal.commands import plans as commands
from fenrun.portal.language import lang

router = Router()


class PlanIn(Schema):
    """A plan's text, to be saved."""

    text: str = Field(max_length=1_000_000)
    reason: str = Field(max_length=500)


class PlanOut(Schema):
    """A plan with its text."""

    plan: str
    text: str


class PlanPage(Paged):
    """A page of plans."""

    rows: list[PlanOut]


class CheckIn(Schema):
    """A plan's text, to be checked."""

    text: str = Field(max_length=1_000_000)
    period: str = Field("", max_length=40, description="Whose pay it changes in this period.")


class CheckedOut(Schema):
    """The checker's answer."""

    problems: list[dict[str, Any]]
    cases: list[int] = Field(
        description="How many of the plan's cases come out as it says, and how many there are."
    )
    changes: list[dict[str, Any]]
    payees: list[dict[str, Any]]
    period: str


@router.get("/plans", response={200: PlanPage, **ERRORS}, summary="The plans as they are known")
def plans(request: HttpRequest, window: Query[Window], plan: str = "") -> Any:
    """Return each plan with its text, or one; for operations and auditors."""
    only_who_see_everything(request)
    known = commands.current_plans(store_of(request))
    found = [
        {"plan": name, "text": file.content} for name, file in known.items() if plan in ("", name)
    ]
    return page_of(found, window)


@router.post("/plans", response={201: PlanOut, **ERRORS}, summary="Publish a plan from now on")
def save_plan(request: HttpRequest, said: PlanIn) -> Any:
    """Save a text as the plan. What is closed stays as it was closed."""
    only_operations(request)
    file = commands.save(store_of(request), clean(said.text), clean(said.reason))
    return 201, {"plan": file.plan.id, "text": file.content}


@router.post(
    "/plans/check",
    response={200: CheckedOut, **ERRORS},
    summary="What the checker says of a plan's text",
)
def check_plan(request: HttpRequest, said: CheckIn) -> Any:
    """Return problems, cases, what it changes clause by clause and, in a period, whose pay.

    For operations and auditors; nothing is kept.
    """
    only_who_see_everything(request)
    checked = commands.check(store_of(request), clean(said.text), clean(said.period))
    return {
        "problems": [problem.as_json(lang()) for problem in checked.problems],
        "cases": list(checked.cases or (0, 0)),
        "changes": [vars(change) for change in checked.changes or []],
        "payees": checked.payees or [],
        "period": checked.period,
    }
