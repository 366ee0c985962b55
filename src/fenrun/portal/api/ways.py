"""Ways into accounts: sessions, tokens, webhooks, connections; seen and ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import is_operations, sees_everything, user_of
from fenrun.portal.api.shared import ERRORS, NUMBER, Paged, Router, Window, clean, page_of
from fenrun.portal.commands import ways as commands

router = Router()


class WayOut(Schema):
    """A way into an account, or out of it."""

    kind: str = Field(description="session, token, webhook or connection")
    number: int
    user: str
    what: str
    since: datetime
    until: datetime | None
    in_force: bool = Field(description="False: password or grants have changed since.")


class WayPage(Paged):
    """A page of ways into accounts."""

    rows: list[WayOut]


@router.get("/ways", response={200: WayPage, **ERRORS}, summary="Ways into accounts")
def ways(request: HttpRequest, window: Query[Window], user: str = "") -> Any:
    """Return those of my account; of another account for operations and auditors."""
    if not user or user == request.user.get_username():
        return page_of(commands.ways_of([user_of(request)]), window)
    if not sees_everything(request):
        raise Http404
    accounts = User.objects.using("default").filter(username=clean(user))
    return page_of(commands.ways_of(accounts), window)


@router.post(
    "/ways/{kind}/{number}/end", response={204: None, **ERRORS}, summary="End a way into an account"
)
def end_way(request: HttpRequest, kind: str, number: int = NUMBER) -> Any:
    """End one of my own; of anybody as operations."""
    user = user_of(request)
    of = None if is_operations(request) else user
    if not commands.end(user.get_username(), kind, number, of):
        raise Http404
    return 204, None
