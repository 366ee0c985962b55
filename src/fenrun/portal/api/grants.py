"""Grants: what the asker may see and why; for operations, letting somebody see."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import reasons_of
from fenrun.portal.api.shared import (
    ERRORS,
    NUMBER,
    Paged,
    Router,
    Window,
    clean,
    only_operations,
    page_of,
    wanted,
)
from fenrun.portal.commands import grants as commands
from fenrun.portal.models import Grant

router = Router()


class GrantOut(Schema):
    """A grant."""

    id: int
    role: str
    party: str
    reason: str
    given_by: str
    given_at: datetime
    approved_by: str
    holds_at: datetime | None = Field(description="None: it waits for the second of operations.")


class GrantPage(Paged):
    """A page of grants."""

    rows: list[GrantOut]


class GrantIn(Schema):
    """A grant, as it is given."""

    user: str = Field(min_length=1, max_length=150)
    role: str = Field(max_length=20)
    party: str = Field("", max_length=200)
    reason: str = Field(max_length=500)


class LinkOut(Schema):
    """A link for its owner alone."""

    path: str = Field(description="At the portal's own address.")


@router.get("/me", response={200: GrantPage, **ERRORS}, summary="What I may see, and why")
def me(request: HttpRequest, window: Query[Window]) -> Any:
    """Return one's own grants."""
    return page_of(reasons_of(request), window)


@router.get(
    "/grants",
    response={200: GrantPage, **ERRORS},
    summary="The grants that I see: mine, or everybody's",
)
def grants(request: HttpRequest, window: Query[Window], role: str = "", party: str = "") -> Any:
    """Return the grants in force, latest first; of a role, for a party."""
    found = Grant.objects.filter(ended_at=None, **wanted(role=role, party=party))
    return page_of(found.order_by("-id"), window)


@router.post("/grants", response={201: GrantOut, **ERRORS}, summary="Let somebody see")
def give(request: HttpRequest, said: GrantIn) -> Any:
    """Give a grant; of operations or for a customer it holds once a second has approved it.

    Who has no account yet takes it up by the link of POST /grants/{number}/link.
    """
    only_operations(request)
    actor = request.user.get_username()
    user, party, reason = clean(said.user), clean(said.party), clean(said.reason)
    return 201, commands.give(actor, user, said.role, party, reason)


@router.post(
    "/grants/{number}/approve", response={200: GrantOut, **ERRORS}, summary="Approve a grant"
)
def approve_grant(request: HttpRequest, number: int = NUMBER) -> Any:
    """Approve as another of operations than who gave it."""
    only_operations(request)
    get_object_or_404(Grant, pk=number)
    return commands.approve(request.user.get_username(), number)


@router.post(
    "/grants/{number}/link",
    response={200: LinkOut, **ERRORS},
    summary="The link by which a new account is taken up",
)
def first_link(request: HttpRequest, number: int = NUMBER) -> Any:
    """Return the link, to who gave the grant: good once, for three days.

    Not for accounts of operations and customers.
    """
    only_operations(request)
    get_object_or_404(Grant, pk=number)
    return {"path": commands.first_link(request.user.get_username(), number)}


@router.post("/grants/{number}/end", response={204: None, **ERRORS}, summary="End a grant")
def end_grant(request: HttpRequest, number: int = NUMBER) -> Any:
    """End a grant: from the next request on nothing is seen by it."""
    only_operations(request)
    get_object_or_404(Grant, pk=number)
    commands.end(request.user.get_username(), number)
    return 204, None
