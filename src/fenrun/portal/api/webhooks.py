"""Webhooks: subscribing another system to what the asker sees."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.access.encryption import secret_of
from fenrun.portal.access.permissions import user_of
from fenrun.portal.api.shared import ERRORS, NUMBER, Paged, Router, Window, clean, page_of
from fenrun.portal.commands import ways
from fenrun.portal.commands import webhooks as commands
from fenrun.portal.models import Hook

router = Router()


class HookOut(Schema):
    """A webhook."""

    id: int
    url: str
    events: str
    made_at: datetime


class HookPage(Paged):
    """A page of webhooks."""

    rows: list[HookOut]


class HookMade(HookOut):
    """A new webhook, with its secret."""

    secret: str = Field(description="Signs what is sent; said this once.")


class HookIn(Schema):
    """A webhook, as it is asked for."""

    url: str = Field(max_length=500)
    events: list[str]


@router.get("/hooks", response={200: HookPage, **ERRORS}, summary="My webhooks")
def my_hooks(request: HttpRequest, window: Query[Window]) -> Any:
    """Return those in force."""
    own = Hook.objects.filter(user=user_of(request), ended_at=None)
    return page_of(own.order_by("id"), window)


@router.post("/hooks", response={201: HookMade, **ERRORS}, summary="Subscribe another system")
def make_hook(request: HttpRequest, said: HookIn) -> Any:
    """Subscribe an address to statements and disputes that I see.

    What is sent carries X-Fenrun-Time and X-Fenrun-Signature: HMAC-SHA256 with the secret over the
    moment, a dot and the body.
    """
    made = commands.make(request.user, clean(said.url), " ".join(said.events))
    made.secret = secret_of(made.secret)
    return 201, made


@router.post("/hooks/{number}/end", response={204: None, **ERRORS}, summary="End a webhook")
def end_hook(request: HttpRequest, number: int = NUMBER) -> Any:
    """End one of one's own."""
    user = user_of(request)
    ways.end(user.get_username(), "webhook", number, user)
    return 204, None
